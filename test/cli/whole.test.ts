// From the command line to the disk and back: every command that touches users, with and without a running replica.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import * as openpgp from 'openpgp';
import { silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { openStores } from '../../src/store/index.ts';
import type { Stores } from '../../src/store/index.ts';
import { deliver, dialogue } from './dialogue.ts';
import { CliSystem } from './system.ts';
import type { ServedReplica } from './system.ts';

const login = async (r: ServedReplica, user: string, password: string) => dialogue(r.ports.imap, [[`a LOGIN ${user} "${password}"\r\n`, /^a /m]]);
const lmtp = (r: ServedReplica, to: string, message: string) => deliver(r.ports.lmtp, to, message);

describe('the command line, whole', function () {
  this.timeout(90_000);
  let system: CliSystem;
  const value = (out: string, name: string) => new RegExp(`^${name} +(.+)$`, 'm').exec(out)![1];
  async function good(line: string, input = ''): Promise<string> {
    const ran = await system.run(line, input);
    assert.equal(ran.status, 0, `${line}: ${ran.err}`);
    return ran.out;
  }
  async function bad(line: string, input: string, why: RegExp, env: NodeJS.ProcessEnv = {}): Promise<void> {
    const ran = await system.run(line, input, env);
    assert.equal(ran.status, 1, `${line}: ${ran.out}`);
    assert.match(ran.err, why);
    assert.equal(ran.err.trim().split('\n').length, 1, 'one line');
  }
  const stores = (): Promise<Stores> => openStores({ store: `disk:${system.store}` }, systemClock, systemRandom, silent);

  beforeEach(() => (system = new CliSystem()));
  afterEach(() => system.end());

  it('begins with a domain: any other command where nothing is yet makes nothing, and says so', async () => {
    for (const line of ['user list', 'check --all', 'restored', 'replicas']) await bad(line, '', /there is no store at .*store: start, serve and domain add make one/);
    assert.equal(existsSync(system.store), false);
    await good('domain add x.test');
    mkdirSync(`${system.folder}/empty`);
    await bad('user list', '', /the store is empty, and there is no cluster secret/, { COLOMBIER_STORE: `disk:${system.folder}/empty`, COLOMBIER_SETTINGS: `${system.folder}/other` });
    await bad('user list', '', /the store holds data already: copy the file/, { COLOMBIER_SETTINGS: `${system.folder}/other` });
    assert.equal(existsSync(`${system.folder}/other`), false);
  });

  it('makes domains, users and addresses, and takes them back', async () => {
    await good('domain add x.test');
    await bad('domain add X.test.', '', /there already/);
    await bad('user add bob@y.test --password-stdin', 'long-enough\n', /No such domain/);
    await bad('user add bob@x.test --password-stdin', 'short\n', /8 characters/);
    const added = await good('user add bob@x.test --password-stdin', 'first-password\n');
    assert.match(value(added, 'Recovery code'), /^[0-9a-z-]{40,}$/);
    await bad('user add Bob@x.test --password-stdin', 'long-enough\n', /there already/);
    await good('address add @x.test bob@x.test');
    await good('address add robert@x.test bob@x.test');
    await bad('address add robert@x.test bob@x.test', '', /there already/);
    assert.equal(await good('address list'), 'ADDRESS        USER\n@x.test        bob@x.test\nbob@x.test     bob@x.test\nrobert@x.test  bob@x.test\n');
    const shown = await good('user show robert@x.test');
    assert.equal(value(shown, 'Addresses'), 'bob@x.test, @x.test, robert@x.test');
    assert.match(value(shown, 'Key'), /^[0-9A-F]{64}$/);
    assert.equal(await good(`user show ${value(shown, 'Id')}`), shown);
    assert.match(await good('user list X.test'), /^bob@x\.test/m);
    for (const line of ['user list y.test', 'address list y.test']) await bad(line, '', /No such domain: y\.test/);
    await bad('domain remove x.test', '', /3 addresses still/);
    await bad('address remove bob@x.test', '', /own address/);
    await good('user add ann@x.test --password-stdin', 'long-enough\n');
    await bad('address add bob@x.test ann@x.test', '', /bob@x\.test is somebody's already/);
    await good('user remove ann@x.test');
    await good('address remove robert@x.test');
    await good('user remove bob@x.test');
    await bad('user show bob@x.test', '', /No such user/);
    assert.equal(await good('address list'), 'ADDRESS  USER\n');
    await good('domain remove x.test');
    assert.equal(await good('domain list'), 'DOMAIN  USERS  ADDRESSES\n');
    assert.doesNotMatch(system.said, /first-password|long-enough/);
  });

  it('changes passwords, with a replica at work: at once, and sessions end with what opened them', async () => {
    await good('domain add x.test');
    const code = value(await good('user add bob@x.test --password-stdin', 'first-password\n'), 'Recovery code');
    const replica = await system.serve();
    const asked = await system.run('user show bob@x.test', '', { COLOMBIER_LOG_LEVEL: 'debug' });
    assert.match(asked.err, /a running replica is asked/);
    assert.match(await login(replica, 'bob@x.test', 'first-password'), /^a OK/m);

    await bad('user password bob@x.test --password-stdin', 'wrong-password\nsecond-password\n', /Wrong password/);
    await good('user password bob@x.test --password-stdin', 'first-password\nsecond-password\n');
    assert.match(await login(replica, 'bob@x.test', 'first-password'), /^a NO \[AUTHENTICATIONFAILED\]/m);
    assert.match(await login(replica, 'bob@x.test', 'second-password'), /^a OK/m);
    await good('user password bob@x.test --password-stdin --recovery-code', `${code}\nthird-password\n`);
    assert.match(await login(replica, 'bob@x.test', 'third-password'), /^a OK/m);
    assert.match(await login(replica, 'bob@x.test', code), /^a NO/m, 'a recovery code is no password');

    const app = await good('user app-password bob@x.test phone --password-stdin', 'third-password\n');
    const phone = value(app, 'App password');
    assert.match(await good('user show bob@x.test'), new RegExp(`^App password +${value(app, 'Id')} .* phone$`, 'm'));
    const idle = dialogue(replica.ports.imap, [[`a LOGIN bob@x.test "${phone}"\r\n`, /^a /m], ['b IDLE\r\n', /^\* BYE/m]]);
    await new Promise((r) => setTimeout(r, 300));
    await good(`user app-password bob@x.test --remove ${value(app, 'Id')}`);
    assert.match(await idle, /^a OK[^]*^\+ [^]*^\* BYE/m);
    assert.match(await login(replica, 'bob@x.test', phone), /^a NO \[AUTHENTICATIONFAILED\]/m);
    await bad(`user app-password bob@x.test --remove ${value(app, 'Id')}`, '', /No such app password/);

    const next = value(await good('user recover bob@x.test --password-stdin', `${code}\nfourth-password\n`), 'Recovery code');
    await bad('user recover bob@x.test --password-stdin', `${code}\nfifth-password\n`, /Wrong recovery code/);
    assert.match(await login(replica, 'bob@x.test', 'fourth-password'), /^a OK/m);
    await good('user recover bob@x.test --password-stdin', `${next}\nfifth-password\n`);

    assert.equal(await replica.stop(), 0);
    for (const secret of [/(first|second|third|fourth|fifth|wrong)-password/, new RegExp(phone), new RegExp(code)]) assert.doesNotMatch(system.said, secret);
    await good('user password bob@x.test --password-stdin', 'fifth-password\nsixth-password\n');
  });

  it('limits how much a user may have: at once at a replica at work, and kept by the store', async () => {
    await good('domain add x.test');
    await good('user add bob@x.test --password-stdin', 'first-password\n');
    const replica = await system.serve();
    const message = `Subject: hello\r\n\r\n${'x'.repeat(2000)}`;
    const rcpt = () => dialogue(replica.ports.lmtp, [['LHLO x\r\n', /^250 /m], ['MAIL FROM:<s@far.test>\r\n', /^250/m], ['RCPT TO:<bob@x.test>\r\n', /^\d/m], ['QUIT\r\n', /^221/m]]);
    await lmtp(replica, 'bob@x.test', message);
    assert.match(await good('user quota bob@x.test --bytes 1K'), /^bob@x\.test: quota 1\.0 KiB, [\d.]+ KiB in 1 message used\n$/);
    assert.match(await rcpt(), /^552 5\.2\.2/m);
    await good('user quota bob@x.test --bytes 1M --messages 1');
    assert.match(await rcpt(), /^552 5\.2\.2/m);
    await good('user quota bob@x.test --messages 2');
    assert.doesNotMatch(await rcpt(), /^5/m);
    await good('user spam bob@x.test --junk 4.5');
    assert.equal(await replica.stop(), 0);
    const shown = await good('user show bob@x.test');
    assert.deepEqual([value(shown, 'Quota'), value(shown, 'Spam')], ['1.0 MiB and 2 messages', 'Junk from 4.5 on']);
    await good('user quota bob@x.test --none');
    await good('user spam bob@x.test --none');
    const none = await good('user show bob@x.test');
    assert.deepEqual([value(none, 'Quota'), value(none, 'Spam')], ['none', 'as rspamd says']);
    await bad('user quota eve@x.test --none', '', /No such user/);
  });

  it('exports a key that opens the mail, without us', async () => {
    await good('domain add x.test');
    await good('user add bob@x.test --password-stdin', 'first-password\n');
    const replica = await system.serve();
    const message = 'Subject: hello\r\n\r\nFor the owner of the key.';
    await lmtp(replica, 'bob@x.test', message);
    const armored = await good('user export-key bob@x.test --password-stdin', 'first-password\n');
    await bad('user export-key bob@x.test --password-stdin', 'wrong-password\n', /Wrong password/);
    await replica.stop();
    const key = await openpgp.readPrivateKey({ armoredKey: armored });
    assert.equal(key.getSubkeys()[0].getFingerprint().toUpperCase(), value(await good('user show bob@x.test'), 'Key'));
    const at = await stores();
    const { objects } = await at.home.list({ prefix: 'users/' });
    const blob = (await at.home.get(objects.find((o) => o.name.includes('/blobs/'))!.name))!.bytes;
    await at.close();
    const { data } = await openpgp.decrypt({ message: await openpgp.readMessage({ binaryMessage: blob }), decryptionKeys: key, format: 'binary' });
    assert.equal(Buffer.from(data as Uint8Array).toString().replace(/\r\n$/, ''), message);
  });

  it('check finds what is wrong, also while a replica runs: missing, truncated, altered, swapped', async () => {
    await good('domain add x.test');
    await good('user add bob@x.test --password-stdin', 'first-password\n');
    const replica = await system.serve();
    for (let i = 0; i < 4; i++) await lmtp(replica, 'bob@x.test', `Message-ID: <${i}@x>\r\nSubject: m${i}\r\n\r\nText ${i}`);
    assert.match(await login(replica, 'bob@x.test', 'first-password'), /^a OK/m);
    assert.match(await good('check --all'), /all is well/);
    assert.match(await good('check bob@x.test --password-stdin', 'first-password\n'), /all is well/);
    await bad('check bob@x.test --password-stdin', 'wrong-password\n', /Wrong password/);

    const at = await stores();
    const names = async (part: string) => (await at.home.list({ prefix: 'users/' })).objects.map((o) => o.name).filter((n) => n.includes(part));
    const read = async (name: string) => (await at.home.get(name))!.bytes;
    /** Writes something else for the time of one check. */
    async function with_(changes: Record<string, Buffer | null>, what: RegExp, line = 'check bob@x.test --password-stdin', input = 'first-password\n') {
      const before = await Promise.all(Object.keys(changes).map(async (name) => [name, await read(name)] as const));
      for (const [name, bytes] of Object.entries(changes)) await (bytes === null ? at.home.delete(name) : at.home.put(name, bytes));
      const ran = await system.run(line, input);
      for (const [name, bytes] of before) await at.home.put(name, bytes);
      assert.equal(ran.status, 1, ran.out);
      assert.match(ran.out, what);
      assert.match(ran.out, /^bob@x\.test \(\w+\): /m);
      for (const name of Object.keys(changes)) assert.ok(ran.out.includes(name) || changes[name] === null, `${name} is named:\n${ran.out}`);
    }
    const altered = (b: Buffer) => Buffer.concat([b.subarray(0, b.length - 20), Buffer.of(b[b.length - 20] ^ 1), b.subarray(b.length - 19)]);
    const [blobs, events] = [await names('/blobs/'), await names('/log/')];
    assert.deepEqual([blobs.length, events.length], [4, 5]);

    await with_({ [blobs[1]]: null }, /missing/);
    await with_({ [blobs[1]]: altered(await read(blobs[1])) }, /Corrupt|altered|authentic/i);
    await with_({ [blobs[1]]: (await read(blobs[1])).subarray(0, 200) }, /Corrupt|truncated|short/i);
    await with_({ [blobs[0]]: await read(blobs[1]), [blobs[1]]: await read(blobs[0]) }, /./);
    for (const line of ['check bob@x.test', 'check --all']) {
      const [key] = await names('/keys/');
      await with_({ [key]: null }, /wrapped key is missing/, line, '');
      await with_({ [key]: altered(await read(key)) }, /not what the directory says/, line, '');
      await with_({ [events[2]]: (await read(events[2])).subarray(0, 100) }, /./, line, '');
      await with_({ [events[2]]: altered(await read(events[2])) }, /./, line, '');
      await with_({ [events[1]]: await read(events[2]), [events[2]]: await read(events[1]) }, /./, line, '');
    }
    await replica.stop();
    await with_({ [events[1]]: null }, /gone/);
    assert.match(await good('check bob@x.test --password-stdin', 'first-password\n'), /all is well/);
    await at.close();
  });

  it('on a copy of the store changes the copy, though the replica that it names still runs on the store', async () => {
    await good('domain add x.test');
    await system.serve();
    const copy = `${system.folder}/copy`;
    cpSync(system.store, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') });
    assert.match(await good(`replicas --store disk:${copy}`), /here|alive/, 'the copy names the replica');
    await good(`domain add copied.test --store disk:${copy}`);
    assert.doesNotMatch(await good('domain list'), /copied/);
    assert.match(await good(`domain list --store disk:${copy}`), /copied\.test/);
    // Another path to the same folder is no copy: the replica is asked.
    symlinkSync(system.store, `${system.folder}/link`);
    await good(`domain add linked.test --store disk:${system.folder}/link`);
    assert.match(await good('domain list'), /linked\.test/);
  });

  it('goes its own way when the replica was killed', async () => {
    await good('domain add x.test');
    const replica = await system.serve();
    replica.child.kill('SIGKILL');
    await new Promise((done) => replica.child.once('exit', done));
    const ran = await system.spawned('user add bob@x.test --password-stdin', 'first-password\n');
    assert.equal(ran.status, 0, ran.err);
    assert.match(await good('domain list'), /x\.test +1 +1\n/);
    assert.match((await system.spawned('user show nobody@x.test')).err, /^colombier: No such user: nobody@x\.test\n$/);
  });
});
