import assert from 'node:assert/strict';
import { Corrupt, Unavailable } from '../../src/base/index.ts';
import { commands } from '../../src/cli/commands.ts';
import { FakeSystem, refusal } from './fake-server.ts';

describe('cli', () => {
  let system: FakeSystem;
  beforeEach(() => (system = new FakeSystem()));

  it('adds, lists and removes domains', async () => {
    assert.deepEqual(await system.run('domain add example.org'), { status: 0, out: 'domain example.org added\n', err: '' });
    system.answers.domains = [{ domain: 'example.org', users: 12, addresses: 3 }, { domain: 'b.example', users: 1, addresses: 0 }];
    const { out } = await system.run('domain list');
    assert.equal(out, 'DOMAIN       USERS  ADDRESSES\nexample.org     12          3\nb.example        1          0\n');
    await system.run('domain remove example.org');
    assert.deepEqual(system.calls, [['domainAdd', 'example.org'], ['domains'], ['domainRemove', 'example.org']]);
    assert.equal(system.closed, 3);
  });

  it('adds a user with a password from standard input', async () => {
    system.answers.userAdd = { id: 'u1', address: 'ann@example.org', recoveryCode: 'code-1' };
    const ran = await system.run('user add ann@example.org --password-stdin', 'a secret\n');
    assert.equal(ran.status, 0);
    assert.match(ran.out, /Recovery code  code-1\n/);
    assert.doesNotMatch(ran.out + ran.err, /a secret/);
    assert.deepEqual(system.calls, [['userAdd', 'ann@example.org', 'a secret']]);
    const generated = await system.run('user add eve@example.org --generate');
    assert.match(generated.out, /Password {7}(\w{4}-){3}\w{4}\n/);
    assert.equal(system.calls[1][2], /Password +(\S+)/.exec(generated.out)![1]);
  });

  it('asks on a terminal, without echo', async () => {
    system.tty = true;
    const ran = await system.run('user password ann@example.org', 'old\rnex\x7fw\rnew\r');
    assert.equal(ran.status, 0, ran.err);
    assert.deepEqual(system.calls, [['password', 'ann@example.org', { password: 'old' }, 'new']]);
    assert.equal(ran.err, 'Old password: \nNew password: \nNew password again: \n');
    const differ = await system.run('user add bob@example.org', 'hidden-one\rhidden-two\r');
    assert.deepEqual([differ.status, system.calls.length], [1, 1]);
    assert.match(differ.err, /colombier: the two new passwords differ: nothing was changed\n$/);
  });

  it('proves by the old password or a recovery code', async () => {
    await system.run('user password ann@example.org --password-stdin', 'old\nnew\n');
    await system.run('user password ann@example.org --password-stdin --recovery-code', 'code\r\nnew\r\n');
    system.answers.appPassword = { id: 'p1', password: 'app-pass' };
    assert.match((await system.run('user app-password ann@example.org phone --password-stdin', 'old\n')).out, /App password  app-pass\n/);
    await system.run('user app-password ann@example.org --remove p1');
    system.answers.recover = { recoveryCode: 'next' };
    assert.match((await system.run('user recover ann@example.org --password-stdin', 'code\nnew\n')).out, /Recovery code  next\n/);
    system.answers.exportKey = '-----BEGIN PGP PRIVATE KEY BLOCK-----';
    assert.equal((await system.run('user export-key ann@example.org --password-stdin', 'old\n')).out, '-----BEGIN PGP PRIVATE KEY BLOCK-----\n');
    assert.deepEqual(system.calls, [
      ['password', 'ann@example.org', { password: 'old' }, 'new'],
      ['password', 'ann@example.org', { recoveryCode: 'code' }, 'new'],
      ['appPassword', 'ann@example.org', { password: 'old' }, 'phone'],
      ['appPasswordRemove', 'ann@example.org', 'p1'],
      ['recover', 'ann@example.org', 'code', 'new'],
      ['exportKey', 'ann@example.org', { password: 'old' }],
    ]);
  });

  it('refuses passwords that are missing, empty or too many', async () => {
    const bad: [string, string | Buffer, RegExp][] = [
      ['user add a@b.example', 'x\n', /give --password-stdin/],
      ['user add a@b.example --password-stdin', '', /password: empty/],
      ['user add a@b.example --password-stdin', 'a\nb\n', /expected one line: new password/],
      ['user password a@b.example --password-stdin', 'a\n', /expected 2 lines: old password, then new password/],
      ['user add a@b.example --password-stdin', 'x'.repeat(5000), /too long/],
      ['user add a@b.example --password-stdin', Buffer.from('p\u00e4ssword\n', 'latin1'), /new password: not in UTF-8/],
      ['user add a@b.example --password hunter', '', /never given as an argument/],
      ['user add a@b.example --new-password=hunter', '', /never given as an argument/],
      ['user list --cluster-secret hunter', '', /never given as an argument, where others can read it; use --cluster-secret-file, or COLOMBIER_CLUSTER_SECRET\n$/],
      ['user list --S3_SECRET_KEY=hunter', '', /use --s3-secret-key-file, or COLOMBIER_S3_SECRET_KEY\n$/],
      ['serve --smarthost-password hunter', '', /use --smarthost-password-file/],
      ['serve --rspamd-password hunter', '', /use --rspamd-password-file/],
    ];
    for (const [line, input, what] of bad) {
      const ran = await system.run(line, input);
      assert.equal(ran.status, 1);
      assert.match(ran.err, what);
      assert.doesNotMatch(ran.err, /hunter|\n./);
    }
    assert.deepEqual(system.calls, []);
  });

  it('shows a user, and keeps control characters off the terminal', async () => {
    system.answers.user = { id: 'u1', address: 'ann@example.org', messages: 5, bytes: 1536, addresses: ['ann@example.org', '@example.org'], appPasswords: [{ id: 'p1', name: 'ph\x1b[2Jone', createdMs: 0 }], hasPassword: true, quotaBytes: null, quotaMessages: null, spamScores: { junk: null, reject: 150 }, keyFingerprint: 'AB' };
    const { out } = await system.run('user show ann@example.org');
    assert.match(out, /Addresses {5}ann@example\.org, @example\.org\n/);
    assert.match(out, /Size {10}1\.5 KiB\n/);
    assert.match(out, /Spam {10}refused from 15 on\n/);
    assert.match(out, /App password {2}p1 {2}1970-01-01 {2}ph\?\[2Jone\n/);
    system.answers.users = [{ id: 'u1', address: 'ann@example.org', messages: null, bytes: null }];
    assert.equal((await system.run('user list')).out, 'USER             MESSAGES  SIZE  ID\nann@example.org         -     -  u1\n');
  });

  it('sets and shows quota and spam scores of a user', async () => {
    system.answers.user = { address: 'ann@example.org', bytes: 1536, messages: 3, quotaBytes: 5 * 2 ** 30, quotaMessages: null, spamScores: { junk: 45, reject: 120 } };
    assert.equal((await system.run('user quota ann@example.org --bytes 5G')).out, 'ann@example.org: quota 5.0 GiB, 1.5 KiB in 3 messages used\n');
    assert.equal((await system.run('user spam ann@example.org --junk 4.5 --reject=12')).out, 'ann@example.org: Junk from 4.5 on, refused from 12 on\n');
    system.answers.user = { ...(system.answers.user as object), quotaMessages: 100 };
    assert.equal((await system.run('user quota ann@example.org --messages 100')).out, 'ann@example.org: quota 5.0 GiB and 100 messages, 1.5 KiB in 3 messages used\n');
    system.answers.user = { address: 'ann@example.org', bytes: null, messages: null, quotaBytes: null, quotaMessages: null, spamScores: null };
    assert.equal((await system.run('user quota ann@example.org')).out, 'ann@example.org: no quota\n');
    assert.equal((await system.run('user quota ann@example.org --none')).out, 'ann@example.org: no quota\n');
    assert.equal((await system.run('user spam ann@example.org --none')).out, 'ann@example.org: as rspamd says\n');
    await system.run('user spam ann@example.org --junk 0');
    await system.run('user quota ann@example.org --bytes 123');
    assert.deepEqual(system.calls.filter(([name]) => name !== 'user'), [
      ['quota', 'ann@example.org', 5 * 2 ** 30, null],
      ['spamScores', 'ann@example.org', { junk: 45, reject: 120 }],
      ['quota', 'ann@example.org', null, 100],
      ['quota', 'ann@example.org', 0, 0],
      ['spamScores', 'ann@example.org', { junk: null, reject: null }],
      ['spamScores', 'ann@example.org', { junk: 0, reject: null }],
      ['quota', 'ann@example.org', 123, null],
    ]);
    system.calls.length = 0;
    for (const line of ['quota a@b.example --bytes 0', 'quota a@b.example --bytes -5', 'quota a@b.example --bytes 5.5G', 'quota a@b.example --bytes 9999999T', 'quota a@b.example --bytes 1 --none', 'quota a@b.example --messages 0', 'quota a@b.example --messages 1G', 'quota a@b.example --messages 1 --none', 'spam a@b.example --junk x', 'spam a@b.example --junk 1.55', 'spam a@b.example --reject -1', 'spam a@b.example --junk 5 --reject 4', 'spam a@b.example --junk 5 --none']) {
      const ran = await system.run(`user ${line}`);
      assert.deepEqual([ran.status, ran.err.startsWith('colombier: ')], [1, true], line);
    }
    assert.deepEqual(system.calls, []);
  });

  it('prints DNS records as a zone has them, and says when the server has no full name', async () => {
    for (const [host, said] of [['mx.x.test', ''], ['vm', 'The server\'s name, vm, is no full one: set hostname, such as mail.x.test, before these records go into DNS.\n']]) {
      system.answers.domainDns = [{ name: 'x.test', type: 'MX', value: `10 ${host}.`, why: 'mail' }];
      assert.deepEqual(await system.run('domain dns x.test'), { status: 0, out: `; mail\nx.test. IN MX 10 ${host}.\n`, err: said });
    }
  });

  it('adds, lists and removes addresses', async () => {
    await system.run('address add @example.org ann@example.org');
    await system.run('address remove @example.org');
    system.answers.addresses = [{ address: '@example.org', user: 'ann@example.org' }];
    assert.equal((await system.run('address list example.org')).out, 'ADDRESS       USER\n@example.org  ann@example.org\n');
    assert.deepEqual(system.calls, [['addressAdd', '@example.org', 'ann@example.org'], ['addressRemove', '@example.org'], ['addresses', 'example.org']]);
  });

  it('checks: status 0 when all is well, else 1', async () => {
    system.answers.check = { users: 1, objects: 10, bytes: 2048, findings: 0 };
    assert.deepEqual(await system.run('check ann@example.org'), { status: 0, out: '1 user, 10 objects, 2.0 KiB: all is well\n', err: '' });
    system.answers.check = (_user: string | null, found: (f: object) => void) => {
      found({ user: 'u1', object: 'users/u1/log/1', problem: 'altered' });
      return { users: 2, objects: 10, bytes: 0, findings: 1 };
    };
    assert.deepEqual(await system.run('check --all'), { status: 1, out: 'u1: altered (users/u1/log/1)\n2 users, 10 objects, 0 B: 1 problem\n', err: '' });
    system.answers.check = (_user: string | null, found: (f: object) => void) => {
      found({ user: 'u1', address: 'ann@exa\u0007mple.org', object: 'users/u1/keys/k', problem: 'is back', mended: true });
      return { users: 1, objects: 3, bytes: 0, findings: 0 };
    };
    assert.deepEqual(await system.run('check u1 --repair'), { status: 0, out: 'ann@exa?mple.org (u1): mended: is back (users/u1/keys/k)\n1 user, 3 objects, 0 B: all is well\n', err: '' });
    assert.deepEqual([system.calls.at(-1)![0], system.calls.at(-1)!.at(-1)], ['check', true]);
    assert.match((await system.run('check')).err, /usage/);
    assert.match((await system.run('check --all x')).err, /usage/);
    assert.equal(system.calls[1][1], null);
    assert.match((await system.run('check --all --password-stdin', 'pw\n')).err, /a password opens one user/);
    await system.run('check ann@example.org --password-stdin', 'pw\n');
    await system.run('check ann@example.org --password-stdin --recovery-code', 'code\n');
    assert.deepEqual(system.calls.slice(-2).map((c) => c[3]), [{ password: 'pw' }, { recoveryCode: 'code' }]);
  });

  it('says each kind of error in one line, without a stack', async () => {
    for (const [e, text] of [
      [refusal, 'colombier: no such user: x@example.org\n'],
      [new Unavailable('no answer'), 'colombier: store not available: no answer\n'],
      [new Corrupt('users/x altered'), 'colombier: store damaged: users/x altered\n'],
      [new TypeError('a\nb'), 'colombier: TypeError: a b\n'],
    ] as const) {
      system.answers.user = e;
      assert.deepEqual(await system.run('user show x@example.org'), { status: 1, out: '', err: text });
    }
    const ran = await system.run('user show x@example.org --log-level debug');
    assert.match(ran.err, /\n +at /);
    assert.equal(system.closed, 5);
  });

  const wrong: [string, RegExp][] = [
    ['usr list', /unknown command "usr"; did you mean "user"\?/],
    ['user lst', /unknown command "user lst"; did you mean "list"\?/],
    ['user', /user needs one of add, list, show/],
    ['chekc', /unknown command "chekc"; did you mean "check"\?/],
    ['domain dkim x.test', /domain dkim needs one of rotate/],
    ['help usr', /unknown command "usr"; did you mean "user"/],
    ['help user ad', /unknown command "user ad"; did you mean "add"/],
    ['user add a@b.example --generate --password-stdin', /exclude each other/],
    ['user password a@b.example', /give --password-stdin, and on standard input, one a line: old password, then new password/],
    ['user list a b', /usage: colombier user list \[DOMAIN\]/],
    ['domain add', /usage: colombier domain add DOMAIN/],
    ['user list --smpt-port 1', /unknown option --smpt-port; did you mean "smtp-port"/],
    ['user list --smtp-port', /--smtp-port needs a value/],
    ['user add a@b.example --password-stdin=x', /takes no value/],
    ['domain list --all', /unknown option --all/],
    ['user list --smtp-port x', /smtp-port: "x" is not a whole number/],
    ['--smtp-port 1', /no command given/],
  ];
  for (const [line, what] of wrong) {
    it(`refuses "${line}"`, async () => {
      const { status, out, err } = await system.run(line);
      assert.equal(status, 1);
      assert.equal(out, '');
      assert.match(err, what);
      assert.match(err, /^colombier: [^\n]+\n$/);
    });
  }

  it('helps, with every command and every setting and its default', async () => {
    const { status, out } = await system.run('--help');
    assert.equal(status, 0);
    for (const text of ['user export-key ADDRESS', '--smtp-port', '[1025]', '--store', '[disk:./data/store]', '--s3-secret-key-file', 'COLOMBIER_SMTP_PORT']) assert.ok(out.includes(text), text);
    // What can not be given as a flag is not shown as one.
    for (const name of ['cluster-secret', 's3-secret-key', 'smarthost-password', 'rspamd-password']) assert.match(out, new RegExp(`^  ${name} +\\S`, 'm'));
    assert.equal((await system.run('')).out, out);
    assert.equal((await system.run('help')).out, out);
    assert.match((await system.run('user password --help')).out, /^usage: colombier user password ADDRESS \[--password-stdin\] \[--recovery-code\]\n/);
    for (const { name, options } of commands) {
      const told = (await system.run(`help ${name}`)).out;
      for (const [option, takes] of Object.entries(options)) assert.match(told, new RegExp(`^  --${option}${takes ? ' [A-Z]+' : ''}  +[a-z]`, 'm'), `${name} ${option}`);
    }
    const group = (await system.run('help user')).out;
    for (const name of ['user add', 'user quota', 'user export-key']) assert.match(group, new RegExp(`^usage: colombier ${name} ADDRESS`, 'm'));
    assert.doesNotMatch(group, /domain/);
    assert.equal((await system.run('user --help')).out, group);
    assert.match((await system.run('--version')).out, /^colombier \d+\.\d+\.\d+\n$/);
  });
});
