// Another cluster secret, from the first command to a replica that never had the former one.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { deliver, dialogue } from './dialogue.ts';
import { CliSystem } from './system.ts';
import { FakeSystem } from './fake-server.ts';
import type { ServedReplica } from './system.ts';

const PATIENCE_MS = 20_000;
const imap = (r: ServedReplica, ...commands: string[]) => dialogue(r.ports.imap, [['a LOGIN bob@x.test first-password\r\n', /^a OK/m], ['b SELECT INBOX\r\n', /^b OK/m], ...commands.map((c, i): [string, RegExp] => [`c${i} ${c}\r\n`, new RegExp(`^c${i} OK`, 'm')])], PATIENCE_MS);
const lmtp = (r: ServedReplica, to: string, id: number) =>
  deliver(r.ports.lmtp, to, `Message-ID: <${id}@far.test>\r\nSubject: m${id}\r\n\r\nText ${id}`, PATIENCE_MS);

/** All that is stored is two hours older. */
function age(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { atimeMs, mtimeMs } = statSync(path);
    utimesSync(path, atimeMs / 1000, mtimeMs / 1000 - 7200);
  }
}

describe('another cluster secret', function () {
  this.timeout(120_000);
  let system: CliSystem;
  beforeEach(() => {
    system = new CliSystem();
    system.env.COLOMBIER_SMARTHOST = '127.0.0.1:1'; // where nobody answers: what is sent waits
  });
  afterEach(() => system.end());

  it('is put in, everything is written anew, and the former one is left out: mail, flags, directory, queue, sizes', async () => {
    const secrets = (...texts: string[]) => ({ COLOMBIER_CLUSTER_SECRET: texts.join(' ') });
    const good = async (line: string, env = {}, input = '') => {
      const ran = await system.run(line, input, env);
      assert.equal(ran.status, 0, `${line}: ${ran.out}${ran.err}`);
      return ran.out;
    };
    const bad = async (line: string, env: object, why: RegExp) => {
      const ran = await system.run(line, '', env as NodeJS.ProcessEnv);
      assert.equal(ran.status, 1, ran.out);
      assert.match(ran.out + ran.err, why);
    };
    await good('domain add x.test');
    await good('user add bob@x.test --password-stdin', {}, 'first-password\n');
    await good('user add eve@x.test --password-stdin', {}, 'other-password\n');
    await good('address add away@x.test someone@elsewhere.test');
    let replica = await system.serve();
    for (let i = 0; i < 3; i++) await lmtp(replica, 'bob@x.test', i);
    await imap(replica, 'STORE 2 +FLAGS (\\Flagged)', 'CREATE Folder', 'COPY 1 Folder');
    await lmtp(replica, 'eve@x.test', 7);
    await lmtp(replica, 'away@x.test', 8);
    assert.match(await good('queue list'), /someone@elsewhere\.test/);
    const former = readFileSync(join(system.folder, 'settings', 'cluster-secret'), 'utf8').trim();
    const fresh = (await good('secret new')).trim();
    assert.notEqual(fresh, former);
    const [first, both, alone] = [secrets(former, fresh), secrets(fresh, former), secrets(fresh)];
    assert.match(await good('secret status'), /^Accepted too +none\n4 logs: none needs a former secret\n/m);

    // A replica that still writes under the former one.
    await bad('secret renew', both, /write under a former secret still: 127\.0\.0\.1:\d+/);
    await bad('secret status', both, /replica \w+ .* writes under a former secret/);
    assert.equal(await replica.stop(), 0);
    replica = await system.serve(first);
    await bad('secret renew', both, /write under a former secret still/);
    assert.equal(await replica.stop(), 0);
    await bad('user list', alone, /store damaged/);
    await bad('secret renew', both, /less than an hour ago/);
    await bad('secret renew', alone, /store damaged/);

    age(system.store);
    replica = await system.serve(both);
    await lmtp(replica, 'bob@x.test', 3);
    await bad('secret status', both, /^4 of 4 logs need a former secret/m);
    const renewed = await good('secret renew', both);
    assert.match(renewed, /^4 logs: none needs [0-9a-f]{8}, which may be left out$/m);
    assert.match(renewed, /^directory +\d+ +0 +no$/m);
    assert.equal(await good('secret status', both), renewed);
    assert.equal(await good('secret renew', both), renewed, 'it may be run again');
    const sizes = await good('user list', both);
    const mail = (r: ServedReplica) => imap(r, 'FETCH 1:* (UID FLAGS BODY.PEEK[TEXT])', 'STATUS Folder (MESSAGES)', 'LIST "" *').then((all) => all.replace(/^[ab] .*|^\* OK .*CAPABILITY.*$|^c0.*/gm, ''));
    const shown = await mail(replica);
    assert.match(shown, /Text 3[^]*MESSAGES 1/);
    assert.equal(await replica.stop(), 0);

    // What would be written under the former one now counts for nothing: whoever is that late is told so.
    await bad('user list', first, /was replaced/);
    await assert.rejects(system.serve(first), /was replaced/);
    await bad('user list', {}, /./);

    replica = await system.serve(alone);
    assert.equal(await mail(replica), shown);
    assert.match(shown, /FLAGS \(\\Flagged\)/);
    assert.equal(await good('user list', alone), sizes);
    assert.match(sizes, /bob@x\.test +4/);
    assert.match(await good('queue list', alone), /someone@elsewhere\.test/);
    assert.match(await good('address list', alone), /away@x\.test +someone@elsewhere\.test/);
    assert.match(await good('replicas', alone), /127\.0\.0\.1:\d+ .* here\n$/);
    await lmtp(replica, 'bob@x.test', 4);
    await good('user password bob@x.test --password-stdin', alone, 'first-password\nfirst-password\n');
    assert.match(await good('check --all', alone), /all is well/);
    assert.match(await good('check bob@x.test --password-stdin', alone, 'first-password\n'), /all is well/);
    assert.match(await good('check --all --repair', alone), /all is well/);
    assert.match(await good('secret status', alone), /none needs a former secret/);
    assert.equal(await replica.stop(), 0);
    assert.doesNotMatch(system.said, new RegExp(`${former}|${fresh}`));
  });

  it('is told of in words that a terminal can show', async () => {
    const fake = new FakeSystem();
    fake.answers.secretStatus = { writing: 'aa', former: ['bb', 'cc'], writers: [{ id: 'w', address: 'x\x1b:1' }], total: 9, logs: [{ log: 'queue', former: 3, unlisted: 2, needed: true, problem: 'bad\nthing' }] };
    const { out, err, status } = await fake.run('secret status');
    assert.equal(out, 'Writing under  aa\nAccepted too   bb, cc\nLOG    FORMER  UNLISTED  NEEDS IT\nqueue       3         2  yes\nreplica w (x?:1) writes under a former secret\n1 of 9 logs need a former secret: secret renew\n');
    assert.equal(err, 'queue: bad?thing\n');
    assert.equal(status, 1);
  });
});
