import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Malformed } from '../src/base/index.ts';
import { machineName, readConfig, type Values } from '../src/config.ts';
import { settings } from '../src/settings.ts';

describe('config', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'colombier-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const file = (text: string) => {
    const path = join(folder, 'colombier.conf');
    writeFileSync(path, text);
    return path;
  };
  const refused = (flags: Values, env: NodeJS.ProcessEnv, what: RegExp) =>
    assert.throws(
      () => readConfig(flags, env),
      (e: unknown) => e instanceof Malformed && what.test(e.message) && !e.message.includes('\n') && (assert.match(e.message, what), true),
    );

  it('has the defaults that are promised', () => {
    const c = readConfig({}, { HOSTNAME: 'x', COLOMBIER_HOSTNAME: 'mx.example.org' });
    assert.deepEqual(c, {
      store: { kind: 'disk', path: resolve('data/store') },
      clusterSecret: { file: resolve('data/settings/cluster-secret') },
      settingsPath: resolve('data/settings'),
      hostname: 'mx.example.org',
      listen: ['127.0.0.1'],
      ports: { smtp: 1025, lmtp: 1024, imap: 1143, imaps: 1993, submission: 1587, submissions: 1465, http: 1080, peer: 'auto' },
      httpListen: ['127.0.0.1'],
      peerAddress: null,
      tls: null,
      sending: { smarthost: null, dns: [], mxPort: 25, hideClient: false, dnssec: null, stsPort: 443, reports: true, outgoing: [] },
      receiving: {
        checks: null,
        inbound: { exempt: ['127.0.0.0/8', '::1'], dmarc: 'quarantine', arcTrusted: [], junkScore: 6, dnsbl: [], dnsblAction: 'reject', greylist: false, ratePerMinute: 120, rspamd: null },
        proxyFrom: [],
      },
      plaintextLogin: 'loopback',
      scram: 'app-passwords',
      imapWithheld: [],
      drain_ms: 10_000,
      memory_bytes: 96 * 1024 * 1024,
      logLevel: 'info',
    });
    assert.ok(Object.isFrozen(c) && Object.isFrozen(c.ports) && Object.isFrozen(c.listen));
  });

  it('takes the flag before the environment before the file before the default', () => {
    const path = file('# ports\nsmtp-port = 1\nLMTP_PORT=2\nCOLOMBIER_IMAP_PORT = "3"\n\n');
    const c = readConfig({ SMTP_PORT: '5', CONFIG: path }, { COLOMBIER_SMTP_PORT: '4', COLOMBIER_LMTP_PORT: '6' });
    assert.deepEqual(c.ports, { smtp: 5, lmtp: 6, imap: 3, imaps: 1993, submission: 1587, submissions: 1465, http: 1080, peer: 'auto' });
    assert.equal(readConfig({}, { COLOMBIER_CONFIG: path }).ports.smtp, 1);
    assert.equal(c.settingsPath, folder);
  });

  it('reads a smarthost', () => {
    writeFileSync(join(folder, 'smart'), 'pw\n');
    const env = { COLOMBIER_SMARTHOST: 'mail.example:465', COLOMBIER_SMARTHOST_USER: 'u', COLOMBIER_SMARTHOST_PASSWORD_FILE: join(folder, 'smart'), COLOMBIER_DNS: '127.0.0.1:53, [::1]:5353' };
    assert.deepEqual(readConfig({}, env).sending, { smarthost: { host: 'mail.example', port: 465, auth: { user: 'u', pass: 'pw' } }, dns: ['127.0.0.1:53', '[::1]:5353'], mxPort: 25, hideClient: false, dnssec: null, stsPort: 443, reports: true, outgoing: [] });
    assert.deepEqual(readConfig({ OUTGOING_ADDRESS: '192.0.2.1, There.test=::1', DNSSEC: 'no' }, {}).sending.outgoing, [{ domain: '', address: '192.0.2.1' }, { domain: 'there.test', address: '::1' }]);
    assert.throws(() => readConfig({ OUTGOING_ADDRESS: 'there.test=mail' }, {}), /not an IP address/);
    assert.deepEqual(readConfig({ SMARTHOST: '[::1]' }, {}).sending.smarthost, { host: '::1', port: 587, auth: null });
    refused({ SMARTHOST: 'a:b' }, {}, /smarthost: "a:b" is not host:port/);
    refused({ SMARTHOST: 'a', SMARTHOST_USER: 'u' }, {}, /must be set together/);
    refused({ SMARTHOST_USER: 'u', SMARTHOST_PASSWORD: 'x' }, {}, /without smarthost/);
  });

  it('reads what is done with mail from strangers', () => {
    const c = readConfig({ CHECKS: 'on', DNSBL: 'zen.list.test, Other.test', GREYLIST: 'on', ARC_TRUSTED: 'lists.example', PROXY_FROM: '10.0.0.0/8,::1', RSPAMD_URL: 'http://127.0.0.1:11333', RSPAMD_CONTROLLER_URL: 'http://127.0.0.1:11334', RSPAMD_PASSWORD: 'q', DMARC: 'reject' }, {}).receiving;
    assert.deepEqual([c.checks, c.proxyFrom, c.inbound.dnsbl, c.inbound.greylist, c.inbound.arcTrusted, c.inbound.dmarc], [true, ['10.0.0.0/8', '::1'], ['zen.list.test', 'other.test'], true, ['lists.example'], 'reject']);
    assert.deepEqual(c.inbound.rspamd, { url: 'http://127.0.0.1:11333', controllerUrl: 'http://127.0.0.1:11334', password: 'q', reject: 'reject' });
  });

  it('reads an S3 store, secrets also from files', () => {
    writeFileSync(join(folder, 'key'), 'abc\n');
    const env = { COLOMBIER_STORE: 's3:one,two-2', COLOMBIER_S3_ENDPOINT: 'https://s3.example:3900', COLOMBIER_S3_REGION: 'eu', COLOMBIER_S3_ACCESS_KEY: 'GK1', COLOMBIER_S3_SECRET_KEY_FILE: join(folder, 'key') };
    assert.deepEqual(readConfig({}, env).store, { kind: 's3', buckets: ['one', 'two-2'], endpoint: 'https://s3.example:3900', region: 'eu', accessKey: 'GK1', secretKey: 'abc' });
    // A stronger source's form wins, whichever it is.
    assert.equal((readConfig({ S3_SECRET_KEY: 'flag' }, env).store as { secretKey: string }).secretKey, 'flag');
    refused({}, { ...env, COLOMBIER_S3_SECRET_KEY: 'x' }, /both set/);
    const empty = file('\n');
    refused({}, { ...env, COLOMBIER_S3_SECRET_KEY_FILE: empty }, /s3-secret-key-file: \S+ is empty$/);
    refused({}, { COLOMBIER_SMARTHOST: 'a', COLOMBIER_SMARTHOST_USER: 'u', COLOMBIER_SMARTHOST_PASSWORD_FILE: empty }, /smarthost-password-file: \S+ is empty$/);
    refused({}, { ...env, COLOMBIER_S3_SECRET_KEY_FILE: '/nowhere/key' }, /s3-secret-key-file: cannot read \/nowhere\/key: ENOENT/);
    refused({}, { ...env, COLOMBIER_S3_ACCESS_KEY: '' }, /s3-access-key is not set/);
    refused({}, { ...env, COLOMBIER_S3_ENDPOINT: 'ftp://x' }, /s3-endpoint/);
    refused({}, { ...env, COLOMBIER_STORE: 's3:one,one' }, /twice/);
    refused({}, { ...env, COLOMBIER_STORE: 's3:Bad_Name' }, /"Bad_Name" is not a bucket name/);
  });

  it('refuses what it does not know, and says what was meant', () => {
    refused({}, { COLOMBIER_SMPT_PORT: '1' }, /unknown setting COLOMBIER_SMPT_PORT; did you mean "smtp-port"\?/);
    refused({ CONFIG: file('a = b\n') }, {}, /colombier\.conf:1: unknown setting "a"$/);
    refused({ CONFIG: file('\nlisten-adress = b\n') }, {}, /:2: unknown setting/);
    refused({ CONFIG: file('imaps-prot = 1\n') }, {}, /did you mean "imaps-port"/);
    refused({ CONFIG: file('smtp-port 1\n') }, {}, /:1: expected "name = value"/);
    refused({ CONFIG: file('smtp-port=1\nSMTP_PORT=2\n') }, {}, /:2: smtp-port is set twice/);
    refused({ CONFIG: '/nowhere.conf' }, {}, /config: cannot read \/nowhere\.conf: ENOENT, no such file or folder$/);
  });

  const bad: [Values, RegExp][] = [
    [{ SMTP_PORT: '65536' }, /smtp-port: "65536" is not a whole number from 0 to 65535/],
    [{ SMTP_PORT: '25x' }, /smtp-port/],
    [{ SMTP_PORT: '-1' }, /smtp-port/],
    [{ PEER_PORT: 'any' }, /peer-port/],
    [{ STORE: 'disk:' }, /neither disk:PATH nor s3/],
    [{ STORE: 'tape:x' }, /neither/],
    [{ LISTEN: ' , ' }, /listen/],
    [{ LISTEN: '127.0.0.1:25' }, /listen: "127\.0\.0\.1:25" is not an address of this machine/],
    [{ HTTP_LISTEN: '[::1]' }, /http-listen: "\[::1\]" is not an address/],
    [{ IMAP_PORT: '1025' }, /imap-port: 1025 is the port of smtp-port already/],
    [{ PEER_PORT: '01143' }, /peer-port: 01143 is the port of imap-port already/],
    [{ HTTP_PORT: '1025' }, /http-port: 1025 is the port of smtp-port already/],
    [{ HTTP_PORT: '1143', LISTEN: '192.0.2.7', HTTP_LISTEN: '::' }, /http-port: 1143 is the port of imap-port already/],
    [{ PEER_ADDRESS: 'host' }, /not host:port/],
    [{ TLS_CERT: 'x' }, /must be set together/],
    [{ PLAINTEXT_LOGIN: 'nevr' }, /did you mean "never"/],
    [{ LOG_LEVEL: 'loud' }, /none of debug, info, warn, error/],
    [{ DRAIN_SECONDS: '' }, /drain-seconds/],
    [{ MEMORY_MB: '0' }, /memory-mb/],
    [{ HOSTNAME: 'a b' }, /hostname/],
    [{ HOSTNAME: 'mx..example.org' }, /hostname/],
    [{ HOSTNAME: '192.0.2.1' }, /hostname: "192\.0\.2\.1" is not a host name/],
    [{ PEER_ADDRESS: 'host:65536' }, /not host:port/],
    [{ PEER_ADDRESS: 'host:0' }, /not host:port/],
    [{ STORE: 'disk:~/mail' }, /store: "~\/mail": .*give the whole path/],
    [{ SETTINGS: '~' }, /settings: "~"/],
    [{ CHECKS: 'yes' }, /checks: "yes" is none of auto, on, off/],
    [{ CHECKS_EXEMPT: '10.0.0.0/33' }, /checks-exempt: "10\.0\.0\.0\/33" is neither an address nor a network/],
    [{ PROXY_FROM: 'traefik' }, /proxy-from/],
    [{ DNSBL: 'zen spam' }, /dnsbl: "zen spam" is not a domain/],
    [{ RSPAMD_URL: 'localhost:11333' }, /rspamd-url/],
    [{ RSPAMD_PASSWORD: 'x' }, /without rspamd-url/],
    [{ JUNK_SCORE: '-1' }, /junk-score/],
  ];
  for (const [flags, what] of bad) it(`refuses ${JSON.stringify(flags)}`, () => refused(flags, {}, what));

  it('listens once where one address covers another', () => {
    for (const [text, on] of [
      ['0.0.0.0,::', ['::']],
      ['::, 192.0.2.7', ['::']],
      ['127.0.0.1,0.0.0.0,::1', ['0.0.0.0', '::1']],
      ['127.0.0.1,127.0.0.1,localhost', ['127.0.0.1', 'localhost']],
    ] as const) {
      assert.deepEqual(readConfig({ LISTEN: text }, {}).listen, on);
      assert.deepEqual(readConfig({ HTTP_LISTEN: text }, {}).httpListen, on);
    }
  });

  it('takes what stands around a value in the environment for nothing, as in the file', () => {
    const c = readConfig({}, { COLOMBIER_HOSTNAME: ' MX.Example.org ', COLOMBIER_STORE: 'disk: /srv/mail\n', COLOMBIER_LOG_LEVEL: ' ' });
    assert.deepEqual([c.hostname, c.store, c.logLevel], ['mx.example.org', { kind: 'disk', path: '/srv/mail' }, 'info']);
  });

  it('takes the name of the machine where it is a host name', () => {
    assert.deepEqual(['Dove.example.org', 'my_pc', 'Büro', ''].map((name) => machineName(name)), ['dove.example.org', 'localhost', 'localhost', 'localhost']);
  });

  it('takes one port at different addresses', () => {
    const { ports } = readConfig({ HTTP_PORT: '1025', LISTEN: '192.0.2.7', HTTP_LISTEN: '127.0.0.1' }, {});
    assert.equal(ports.http, ports.smtp);
  });

  it('takes port 0 as off, and several addresses', () => {
    const c = readConfig({ SMTP_PORT: '0', PEER_PORT: '0', LISTEN: '127.0.0.1, ::1', PEER_ADDRESS: '[2001:db8::1]:4000' }, {});
    assert.equal(c.ports.smtp, 0);
    assert.equal(c.ports.peer, 0);
    assert.deepEqual(c.listen, ['127.0.0.1', '::1']);
    assert.equal(c.peerAddress, '[2001:db8::1]:4000');
  });

  it('has a line of help for each setting', () => {
    for (const [name, s] of Object.entries(settings)) assert.ok(s.help.length > 5 && s.help.length < 90, name);
  });
});
