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
