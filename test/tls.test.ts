import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { TLSSocket, createServer, connect } from 'node:tls';
import { createServer as createPlainServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, Malformed, createLogger, silent, systemClock, systemRandom } from '../src/base/index.ts';
import { VALID_MS, selfSigned } from '../src/self-signed.ts';
import { certificateChain, openCertificate } from '../src/tls.ts';
import { clusterSecret } from '../src/cluster-secret.ts';

describe('tls', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'colombier-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const needs = (tls: { cert: string; key: string } | null = null) => ({ tls, settingsPath: join(folder, 'settings'), hostname: 'mx.example.org', listen: ['127.0.0.1', '192.0.2.7', '0.0.0.0'] });

  it('makes a certificate that a client trusts when told to', async () => {
    const c = await openCertificate(needs(), systemClock, systemRandom, silent);
    assert.ok(c.made && c.selfSigned);
    const file = join(folder, 'settings/certificate.pem');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const server = createServer({ secureContext: c.context() } as never, (s) => s.end('hello'));
    server.setSecureContext({ cert: readFileSync(file), key: readFileSync(file) });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    for (const options of [{ servername: 'mx.example.org' }, { host: '127.0.0.1' }, { servername: 'localhost' }]) {
      await new Promise<void>((resolve, reject) => {
        const s = connect({ port, host: '127.0.0.1', ca: readFileSync(file), ...options }, () => {
          assert.equal(s.authorized, true);
          s.destroy();
          resolve();
        }).on('error', reject);
      });
    }
    server.close();
    c.close();
    const x = new X509Certificate(readFileSync(file));
    assert.equal(x.checkIP('192.0.2.7'), '192.0.2.7');
    assert.ok(x.checkIP('::1'));
    assert.equal(x.checkHost('other.example'), undefined);
    assert.ok(x.verify(x.publicKey));
    assert.equal(x.fingerprint256, c.fingerprint);
  });

  it('keeps it, and makes another when it ends soon', async () => {
    const first = await openCertificate(needs(), systemClock, systemRandom, silent);
    const second = await openCertificate(needs(), systemClock, systemRandom, silent);
    assert.equal(second.made, false);
    assert.equal(second.fingerprint, first.fingerprint);
    const before = await certificateChain(needs());
    const later: Clock = { ...systemClock, now: () => Date.now() + 800 * 86_400_000 };
    const third = await openCertificate(needs(), later, systemRandom, silent);
    assert.ok(third.made);
    assert.notEqual(third.fingerprint, first.fingerprint);
    const now = await certificateChain(needs());
    assert.equal(new X509Certificate(now[0]).fingerprint256, third.fingerprint);
    // With the same key: a record of DNS that names it (TLSA) stays true.
    assert.ok(new X509Certificate(now[0]).publicKey.equals(new X509Certificate(before[0]).publicKey));
    for (const c of [first, second, third]) c.close();
  });

  it('is made by many that start at once, and each has a certificate with its key', async () => {
    const all = await Promise.all(Array.from({ length: 16 }, () => openCertificate(needs(), systemClock, systemRandom, silent)));
    for (const c of all) c.close();
  });

  it('reads given files again when they change, and keeps the old when it can not', async () => {
    const files = { cert: join(folder, 'c.pem'), key: join(folder, 'k.pem') };
    const write = (name: string) => {
      const { cert, key } = selfSigned([name], Date.now(), systemRandom);
      writeFileSync(files.cert, cert);
      writeFileSync(files.key, key);
    };
    write('one.example');
    let look = () => Promise.resolve();
    const clock: Clock = { ...systemClock, after: (_ms, run) => ((look = run as never), () => {}) };
    const c = await openCertificate(needs(files), clock, systemRandom, silent);
    assert.ok(!c.made && !c.selfSigned);
    const [context, fingerprint] = [c.context(), c.fingerprint];
    await look();
    assert.equal(c.context(), context);
    writeFileSync(files.cert, 'half a cert');
    await look();
    assert.equal(c.context(), context);
    write('two.example');
    await look();
    assert.notEqual(c.context(), context);
    assert.notEqual(c.fingerprint, fingerprint);
  });

  it('makes new keys for session tickets once a day', async () => {
    let time = 0;
    let look = () => Promise.resolve();
    const clock: Clock = { ...systemClock, monotonic: () => time, after: (_ms, run) => ((look = run as never), () => {}) };
    const c = await openCertificate(needs(), clock, systemRandom, silent);
    const [context, fingerprint] = [c.context(), c.fingerprint];
    time = 86_400_000;
    await look();
    assert.equal(c.context(), context);
    time++;
    await look();
    const next = c.context();
    assert.notEqual(next, context);
    assert.equal(c.fingerprint, fingerprint);
    await look();
    assert.equal(c.context(), next);
    c.close();
  });

  it('makes one handshake for each connection, and no further one on demand', async () => {
    const c = await openCertificate(needs(), systemClock, systemRandom, silent);
    const server = createPlainServer((socket) => new TLSSocket(socket, { isServer: true, secureContext: c.context() } as never).on('error', () => {}).resume());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const renegotiated = await new Promise<boolean>((resolve) => {
      const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' }, () => {
        client.renegotiate({ rejectUnauthorized: false }, (e) => {
          resolve(e === null);
          client.destroy();
        });
      });
      client.on('error', () => resolve(false)).on('close', () => resolve(false));
    });
    server.close();
    c.close();
    assert.equal(renegotiated, false);
  });

  it('says once a day that a given one ends soon, and when it has ended, until another is there', async () => {
    const files = { cert: join(folder, 'c.pem'), key: join(folder, 'k.pem') };
    const day = 86_400_000;
    const start = Date.now();
    const write = (from: number) => {
      const { cert, key } = selfSigned(['mx.example.org'], from, systemRandom);
      writeFileSync(files.cert, cert);
      writeFileSync(files.key, key);
    };
    write(start);
    let now = start;
    let look = () => Promise.resolve();
    const said: string[] = [];
    const clock: Clock = { ...systemClock, now: () => now, after: (_ms, run) => ((look = run as never), () => {}) };
    const c = await openCertificate(needs(files), clock, systemRandom, createLogger('warn', (line) => said.push(line)));
    const at = async (ms: number) => {
      now = start + ms;
      await look();
      return said.splice(0).map((line) => /ends soon|has ended/.exec(line)?.[0] ?? line);
    };
    assert.deepEqual(await at(VALID_MS - 11 * day), []);
    assert.deepEqual(await at(VALID_MS - 9 * day), ['ends soon']);
    assert.deepEqual(await at(VALID_MS - 8.5 * day), []);
    assert.deepEqual(await at(VALID_MS - 8 * day), ['ends soon']);
    assert.deepEqual(await at(VALID_MS + day), ['has ended']);
    write(now);
    assert.deepEqual(await at(VALID_MS + 3 * day), []);
    c.close();
  });

  it('says once a day that a given one is not valid yet', async () => {
    const files = { cert: join(folder, 'c.pem'), key: join(folder, 'k.pem') };
    const start = Date.now();
    const { cert, key } = selfSigned(['mx.example.org'], start + 7 * 86_400_000, systemRandom);
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
    let now = start;
    let look = () => Promise.resolve();
    const said: string[] = [];
    const clock: Clock = { ...systemClock, now: () => now, after: (_ms, run) => ((look = run as never), () => {}) };
    const c = await openCertificate(needs(files), clock, systemRandom, createLogger('warn', (line) => said.push(line)));
    const at = async (days: number) => {
      now = start + days * 86_400_000;
      await look();
      return said.splice(0).map((line) => /is not valid yet/.exec(line)?.[0] ?? line);
    };
    assert.deepEqual([await at(0), await at(0.5), await at(1.5), await at(8)], [['is not valid yet'], [], ['is not valid yet'], []]);
    c.close();
  });

  it('says of a key with a passphrase what it has, and how to take it off', async () => {
    const files = { cert: join(folder, 'c.pem'), key: join(folder, 'k.pem') };
    const { cert, key } = selfSigned(['mx.example.org'], Date.now(), systemRandom);
    writeFileSync(files.cert, cert);
    for (const type of ['pkcs8', 'sec1'] as const) {
      const older = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
      writeFileSync(files.key, (type === 'pkcs8' ? createPrivateKey(key) : older).export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }));
      await assert.rejects(openCertificate(needs(files), systemClock, systemRandom, silent), (e) => e instanceof Malformed && e.message === `tls-key: ${files.key} has a passphrase, which nobody could type at each start; without one: openssl pkey -in ${files.key} -out NEW`, type);
    }
  });

  it('says once a day that it is not for the name of this server, until another is there', async () => {
    const files = { cert: join(folder, 'c.pem'), key: join(folder, 'k.pem') };
    const write = (...names: string[]) => {
      const { cert, key } = selfSigned(names, Date.now(), systemRandom);
      writeFileSync(files.cert, cert);
      writeFileSync(files.key, key);
    };
    let now = Date.now();
    let look = () => Promise.resolve();
    const said: string[] = [];
    const clock: Clock = { ...systemClock, now: () => now, after: (_ms, run) => ((look = run as never), () => {}) };
    const told = () => said.splice(0).map((line) => /is not for the name of this server.* hostname=\S+ names=.*$/m.exec(line)?.[0] ?? line);
    write('mail.example.org', 'mx.example.com');
    await openCertificate(needs(files), clock, systemRandom, createLogger('warn', (line) => said.push(line)));
    const [first, ...rest] = told();
    assert.match(first, /hostname=mx\.example\.org names=.*mail\.example\.org.*mx\.example\.com/);
    assert.deepEqual(rest, []);
    await look();
    assert.deepEqual(told(), []);
    now += 86_400_000;
    await look();
    assert.equal(told().length, 1);
    write('*.example.org');
    await look();
    assert.deepEqual(told(), []);
    write('*.mx.example.org');
    await look();
    assert.equal(told().length, 1);
    // By its address, and one that was made here for another name.
    write('192.0.2.7');
    for (const [hostname, more] of [['192.0.2.7', 0], ['192.0.2.8', 1]] as const) {
      await openCertificate({ ...needs(files), hostname }, clock, systemRandom, createLogger('warn', (line) => said.push(line)));
      assert.equal(told().length, more, hostname);
    }
    for (const [hostname, more] of [['mx.example.org', 0], ['moved.example.org', 1]] as const) {
      await openCertificate({ ...needs(), hostname }, clock, systemRandom, createLogger('warn', (line) => said.push(line)));
      assert.equal(told().length, more, hostname);
    }
  });

  it('says clearly what is wrong with given files', async () => {
    const at = (cert: string, key: string) => openCertificate(needs({ cert, key }), systemClock, systemRandom, silent);
    await assert.rejects(at('/nowhere/c.pem', '/nowhere/k.pem'), (e: Error) => e instanceof Malformed && /tls-cert: cannot read \/nowhere\/c\.pem: ENOENT/.test(e.message));
    const a = selfSigned(['a.example'], Date.now(), systemRandom);
    const b = selfSigned(['b.example'], Date.now(), systemRandom);
    writeFileSync(join(folder, 'c'), a.cert);
    writeFileSync(join(folder, 'k'), b.key);
    await assert.rejects(at(join(folder, 'c'), join(folder, 'k')), (e: Error) => e instanceof Malformed && /are no certificate with its key/.test(e.message));
  });
});

describe('cluster-secret', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'colombier-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is made once, also by many at once, and readable by its owner only', async () => {
    const config = { clusterSecret: { file: join(folder, 'settings/cluster-secret') } };
    const all = await Promise.all([1, 2].map(() => clusterSecret(config, systemRandom, async () => true)));
    assert.equal(all[0].secret, all[1].secret);
    assert.ok(all[0].secret.length >= 43);
    assert.equal(statSync(config.clusterSecret.file).mode & 0o777, 0o600);
    assert.deepEqual(await clusterSecret(config, systemRandom, async () => false), { secret: all[0].secret, made: false });
  });

  it('is not made beside a store that was sealed under another', async () => {
    const config = { clusterSecret: { file: join(folder, 'cluster-secret') } };
    await assert.rejects(clusterSecret(config, systemRandom, async () => false), /is missing, and the store holds data already/);
  });

  it('is refused when it is short', async () => {
    await assert.rejects(clusterSecret({ clusterSecret: { value: 'short' } }, systemRandom, async () => true), /at least 32 characters/);
    writeFileSync(join(folder, 's'), '\n');
    await assert.rejects(clusterSecret({ clusterSecret: { file: join(folder, 's') } }, systemRandom, async () => true), /at least 32 characters/);
    assert.equal((await clusterSecret({ clusterSecret: { value: 'x'.repeat(40) } }, systemRandom, async () => false)).secret.length, 40);
  });
});
