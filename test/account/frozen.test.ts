// Stored forms that the accounts make themselves, as they were written once.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { keyObject } from '../../src/account/admin.ts';
import { pack, unpack } from '../../src/account/codec.ts';
import { PART_HEAD, encodeEntry, entriesOf, entryMayHold, fingerprint } from '../../src/account/search-part.ts';
import { ByteReader, Corrupt } from '../../src/base/index.ts';
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

  it('a part of a search index, version 1', () => {
    const filters = [[Buffer.alloc(0), Buffer.from('00ff10', 'hex')], [Buffer.from('ffffffff', 'hex'), Buffer.alloc(200, 0x55)]] as const;
    const stored = fixture('account/search-part-1.hex', Buffer.concat([PART_HEAD, ...filters.map(([header, body], i) => encodeEntry(`M${i}`, header, body))]));
    const read = Array.from(entriesOf(stored), ({ hi, lo, at, end }) => ({ hi, lo, at, end }));
    assert.deepEqual(read.map(({ hi, lo }) => ({ hi, lo })), ['M0', 'M1'].map((id) => ({ ...fingerprint(id, { hi: 0, lo: 0 }) })));
    assert.deepEqual([read[0].at, read[0].end, read[1].at, read[1].end], [2, read[1].at, read[0].end, stored.length]);
    // Nothing is sought: any message may hold it.
    for (const { at } of read) assert.equal(entryMayHold(stored, at, new Uint32Array(0), true), true);
    assert.throws(() => [...entriesOf(stored.subarray(0, -1))], Corrupt);
    stored[0] = 2;
    assert.throws(() => [...entriesOf(stored)], /other rules/);
  });
});
