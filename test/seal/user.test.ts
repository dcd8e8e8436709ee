import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import * as openpgp from 'openpgp';
import { ByteWriter, Corrupt, Refused, Unavailable, seededRandom, systemClock } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import {
  LoginCache,
  PasswordPool,
  createAppPassword,
  createRecoveryCode,
  createRootKey,
  createUserSecrets,
  decodeUserPublic,
  encodeUserPublic,
  exportSecretKey,
  findToken,
  openRing,
  parseToken,
  sealRing,
  unwrapWithPassword,
  unwrapWithToken,
  wrapInfo,
  wrapWithPassword,
  wrapWithToken,
} from '../../src/seal/index.ts';
import { checksum } from '../../src/seal/token-text.ts';

const random = seededRandom(23);
const QUICK = { memoryKib: 64, passes: 1, lanes: 1 };
const USER = 'k7m2p9x4q1r8t5w3';

describe('seal: a user', () => {
  it('has keys that openpgp.js reads: v6, X25519, announcing SEIPD v2 and no address', async () => {
    const { ring, public: record } = await createUserSecrets(random, Date.UTC(2026, 1, 2));
    const certificate = await openpgp.readKey({ binaryKey: record.certificate });
    assert.ok(!certificate.isPrivate());
    assert.equal(certificate.users.length, 0);
    assert.equal(certificate.subkeys[0].getFingerprint(), record.blob.fingerprint.toString('hex'));
    const encrypted = await openpgp.encrypt({ message: await openpgp.createMessage({ text: 'hello' }), encryptionKeys: certificate, config: { aeadProtect: true } });
    const key = await openpgp.readPrivateKey({ armoredKey: await exportSecretKey(ring) });
    assert.equal((await openpgp.decrypt({ message: await openpgp.readMessage({ armoredMessage: encrypted }), decryptionKeys: key })).data, 'hello');
    const locked = await openpgp.readPrivateKey({ armoredKey: await exportSecretKey(ring, 'open sesame') });
    assert.ok(!locked.isDecrypted());
    assert.ok((await openpgp.decryptKey({ privateKey: locked, passphrase: 'open sesame' })).isDecrypted());
    assert.deepEqual(decodeUserPublic(encodeUserPublic(record)), record);

    const root = createRootKey(random);
    const sealed = sealRing(root, USER, ring, random);
    const opened = openRing(root, USER, sealed);
    assert.deepEqual({ ...opened, sessions: opened.sessions.map((k) => [k.id, k.key.export()]) }, { ...ring, sessions: ring.sessions.map((k) => [k.id, k.key.export()]) });
    assert.throws(() => openRing(root, 'another', sealed), Corrupt);
    assert.throws(() => openRing(createRootKey(random), USER, sealed), Corrupt);
    const two = { ...ring, sessions: [...ring.sessions, ...ring.sessions] };
    assert.equal(openRing(root, USER, sealRing(root, USER, two, random)).sessions.length, 2);
    for (let at = 0; at < sealed.length; at++) {
      const altered = Buffer.from(sealed);
      altered[at] ^= 2;
      assert.throws(() => openRing(root, USER, altered), Corrupt, `byte ${at}`);
    }
  }).timeout(10_000);
});

describe('seal: app passwords and recovery codes', () => {
  const app = createAppPassword(random);
  const recovery = createRecoveryCode(USER, random);

  it('are read back however they are typed', () => {
    assert.match(app.text(), /^([0-9a-z]{5}-){6}[0-9a-z]{5}$/);
    assert.ok(app.text().startsWith(`${app.id}-`));
    assert.ok(recovery.text().replaceAll('-', '').startsWith(USER));
    for (const token of [app, recovery]) {
      const text = token.text();
      const ways = [text, text.toUpperCase(), text.replaceAll('-', ''), text.replaceAll('-', ' '), ` ${text} `, text.replaceAll('0', 'O'), text.replaceAll('1', 'l'), text.replaceAll('1', 'I')];
      for (const way of ways) {
        const read = parseToken(way);
        assert.deepEqual([read.kind, read.user, read.id, read.text()], [token.kind, token.user, token.id, text]);
      }
    }
    assert.throws(() => createRecoveryCode('Not An Id', random), RangeError);
  });

  it('find a typo', () => {
    const text = app.text().replaceAll('-', '');
    let missed = 0;
    for (let at = 0; at < text.length; at++) {
      const letter = text[at] === '7' ? '8' : '7';
      if (findToken(text.slice(0, at) + letter + text.slice(at + 1))) missed++;
      assert.throws(() => parseToken(text.slice(0, at) + text.slice(at + 1)), Refused);
    }
    assert.equal(missed, 0);
    assert.throws(() => parseToken('abc'), /too short/);
    assert.throws(() => parseToken('u'.repeat(40)), /character/);
    assert.throws(() => parseToken(`${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`), /typo/);
    assert.equal(findToken('a chosen password of a person, fairly long'), null);
    assert.equal(findToken('x'.repeat(100_000)), null);
  });

  it('show their secret nowhere but in their text', () => {
    const secret = app.text().replaceAll('-', '').slice(5, 32);
    for (const shown of [inspect(app, { depth: 9, showHidden: true }), JSON.stringify(app), String(app)]) assert.ok(!shown.includes(secret.slice(0, 8)));
  });

  it('unwrap the root key of their own user, and nothing else', () => {
    const root = createRootKey(random);
    for (const token of [app, recovery]) {
      const wrap = wrapWithToken(root, USER, token, random);
      assert.deepEqual(wrapInfo(wrap), { id: token.id, kind: token.kind });
      assert.ok(unwrapWithToken(wrap, USER, parseToken(token.text())).equals(root));
      assert.ok(!wrap.includes(root));
      assert.throws(() => unwrapWithToken(wrap, 'another', token), Refused);
      assert.throws(() => unwrapWithToken(wrap, USER, createAppPassword(random)), Refused);
      assert.throws(() => unwrapWithToken(wrap, USER, createRecoveryCode(USER, random)), Refused);
      for (let at = 0; at < wrap.length; at++) {
        const altered = Buffer.from(wrap);
        altered[at] ^= 8;
        assert.throws(() => unwrapWithToken(altered, USER, token), Corrupt, `byte ${at}`);
        assert.throws(() => unwrapWithToken(wrap.subarray(0, at), USER, token), Corrupt);
      }
    }
  });
});

describe('seal: chosen passwords', () => {
  const pool = new PasswordPool();
  after(() => pool.close());

  it('unwrap the root key, from every keyboard', async () => {
    const root = createRootKey(random);
    const wrap = await wrapWithPassword(root, USER, 'ca\u0308se\u00a0x', pool, random, QUICK);
    assert.equal(wrapInfo(wrap).kind, 'password');
    assert.ok((await unwrapWithPassword(wrap, USER, 'c\u00e4se x', pool)).equals(root));
    await assert.rejects(unwrapWithPassword(wrap, USER, 'c\u00e4se X', pool), (e) => e instanceof Refused && e.code === 'AUTHENTICATIONFAILED');
    await assert.rejects(unwrapWithPassword(wrap, 'another', 'c\u00e4se x', pool), Refused);
    await assert.rejects(unwrapWithPassword(wrap, USER, '', pool), Refused);
    await assert.rejects(unwrapWithPassword(wrap, USER, 'x'.repeat(2000), pool), Refused);
    await assert.rejects(wrapWithPassword(root, USER, '', pool, random, QUICK), Refused);
    assert.throws(() => unwrapWithToken(wrap, USER, createAppPassword(random)), Refused);
    const other = await wrapWithPassword(root, USER, 'c\u00e4se x', pool, random, QUICK);
    assert.notEqual(wrapInfo(other).id, wrapInfo(wrap).id);
  });

  it('are Corrupt when the wrap was altered or asks for too much work', async () => {
    const root = createRootKey(random);
    const wrap = await wrapWithPassword(root, USER, 'pw', pool, random, QUICK);
    for (let at = 0; at < wrap.length; at++) {
      const altered = Buffer.from(wrap);
      altered[at] ^= 0x80;
      await assert.rejects(unwrapWithPassword(altered, USER, 'pw', pool), Corrupt, `byte ${at}`);
    }
    // A forged wrap with a fitting checksum: kind, id (10 letters) and salt, then the cost.
    const at = 2 + 1 + 10 + 16;
    for (const cost of [[2 ** 20, 1, 1], [64, 100, 1], [64, 1, 100], [64, 0, 1], [4, 1, 1]]) {
      const w = new ByteWriter().raw(wrap.subarray(0, at));
      for (const n of cost) w.varint(n);
      const forged = w.raw(wrap.subarray(at + 3, -8)).done();
      const sum = createHash('sha256').update(forged).digest().subarray(0, 8);
      await assert.rejects(unwrapWithPassword(Buffer.concat([forged, sum]), USER, 'pw', pool), (e) => e instanceof Corrupt && /nobody should compute/.test(e.message));
    }
    await assert.rejects(wrapWithPassword(root, USER, 'pw', pool, random, { memoryKib: 2 ** 22, passes: 1, lanes: 1 }), Corrupt);
    await assert.rejects(wrapWithPassword(root, USER, 'pw', pool, random, { memoryKib: 64, passes: 1000, lanes: 1 }), Corrupt);
  });

  it('wait in a bounded line', async () => {
    const small = new PasswordPool({ argon2_running_max: 1, argon2_waiting_max: 3 });
    assert.equal(small.running, 0);
    const salt = Buffer.alloc(16);
    const all = Array.from({ length: 6 }, () => small.derive(Buffer.from('x'), salt, QUICK));
    assert.equal(small.running, 1);
    const ended = await Promise.allSettled(all);
    assert.deepEqual(ended.map((e) => e.status), ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected']);
    assert.ok((ended[5] as PromiseRejectedResult).reason instanceof Unavailable);
    assert.equal(small.running, 0);
    const key = await small.derive(Buffer.from('x'), salt, QUICK);
    assert.ok(key.equals(await all[0]));
    const late = small.derive(Buffer.from('x'), salt, QUICK);
    small.close();
    await assert.rejects(late, Unavailable);
    await assert.rejects(small.derive(Buffer.from('x'), salt, QUICK), Unavailable);
  });

  it('answer Unavailable when Argon2 itself fails, and go on', async () => {
    await assert.rejects(pool.derive(Buffer.from('x'), Buffer.alloc(2), QUICK), Unavailable);
    assert.equal((await pool.derive(Buffer.from('x'), Buffer.alloc(16), QUICK)).length, 32);
  });
});

describe('seal: the log-in cache', () => {
  let now = 0;
  let sweep: (() => void) | null = null;
  const clock: Clock = { ...systemClock, monotonic: () => now, after: (_ms, run) => ((sweep = run), () => (sweep = null)) };
  const sizes = { login_cache_users_max: 3, user_linger_ms: 1000 };
  const root = Buffer.alloc(32, 5);

  it('knows the password that opened a wrap, for that wrap and user alone', () => {
    const cache = new LoginCache(clock, random, sizes);
    assert.equal(cache.find('u', 'w', 'pw'), null);
    cache.remember('u', 'w', 'pw', root);
    assert.ok(cache.find('u', 'w', 'pw')?.equals(root));
    assert.equal(cache.find('u', 'w', 'pW'), null);
    assert.equal(cache.find('u', 'changed', 'pw'), null);
    assert.equal(cache.find('v', 'w', 'pw'), null);
    cache.find('u', 'w', 'pw')!.fill(0); // a caller's copy
    assert.ok(cache.find('u', 'w', 'pw')?.equals(root));
    cache.forget('u');
    assert.equal(cache.find('u', 'w', 'pw'), null);
  });

  it('forgets after the linger time, but not while a session holds it', () => {
    const cache = new LoginCache(clock, random, sizes);
    cache.remember('u', 'w', 'pw', root);
    now += 999;
    assert.ok(cache.find('u', 'w', 'pw'));
    now += 1000;
    assert.equal(cache.find('u', 'w', 'pw'), null);
    const release = cache.hold('u');
    cache.remember('u', 'w', 'pw', root);
    now += 100_000;
    assert.ok(cache.find('u', 'w', 'pw'));
    now += 100_000;
    release();
    release();
    now += 999;
    sweep!();
    assert.equal(cache.size, 1);
    now += 1;
    sweep!();
    assert.equal(cache.size, 0);
    assert.equal(cache.find('u', 'w', 'pw'), null);
  });

  it('keeps a bounded number of users and passwords', () => {
    const cache = new LoginCache(clock, random, sizes);
    for (const user of ['a', 'b', 'c', 'd']) cache.remember(user, 'w', 'pw', root);
    assert.equal(cache.size, 3);
    assert.equal(cache.find('a', 'w', 'pw'), null);
    for (let i = 0; i < 20; i++) cache.remember('b', `w${i}`, 'pw', root);
    assert.equal(cache.find('b', 'w0', 'pw'), null);
    assert.ok(cache.find('b', 'w19', 'pw'));
    cache.close();
    assert.equal(cache.size, 0);
    assert.equal(checksum('a', 'b', 4).length, 4);
  });
});
