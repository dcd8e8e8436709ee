// Bytes that an earlier build wrote must open for ever.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Corrupt } from '../../src/base/index.ts';
import {
  PasswordPool,
  SCRAM_ITERATIONS,
  deliveryKey,
  encodeUserPublic,
  decodeUserPublic,
  openBlob,
  openBlobWithSecretKey,
  openDelivered,
  openNamed,
  openRange,
  openRing,
  parseToken,
  scramSalt,
  unwrapWithPassword,
  unwrapWithScram,
  unwrapWithToken,
  verifyMac,
} from '../../src/seal/index.ts';
import { encodeRing } from '../../src/seal/keys.ts';
import { scramProof } from './scram-proof.ts';
import { KNOWN_NAME, KNOWN_USER, frozen, frozenText, knownCluster, knownPublic, knownRing, knownRoot } from './known.ts';

describe('seal: frozen formats 1', () => {
  const text = frozen('text');
  const aad = frozen('aad');
  it('ring and public record', () => {
    assert.ok(encodeRing(knownRing()).equals(frozen('ringClear')));
    assert.ok(encodeUserPublic(knownPublic()).equals(frozen('public')));
    assert.equal(knownPublic().event.id, knownRing().events[0].id);
  });
  it('blob and content key', () => {
    assert.ok(openBlob(frozen('contentKey'), frozen('blob')).equals(text));
    assert.ok(openRange(frozen('contentKey'), frozen('blob'), 0, 5, 20).equals(text.subarray(5, 20)));
    const opened = openBlobWithSecretKey(knownRing().blobs, frozen('blob'));
    assert.ok(opened.plain.equals(text) && opened.contentKey.equals(frozen('contentKey')));
  });
  it('events', () => {
    assert.ok(openNamed(knownRing().sessions, KNOWN_NAME, aad, frozen('named')).equals(text));
    assert.ok(openDelivered(knownRing().events, KNOWN_NAME, aad, frozen('delivered')).equals(text));
    assert.ok(deliveryKey(knownPublic().hashKey, 'a@example.org', 'b@example.com', Buffer.alloc(32, 7)).equals(frozen('deliveryKey')));
  });
  it('what the cluster secret gives', () => {
    const keys = knownCluster();
    assert.ok(openNamed(keys.directory, KNOWN_NAME, aad, frozen('directory')).equals(text));
    assert.equal(verifyMac(keys, frozen('mac'), KNOWN_NAME, aad, frozen('named')), keys.id);
    assert.ok(keys.peerKey().equals(frozen('peerKey')));
    assert.ok(keys.derive('a purpose').equals(frozen('derived')));
  });
  it('wraps', async () => {
    assert.ok(unwrapWithToken(frozen('wrapApp'), KNOWN_USER, parseToken(frozenText('app'))).equals(knownRoot()));
    const code = parseToken(frozenText('recovery'));
    assert.equal(code.user, KNOWN_USER);
    assert.ok(unwrapWithToken(frozen('wrapRecovery'), KNOWN_USER, code).equals(knownRoot()));
    const pool = new PasswordPool();
    assert.ok((await unwrapWithPassword(frozen('wrapPassword'), KNOWN_USER, 'käse und brot', pool)).equals(knownRoot()));
    await pool.close();
  });
  it('an app password that SCRAM can use (format 2)', () => {
    const { user, app, wrap, root } = JSON.parse(readFileSync(new URL('../../fixtures/seal/wrap-2.json', import.meta.url), 'utf8')) as Record<string, string>;
    const bytes = Buffer.from(wrap, 'hex');
    assert.equal(unwrapWithToken(bytes, user, parseToken(app)).toString('hex'), root);
    for (const password of [app, app.replaceAll('-', '')]) {
      const proof = scramProof(password, scramSalt(user), SCRAM_ITERATIONS, 'all that was said');
      assert.equal(unwrapWithScram(bytes, user, proof)!.root.toString('hex'), root);
    }
    assert.equal(unwrapWithScram(frozen('wrapApp'), KNOWN_USER, scramProof(frozenText('app'), scramSalt(KNOWN_USER), SCRAM_ITERATIONS, 'x')), null, 'format 1 has nothing for SCRAM');
  });
  it('a newer version is Corrupt and says so', () => {
    const newer = (name: string): Buffer => {
      const bytes = Buffer.from(frozen(name));
      bytes[0] = name === 'wrapApp' ? 3 : 2;
      return bytes;
    };
    const says = (e: unknown) => e instanceof Corrupt && /newer version/.test(e.message);
    const token = parseToken(frozenText('app'));
    assert.throws(() => decodeUserPublic(newer('public')), says);
    assert.throws(() => openRing(knownRoot(), KNOWN_USER, newer('ring')), says);
    assert.throws(() => openBlob(newer('contentKey'), frozen('blob')), says);
    assert.throws(() => openDelivered(knownRing().events, KNOWN_NAME, aad, newer('delivered')), says);
    assert.throws(() => unwrapWithToken(newer('wrapApp'), KNOWN_USER, token), says);
  });
});
