import assert from 'node:assert/strict';
import { seededRandom } from '../../src/base/index.ts';
import type { Random } from '../../src/base/index.ts';
import { DirectoryState, candidatesFor, decodeDirectoryOps, encodeDirectoryOps, leadingTo, normaliseAddress, normaliseDomain } from '../../src/directory/index.ts';
import type { DirectoryOp } from '../../src/directory/index.ts';

const bytes = Buffer.from('00ff', 'hex');
const user = (id: string): DirectoryOp => ({ kind: 'UserAdded', user: id, at: 5, publicKeys: bytes, ring: bytes, bucket: '', quotaBytes: 7 });
const wrap = (id: string, w: string): DirectoryOp => ({ kind: 'WrapAdded', user: id, wrap: { id: w, kind: 'app', label: 'phone', bytes } });
const event = (position: number, writer: string, seq: number, ...ops: DirectoryOp[]) => ({ ref: { position: position + (ops.length - 1) * 64, writer, seq }, ops: ops.map((op, i) => ({ first: position + i * 64, op })) });
const claimOf = (writer: string, seq: number, index = 0) => `${writer}-${seq}-${index}`;

function history(random: Random) {
  const names = ['a@x.org', 'b@x.org', '*@x.org'];
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.unit() * list.length)];
  const events = [event(64, 'w0', 1, { kind: 'DomainAdded', domain: 'x.org' }, user('u1'), user('u2'))];
  const claims: string[] = [];
  for (let seq = 2; seq < 14; seq++) {
    const x = random.unit();
    const known = claims.length ? pick(claims) : claimOf('none', 1);
    let op: DirectoryOp;
    if (x < 0.3) {
      claims.push(claimOf('w0', seq));
      op = { kind: 'AddressClaimed', address: pick(names), user: pick(['u1', 'u2']), primary: random.unit() < 0.5, at: seq };
    } else if (x < 0.5) op = { kind: 'AddressConfirmed', claim: known };
    else if (x < 0.6) op = { kind: 'ClaimEnded', claim: known };
    else if (x < 0.7) op = wrap(pick(['u1', 'u2']), pick(['p', 'q']));
    else if (x < 0.8) op = { kind: 'WrapRemoved', user: 'u1', id: pick(['p', 'q']) };
    else if (x < 0.85) op = { kind: 'UserRemoved', user: 'u2' };
    else if (x < 0.92) op = { kind: 'QuotaChanged', user: 'u1', quotaBytes: seq };
    else if (x < 0.93) op = { kind: 'MessageQuotaChanged', user: pick(['u1', 'u2']), messages: seq % 3 };
    else if (x < 0.96) op = { kind: 'SpamScoresChanged', user: pick(['u1', 'u2']), junk: random.unit() < 0.5 ? null : seq, reject: null };
    else op = pick<DirectoryOp>([{ kind: 'DomainRemoved', domain: 'x.org' }, { kind: 'DomainAdded', domain: 'x.org' }]);
    events.push(event(64 * seq * 3, 'w0', seq, op));
  }
  return events;
}

describe('directory fold', () => {
  it('gives the same state in any order, and through any cut into joined states', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed);
      const [first, ...rest] = history(random);
      const inOrder = new DirectoryState();
      for (const e of [first, ...rest]) inOrder.apply(e);
      const shuffled = [...rest].sort(() => random.unit() - 0.5);
      const other = new DirectoryState();
      for (const e of [first, ...shuffled]) other.apply(e);
      assert.deepEqual(other.encode(), inOrder.encode(), `seed ${seed}: order`);
      const left = new DirectoryState();
      const right = new DirectoryState();
      for (const e of [first, ...rest.filter((_, i) => i % 2)]) left.apply(e);
      for (const e of [first, ...rest.filter((_, i) => i % 3)]) right.apply(e);
      const joined = new DirectoryState();
      joined.join(left.encode());
      joined.join(right.encode());
      for (const e of rest) joined.apply(e);
      assert.deepEqual(joined.encode(), inOrder.encode(), `seed ${seed}: join`);
    }
  });

  it('an ending beats a confirmation that had not seen it, whichever comes first', () => {
    for (const order of [[0, 1], [1, 0]]) {
      const s = new DirectoryState();
      s.apply(event(64, 'w', 1, { kind: 'DomainAdded', domain: 'x.org' }, user('u1'), { kind: 'AddressClaimed', address: 'a@x.org', user: 'u1', primary: true, at: 1 }));
      const two = [event(640, 'v', 1, { kind: 'AddressConfirmed', claim: 'w-1-2' }), event(641, 'z', 1, { kind: 'ClaimEnded', claim: 'w-1-2' })];
      for (const i of order) s.apply(two[i]);
      assert.equal(s.owner('a@x.org'), null);
    }
  });

  it('finds an address only while its domain, its claim and its user are there', () => {
    const s = new DirectoryState();
    s.apply(event(64, 'w', 1, user('u1'), { kind: 'AddressClaimed', address: 'a@x.org', user: 'u1', primary: true, at: 1 }, { kind: 'AddressConfirmed', claim: 'w-1-1' }));
    assert.equal(s.owner('a@x.org'), null, 'no domain');
    s.apply(event(640, 'w', 2, { kind: 'DomainAdded', domain: 'x.org' }));
    assert.equal(s.owner('a@x.org')?.id, 'u1');
    s.apply(event(6400, 'w', 3, { kind: 'UserRemoved', user: 'u1' }));
    assert.equal(s.owner('a@x.org'), null);
  });

  it('reads back every operation, and refuses what is damaged or newer', () => {
    const random = seededRandom(4);
    const ops = [...Array(40).keys()].flatMap(() => history(random).flatMap((e) => e.ops.map((o) => o.op)));
    const stored = encodeDirectoryOps(ops);
    assert.deepEqual(decodeDirectoryOps(stored), ops);
    assert.throws(() => decodeDirectoryOps(Buffer.concat([Buffer.of(6), stored.subarray(1)])), { name: 'Corrupt', message: /newer/ });
    for (let i = 0; i < 2000; i++) {
      const bad = Buffer.from(stored.subarray(0, 300));
      bad[Math.floor(random.unit() * bad.length)] ^= 1 << Math.floor(random.unit() * 8);
      try {
        decodeDirectoryOps(bad);
      } catch (e) {
        assert.equal((e as Error).name, 'Corrupt');
      }
      try {
        new DirectoryState().join(bad);
      } catch (e) {
        assert.equal((e as Error).name, 'Corrupt');
      }
    }
  });

  it('reads its frozen format', () => {
    assert.deepEqual(decodeDirectoryOps(Buffer.from('01030005782e6f726702027531050200ff0200ff000707076140782e6f72670275310101', 'hex')), [
      { kind: 'DomainAdded', domain: 'x.org' },
      user('u1'),
      { kind: 'AddressClaimed', address: 'a@x.org', user: 'u1', primary: true, at: 1 },
    ]);
  });
});

describe('directory: keys of domains', () => {
  const key = { selector: 'e1', algorithm: 'ed25519' as const, secret: Buffer.from('abcd', 'hex'), at: 5 };
  it('reads its frozen format, version 2, and writes version 1 where there is no key', () => {
    const hex = '02020c05782e6f7267026531010' + '2abcd050d05782e6f7267026531';
    assert.deepEqual(decodeDirectoryOps(Buffer.from(hex, 'hex')), [{ kind: 'DomainKeyAdded', domain: 'x.org', key }, { kind: 'DomainKeyRemoved', domain: 'x.org', selector: 'e1' }]);
    assert.equal(encodeDirectoryOps(decodeDirectoryOps(Buffer.from(hex, 'hex'))).toString('hex'), hex);
    assert.equal(encodeDirectoryOps([{ kind: 'DomainAdded', domain: 'x.org' }])[0], 1);
  });
  it('has keys of a domain while it is there, the same whatever the order and through its stored state', () => {
    const ops: DirectoryOp[] = [{ kind: 'DomainAdded', domain: 'x.org' }, { kind: 'DomainKeyAdded', domain: 'x.org', key }, { kind: 'DomainKeyAdded', domain: 'x.org', key: { ...key, secret: Buffer.from('aa', 'hex') } }, { kind: 'DomainKeyAdded', domain: 'x.org', key: { ...key, selector: 'e0' } }, { kind: 'DomainKeyRemoved', domain: 'x.org', selector: 'e0' }];
    const [a, b, c] = [new DirectoryState(), new DirectoryState(), new DirectoryState()];
    for (const [i, op] of ops.entries()) a.apply(event(64 * (i + 1), 'w', i + 1, op));
    for (const [i, op] of [...ops.entries()].reverse()) b.apply(event(64 * (i + 1), 'w', i + 1, op));
    c.join(a.encode());
    for (const s of [a, b, c]) {
      assert.deepEqual(s.keysOf('x.org'), [{ ...key, secret: Buffer.from('aa', 'hex') }]);
      assert.deepEqual(s.encode(), a.encode());
    }
    assert.equal(a.encode()[0], 2);
    assert.deepEqual(a.keysOf('y.org'), []);
  });
});

describe('directory: addresses that lead elsewhere', () => {
  it('reads its frozen format, version 3, and gives the address to nobody here', () => {
    const hex = '030107076940782e6f72670a3e42656e40792e6f72670005';
    const claimed: DirectoryOp = { kind: 'AddressClaimed', address: 'i@x.org', user: leadingTo('Ben@y.org'), primary: false, at: 5 };
    assert.deepEqual(decodeDirectoryOps(Buffer.from(hex, 'hex')), [claimed]);
    assert.equal(encodeDirectoryOps([claimed]).toString('hex'), hex);
    const s = new DirectoryState();
    s.apply(event(64, 'w', 1, { kind: 'DomainAdded', domain: 'x.org' }));
    s.apply(event(128, 'w', 2, claimed));
    assert.equal(s.elsewhereOf('i@x.org'), null, 'not confirmed yet');
    s.apply(event(192, 'w', 3, { kind: 'AddressConfirmed', claim: claimOf('w', 2) }));
    assert.deepEqual([s.elsewhereOf('i@x.org'), s.owner('i@x.org'), s.addresses().length], ['Ben@y.org', null, 1]);
    const back = new DirectoryState();
    back.join(s.encode());
    assert.deepEqual([back.elsewhereOf('i@x.org'), s.encode()[0]], ['Ben@y.org', 3]);
    s.apply(event(256, 'w', 4, { kind: 'AddressRemoved', claim: claimOf('w', 2) }));
    assert.deepEqual([s.elsewhereOf('i@x.org'), s.encode()[0]], [null, 1]);
  });
});

describe('directory: quota of messages', () => {
  const quota = (messages: number, id = 'u1'): DirectoryOp => ({ kind: 'MessageQuotaChanged', user: id, messages });
  it('reads its frozen formats, version 5, of an event and of a state', () => {
    const hex = '05010f027531' + 'e807';
    assert.deepEqual(decodeDirectoryOps(Buffer.from(hex, 'hex')), [quota(1000)]);
    assert.equal(encodeDirectoryOps([quota(1000)]).toString('hex'), hex);
    const s = new DirectoryState();
    s.join(Buffer.from('05000000000000000000000102753112303030303030303030303030303034302d77e807', 'hex'));
    assert.deepEqual([s.messageQuotaOf('u1'), s.scoresOf('u1')], [1000, null]);
  });
  it('is the last that was said, whatever the order and through its stored state, until its user goes', () => {
    const ops: DirectoryOp[] = [user('u1'), quota(10), quota(20), quota(5, 'u2')];
    const [a, b, c] = [new DirectoryState(), new DirectoryState(), new DirectoryState()];
    for (const [i, op] of ops.entries()) a.apply(event(64 * (i + 1), 'w', i + 1, op));
    for (const [i, op] of [...ops.entries()].reverse()) b.apply(event(64 * (i + 1), 'w', i + 1, op));
    c.join(a.encode());
    for (const s of [a, b, c]) {
      assert.deepEqual([s.messageQuotaOf('u1'), s.messageQuotaOf('u2'), s.messageQuotaOf('u3'), s.encode()[0]], [20, 5, 0, 5]);
      assert.deepEqual(s.encode(), a.encode());
    }
    const stored = a.encode();
    for (const id of ['u1', 'u2']) c.apply(event(1280, 'w', id === 'u1' ? 10 : 11, { kind: 'UserRemoved', user: id }));
    c.join(stored);
    assert.deepEqual([c.messageQuotaOf('u1'), c.encode()[0]], [0, 1]);
  });
});

describe('directory: spam scores of users', () => {
  it('reads its frozen formats, version 4, of an event and of a state', () => {
    const hex = '04020e027531' + '3d00' + '0e027532' + '0001';
    const ops: DirectoryOp[] = [{ kind: 'SpamScoresChanged', user: 'u1', junk: 60, reject: null }, { kind: 'SpamScoresChanged', user: 'u2', junk: null, reject: 0 }];
    assert.deepEqual(decodeDirectoryOps(Buffer.from(hex, 'hex')), ops);
    assert.equal(encodeDirectoryOps(ops).toString('hex'), hex);
    const s = new DirectoryState();
    s.join(Buffer.from('040000000000000000000102753112303030303030303030303030303034302d773d9701', 'hex'));
    assert.deepEqual(s.scoresOf('u1'), { junk: 60, reject: 150 });
  });
  it('has the last that was said, whatever the order and through its stored state, until its user goes', () => {
    const ops: DirectoryOp[] = [user('u1'), { kind: 'SpamScoresChanged', user: 'u1', junk: 60, reject: 150 }, { kind: 'SpamScoresChanged', user: 'u1', junk: null, reject: 99 }];
    const [a, b, c] = [new DirectoryState(), new DirectoryState(), new DirectoryState()];
    for (const [i, op] of ops.entries()) a.apply(event(64 * (i + 1), 'w', i + 1, op));
    for (const [i, op] of [...ops.entries()].reverse()) b.apply(event(64 * (i + 1), 'w', i + 1, op));
    c.join(a.encode());
    const stored = a.encode();
    for (const s of [a, b, c]) {
      assert.deepEqual([s.scoresOf('u1'), s.scoresOf('u2'), s.encode()[0]], [{ junk: null, reject: 99 }, null, 4]);
      assert.deepEqual(s.encode(), stored);
      s.apply(event(640, 'w', 9, { kind: 'SpamScoresChanged', user: 'u1', junk: null, reject: null }));
      assert.equal(s.scoresOf('u1'), null);
      s.join(stored);
      assert.equal(s.scoresOf('u1'), null, 'what was taken back stays so');
      s.apply(event(1280, 'w', 10, { kind: 'UserRemoved', user: 'u1' }));
      s.join(stored);
      assert.deepEqual([s.scoresOf('u1'), s.encode()[0]], [null, 1]);
    }
  });
});

describe('addresses', () => {
  it('are compared without case, quotes that nobody needs, and in ASCII domains', () => {
    assert.deepEqual(normaliseAddress('Anna.B@Example.ORG'), { local: 'anna.b', domain: 'example.org' });
    assert.deepEqual(normaliseAddress('"anna b"@Bücher.example'), { local: 'anna b', domain: 'xn--bcher-kva.example' });
    assert.equal(normaliseDomain('example.org.'), 'example.org');
    for (const bad of ['', '@', 'a@', '@b', 'a@b c', 'a@-b', `${'x'.repeat(65)}@b.org`, 'a\n@b.org', `a@${'b'.repeat(64)}.org`]) assert.throws(() => normaliseAddress(bad), { name: 'Malformed' }, bad);
  });
  it('are looked up as written, without tag, as catch-all', () => {
    assert.deepEqual(candidatesFor('Anna+Shop@x.org'), ['anna+shop@x.org', 'anna@x.org', '*@x.org']);
    assert.deepEqual(candidatesFor('+x@x.org'), ['+x@x.org', '*@x.org']);
  });
});
