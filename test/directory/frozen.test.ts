// Bytes of each version that a directory was ever written in: events and states are read for ever, and what needs no more
// is still written in the old form, which an older release reads.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { DirectoryState, decodeDirectoryOps, encodeDirectoryOps, leadingTo } from '../../src/directory/index.ts';
import type { DirectoryOp } from '../../src/directory/index.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const user = (id: string, bucket = ''): DirectoryOp => ({ kind: 'UserAdded', user: id, at: 5, publicKeys: bytes('00ff'), ring: bytes('0a0b0c'), bucket, quotaBytes: 7 });
const claim = (address: string, of: string, at: number): DirectoryOp => ({ kind: 'AddressClaimed', address, user: of, primary: at === 1, at });

/** One of each kind, by the version that knows it first. Each op is an event of its own, of the writer w. */
const NEW_IN: Record<number, DirectoryOp[]> = {
  1: [
    { kind: 'DomainAdded', domain: 'x.org' },
    { kind: 'DomainAdded', domain: 'y.org' },
    { kind: 'DomainRemoved', domain: 'y.org' },
    user('u1'),
    user('u2', 'mail-two'),
    user('u3'),
    { kind: 'UserRemoved', user: 'u3' },
    { kind: 'QuotaChanged', user: 'u1', quotaBytes: 5_000_000_000 },
    { kind: 'WrapAdded', user: 'u1', wrap: { id: 'p1', kind: 'password', label: '', bytes: bytes('01') } },
    { kind: 'WrapAdded', user: 'u1', wrap: { id: 'a1', kind: 'app', label: 'Telefon ü', bytes: bytes('0203') } },
    { kind: 'WrapAdded', user: 'u2', wrap: { id: 'r1', kind: 'recovery', label: '', bytes: bytes('04') } },
    { kind: 'WrapAdded', user: 'u1', wrap: { id: 'a2', kind: 'app', label: 'gone', bytes: bytes('05') } },
    { kind: 'WrapRemoved', user: 'u1', id: 'a2' },
    claim('a@x.org', 'u1', 1),
    { kind: 'AddressConfirmed', claim: 'w-14-0' },
    claim('b@x.org', 'u2', 2),
    { kind: 'ClaimEnded', claim: 'w-16-0' },
    claim('*@x.org', 'u2', 3),
    { kind: 'AddressConfirmed', claim: 'w-18-0' },
    { kind: 'AddressRemoved', claim: 'w-18-0' },
    { kind: 'Restored', at: 1_700_000_000_000 },
  ],
  2: [
    { kind: 'DomainKeyAdded', domain: 'x.org', key: { selector: 'e1', algorithm: 'ed25519', secret: bytes('abcd'), at: 5 } },
    { kind: 'DomainKeyAdded', domain: 'x.org', key: { selector: 'r1', algorithm: 'rsa', secret: bytes('ef'), at: 6 } },
    { kind: 'DomainKeyRemoved', domain: 'x.org', selector: 'r1' },
  ],
  3: [claim('i@x.org', leadingTo('Ben@z.org'), 4)],
  4: [
    { kind: 'SpamScoresChanged', user: 'u1', junk: 60, reject: null },
    { kind: 'SpamScoresChanged', user: 'u2', junk: null, reject: 0 },
  ],
  5: [{ kind: 'MessageQuotaChanged', user: 'u1', messages: 100_000 }],
};
const versions = Object.keys(NEW_IN).map(Number);
const upTo = (version: number): DirectoryOp[] => versions.filter((v) => v <= version).flatMap((v) => NEW_IN[v]);
const folded = (ops: DirectoryOp[]): DirectoryState => {
  const state = new DirectoryState();
  for (const [i, op] of ops.entries()) state.apply({ ref: { position: 64 * (i + 1), writer: 'w', seq: i + 1 }, ops: [{ first: 64 * (i + 1), op }] });
  return state;
};

function fixture(name: string, written: Buffer): Buffer {
  const file = new URL(`../../fixtures/directory/${name}`, import.meta.url);
  assert.ok(existsSync(file), `fixtures/directory/${name} is missing; what is written today: ${written.toString('hex')}`);
  return bytes(readFileSync(file, 'utf8').trim());
}

describe('directory: frozen formats', () => {
  for (const version of versions) {
    it(`version ${version}: an event and a state`, () => {
      const ops = upTo(version);
      const event = fixture(`ops-${version}.hex`, encodeDirectoryOps(ops));
      assert.equal(event[0], version);
      assert.deepEqual(decodeDirectoryOps(event), ops);
      assert.deepEqual(encodeDirectoryOps(ops), event, 'written in no newer form than it needs');
      const state = fixture(`state-${version}.hex`, folded(ops).encode());
      assert.equal(state[0], version);
      const read = new DirectoryState();
      read.join(state);
      assert.deepEqual(read.encode(), folded(ops).encode());
      assert.deepEqual([read.domains, read.owner('a@x.org')?.id, read.owner('b@x.org'), read.users.get('u1')!.quotaBytes, [...read.users.get('u1')!.wraps.keys()]], [['x.org'], 'u1', null, 5_000_000_000, ['a1', 'p1']]);
    });
  }

  it('one more is refused', () => {
    const newest = Math.max(...versions);
    for (const [name, read] of [['ops', decodeDirectoryOps], ['state', (b: Buffer) => new DirectoryState().join(b)]] as const) {
      const newer = fixture(`${name}-${newest}.hex`, Buffer.alloc(0));
      newer[0] = newest + 1;
      assert.throws(() => read(newer), { name: 'Corrupt', message: /newer version/ });
    }
  });
});
