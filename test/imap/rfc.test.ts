import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Suite, Test } from 'mocha';
import { dial, startWorld } from './dialogue.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const rows = read('fixtures/rfc.tsv').split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
  const [rfc, section, what, status, file, test] = line.split('\t');
  return { rfc, section, what, status, file, test };
});

/** The sections of RFC 9051 that ask something of a server, from its table of contents. */
const SECTIONS_9051 =
  '2.1 2.2.1 2.2.2 2.3.1.1 2.3.1.2 2.3.2 2.3.3 2.3.4 2.3.5 2.3.6 2.4 3.1 3.2 3.3 3.4 4.1 4.1.1 4.2 4.3 4.3.1 4.4 4.5 5.1 5.1.1 5.1.2 5.2 5.3 5.4 5.5 6.1.1 6.1.2 6.1.3 6.2.1 6.2.2 6.2.3 ' +
  '6.3.1 6.3.2 6.3.3 6.3.4 6.3.5 6.3.6 6.3.7 6.3.8 6.3.9 6.3.9.1 6.3.9.2 6.3.9.3 6.3.9.4 6.3.9.5 6.3.9.6 6.3.9.7 6.3.10 6.3.11 6.3.12 6.3.13 6.4.1 6.4.2 6.4.3 6.4.4 6.4.4.1 6.4.4.2 6.4.4.3 ' +
  '6.4.5 6.4.5.1 6.4.6 6.4.7 6.4.8 6.4.9 6.5 7.1 7.1.1 7.1.2 7.1.3 7.1.4 7.1.5 7.2.1 7.2.2 7.3.1 7.3.2 7.3.3 7.3.4 7.3.5 7.4.1 7.5.1 7.5.2 7.6 9 11.1 11.2 11.7';

function tests(suite: Suite): Test[] {
  return [...suite.tests, ...suite.suites.flatMap(tests)];
}

/** All that is advertised at any moment. */
async function advertised(): Promise<string[]> {
  const world = await startWorld();
  const wire = await dial(world.port);
  const before = (await wire.command('a', 'CAPABILITY'))[0];
  await wire.command('b', 'LOGIN ann@example.org secret');
  const after = (await wire.command('c', 'CAPABILITY'))[0];
  wire.close();
  const secure = await dial(world.tlsPort, { tls: true });
  const underTls = (await secure.command('a', 'CAPABILITY'))[0];
  secure.close();
  await world.stop();
  const words = `${before} ${after} ${underTls}`.split(' ').filter((word) => !/^(\*|CAPABILITY|LOGINDISABLED)$/.test(word));
  return [...new Set(words.map((word) => word.replace(/^(APPENDLIMIT|MESSAGELIMIT)=.*/, '$1')))];
}

/** At the end of a whole run: what the table names has run, and passed. A part of a run (--grep) shows less. */
after(function () {
  if (process.argv.some((word) => /^(-g|-f|--grep|--fgrep)/.test(word))) return;
  let root = this.test!.parent!;
  while (root.parent) root = root.parent;
  const loaded = tests(root);
  for (const { rfc, section, status, file, test } of rows) {
    if (status === 'not done') continue;
    for (const one of loaded.filter((each) => each.file?.endsWith(`test/${file}`) && each.title.startsWith(test))) {
      assert.ok(one.state === 'passed' || one.state === 'failed', `${rfc} ${section}: "${test}" did not run`);
    }
  }
});

describe('fixtures/rfc.tsv', () => {
  it('has a section, a status and, for what is done, a test', () => {
    assert.ok(rows.length > 200);
    for (const { rfc, section, what, status, file, test } of rows) {
      assert.match(rfc, /^\d+( [A-Z0-9=+-]+)?$/);
      assert.match(section, /^\d+(\.\d+)*$/);
      assert.ok(what !== '' && ['done', 'best effort', 'not done'].includes(status), `${rfc} ${section}`);
      assert.equal(file !== '' && test !== '', status !== 'not done', `${rfc} ${section}: a test shows what is done`);
    }
  });

  it('has a line for every section of RFC 9051', () => {
    const listed = new Set(rows.filter(({ rfc }) => rfc === '9051').map(({ section }) => section));
    assert.deepEqual(SECTIONS_9051.split(' ').filter((section) => !listed.has(section)), []);
  });

  it('names tests that exist, and that pass where they were loaded', function () {
    let root = this.test!.parent!;
    while (root.parent) root = root.parent;
    const loaded = tests(root);
    for (const { rfc, section, status, file, test } of rows) {
      if (status === 'not done') continue;
      const here = loaded.filter((one) => one.file?.endsWith(`test/${file}`) && one.title.startsWith(test));
      if (loaded.some((one) => one.file?.endsWith(`test/${file}`))) assert.ok(here.length > 0, `${rfc} ${section}: no test "${test}" in ${file}`);
      else assert.ok(read(`test/${file}`).includes(test.replace(/^(\(.*?\)) → .*/, '$1')), `${rfc} ${section}: no test "${test}" in ${file}`);
      for (const one of here) assert.ok(!one.isPending() && one.state !== 'failed', `${rfc} ${section}: "${test}" did not run or failed`);
    }
  });

  it('has a line for every capability, and README names them all', async () => {
    const readme = read('README.md').replace(/\s+/g, ' ');
    for (const name of await advertised()) {
      if (name === 'IMAP4rev1' || name === 'IMAP4rev2') continue;
      assert.ok(new RegExp(`[ ,]${name.replace(/[+]/g, '\\$&')}[,. ]`).test(readme), `README does not name ${name}`);
      if (name === 'STARTTLS') continue;
      assert.ok(rows.some(({ rfc, status }) => rfc.endsWith(` ${name}`) && status !== 'not done'), `no line shows ${name}`);
    }
    const capabilities = new Set(await advertised());
    for (const { rfc, status } of rows) {
      const name = rfc.split(' ')[1];
      if (name !== undefined && !rows.some((row) => row.rfc === rfc && row.status !== 'not done')) assert.ok(!capabilities.has(name), `${name} is advertised and not done`);
      if (name !== undefined && status === 'done') assert.ok(capabilities.has(name), `${name} is done and not advertised`);
    }
  });
});
