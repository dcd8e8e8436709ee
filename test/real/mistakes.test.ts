// What an administrator gets wrong: one clear line, exit status 1, no stack trace.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Site } from './site.ts';
import { freePorts } from '../ports.ts';
import type { Settings } from './site.ts';

describe('real: mistakes at the start', function () {
  this.timeout(30_000);
  let site: Site;
  let quiet: Settings;
  before(async () => {
    site = new Site();
    quiet = { COLOMBIER_SMTP_PORT: '0', COLOMBIER_LMTP_PORT: '0', COLOMBIER_IMAP_PORT: '0', COLOMBIER_IMAPS_PORT: '0', COLOMBIER_SUBMISSION_PORT: '0', COLOMBIER_SUBMISSIONS_PORT: '0' };
    await site.people('ann');
  });
  after(() => site.end());

  async function fails(settings: Settings, line: RegExp, words: string[] = []): Promise<void> {
    const { status, err, out } = await site.command(['serve', ...words], '', { ...quiet, ...settings });
    assert.equal(status, 1, err);
    assert.match(err, line);
    // Above it a log line at most (a store that is asked again).
    assert.match(err, /^(\d{4}-[^\n]+\n)*colombier: [^\n]+\n$/);
    assert.doesNotMatch(err, /\n\s+at /);
    assert.equal(out, '');
  }
  const at = (name: string) => join(site.folder, name);

  it('a setting that is misspelt, by variable, by flag, in the file', async () => {
    await fails({ COLOMBIER_IMAP_PROT: '1' }, /unknown setting COLOMBIER_IMAP_PROT; did you mean "imap-port"/);
    await fails({}, /unknown option --imap-prot; did you mean "imap-port"/, ['--imap-prot', '1']);
    writeFileSync(at('conf'), 'imap-port = 0\nsmpt-port = 5\n');
    await fails({ COLOMBIER_CONFIG: at('conf') }, /conf:2: unknown setting "smpt-port"; did you mean "smtp-port"/);
    await fails({ COLOMBIER_CONFIG: at('none') }, /cannot read .*none: ENOENT/);
  });

  it('a value that makes no sense', async () => {
    await fails({ COLOMBIER_SMTP_PORT: '99999' }, /smtp-port: "99999" is not a whole number/);
    await fails({ COLOMBIER_STORE: 'tape:x' }, /store: "tape:x" is neither disk:PATH nor s3:/);
    await fails({ COLOMBIER_TLS_CERT: at('none'), COLOMBIER_TLS_KEY: at('none') }, /none/);
    const [imap] = await freePorts(1);
    await fails({ COLOMBIER_IMAP_PORT: String(imap), COLOMBIER_IMAP_WITHHELD: 'SORT,FOO' }, /imap-withheld: this server has no capability FOO/);
    writeFileSync(at('pem'), 'no certificate');
    await fails({ COLOMBIER_TLS_CERT: at('pem'), COLOMBIER_TLS_KEY: at('pem') }, /pem/);
    await fails({ COLOMBIER_LISTEN: '192.0.2.1' }, /the peer channel cannot listen on 192\.0\.2\.1: this machine has no such address/);
  });

  it('a port that is taken, each of them', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      for (const name of ['SMTP', 'LMTP', 'IMAP', 'IMAPS', 'PEER']) await fails({ [`COLOMBIER_${name}_PORT`]: String(port) }, new RegExp(`cannot listen on 127\\.0\\.0\\.1 port ${port}: another program has this port`));
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('a folder that can not be written, or is none', async function () {
    writeFileSync(at('file'), 'x');
    await fails({ COLOMBIER_STORE: `disk:${at('file')}` }, /^colombier: store: \S+file is not a folder, and disk:PATH names one\n$/);
    await fails({ COLOMBIER_STORE: `disk:${at('file')}/below` }, /^colombier: store: \S+below is not a folder/);
    await fails({ COLOMBIER_STORE: 'disk:/proc/colombier' }, /\/proc/);
    await fails({ COLOMBIER_SETTINGS: `${at('file')}/below` }, /file/);
    await fails({ COLOMBIER_STORE: `disk:${at('new')}`, COLOMBIER_SETTINGS: '/proc/no/settings' }, /cluster-secret-file: cannot write \/proc\/no\/settings\/cluster-secret: ENOENT, no such file or folder\n$/);
    await fails({ COLOMBIER_CLUSTER_SECRET_FILE: join(site.folder, 'settings/cluster-secret'), COLOMBIER_SETTINGS: '/proc/no/settings' }, /certificate: cannot write \/proc\/no\/settings\/certificate\.pem: ENOENT/);
    if (process.getuid?.() === 0) return; // root may write everywhere
    mkdirSync(at('locked'));
    chmodSync(at('locked'), 0o500);
    await fails({ COLOMBIER_STORE: `disk:${at('locked')}/store` }, /may not be/);
  });

  it('an outgoing address that the machine has not (yet): it starts, and says so', async () => {
    const replica = await site.start({ COLOMBIER_OUTGOING_ADDRESS: '127.0.0.1,real.example=192.0.2.99' });
    assert.deepEqual(replica.log.match(/warn queue this machine does not have the outgoing address: .*/g), ['warn queue this machine does not have the outgoing address: what is to leave by it waits address=192.0.2.99']);
    await replica.stop();
  });

  it('a store that is damaged, of a newer version, or of another cluster secret', async () => {
    const format = join(site.store, 'format');
    for (const [text, line] of [['nonsense', /"format" is damaged/], ['colombier disk store 9\n', /newer version/]] as const) {
      writeFileSync(format, text);
      await fails({}, line);
    }
    rmSync(format);
    await fails({}, /"format" is missing/);
    writeFileSync(format, 'colombier disk store 1\n');
    await fails({ COLOMBIER_SETTINGS: at('other-settings') }, /cluster-secret is missing, and the store holds data/);
    const other = new Site();
    try {
      await other.people('bob');
      await fails({ COLOMBIER_SETTINGS: join(other.folder, 'settings') }, /cluster key|cluster secret/);
    } finally {
      await other.end();
    }
    writeFileSync(at('secret'), 'not a secret');
    await fails({ COLOMBIER_CLUSTER_SECRET_FILE: at('secret') }, /secret/);
  });

  it('an S3 store that does not answer', async () => {
    const [port] = await freePorts(1);
    await fails({ COLOMBIER_STORE: 's3:mail', COLOMBIER_S3_ENDPOINT: `http://127.0.0.1:${port}`, COLOMBIER_S3_ACCESS_KEY: 'x', COLOMBIER_S3_SECRET_KEY: 'y' }, /store not available: /);
  });
});
