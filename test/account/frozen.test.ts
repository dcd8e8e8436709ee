// Stored forms that the accounts make themselves, as they were written once.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { keyObject } from '../../src/account/admin.ts';
import { pack, unpack } from '../../src/account/codec.ts';
import { ByteReader } from '../../src/base/index.ts';
import { openRing, parseToken, unwrapWithToken } from '../../src/seal/index.ts';
import { encodeRing } from '../../src/seal/keys.ts';
import { KNOWN_USER, frozen, frozenText, knownRing, knownRoot } from '../seal/known.ts';

function fixture(name: string, written: Buffer): Buffer {
  const file = new URL(`../../fixtures/${name}`, import.meta.url);
  assert.ok(existsSync(file), `fixtures/${name} is missing; what is written today: ${written.toString('hex')}`);
  return Buffer.from(readFileSync(file, 'utf8').trim(), 'hex');
}

describe('account: frozen formats', () => {
  it('what a user with an app password opens the mailbox with (users/…/keys), version 1', () => {
    const written = keyObject({ id: 'x', kind: 'app', label: 'not in it', bytes: frozen('wrapApp') }, frozen('ring'));
    const stored = fixture('account/key-1.hex', written);
    assert.deepEqual(written, stored);
    const r = new ByteReader(stored);
    assert.equal(r.u8(), 1);
    const root = unwrapWithToken(Buffer.from(r.bytes()), KNOWN_USER, parseToken(frozenText('app')));
    assert.deepEqual(root, knownRoot());
    assert.deepEqual(encodeRing(openRing(root, KNOWN_USER, Buffer.from(r.bytes()))), encodeRing(knownRing()));
    r.finish();
  });

  it('the body of an event as it is packed: as it is, and deflated', () => {
    const small = Buffer.from('a few operations');
    const large = Buffer.concat(Array.from({ length: 200 }, (_, i) => Buffer.from(`operation ${i % 7};`)));
    for (const [name, plain, how] of [['raw', small, 0], ['deflated', large, 1]] as const) {
      const stored = fixture(`account/packed-${name}.hex`, pack(plain));
      assert.equal(stored[0], how);
      assert.deepEqual(unpack(stored), plain);
    }
    assert.throws(() => unpack(Buffer.of(2, 1, 2)), { name: 'Corrupt', message: /newer version/ });
  });
});
