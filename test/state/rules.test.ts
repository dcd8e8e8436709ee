import assert from 'node:assert/strict';
import { INBOX, message, rand, USER } from './history.ts';
import type { Rand } from './history.ts';
import { Corrupt } from '../../src/base/index.ts';
import { decodeOps, encodeOps, mailboxId, positionsOf, UserState } from '../../src/state/index.ts';
import type { FoldedEvent, Op } from '../../src/state/index.ts';

const id = (name: string, made = 1) => mailboxId(USER, name, made);
let r: Rand;
const seqs = new Map<string, number>();
const event = (writer: string, position: number, ...ops: Op[]): FoldedEvent => {
  let first = position;
  const placed = ops.map((op) => ({ first: (first += positionsOf(op) * 64) - positionsOf(op) * 64, op }));
  seqs.set(writer, (seqs.get(writer) ?? 0) + 1);
  return { ref: { position: first - 64, writer, seq: seqs.get(writer)! }, first: position, ops: placed };
};
const created = (name: string, made = 1): Op => ({ kind: 'MailboxCreated', mailbox: id(name, made), name, made, specialUse: null });
const added = (mailbox: string, n = 1, flags: string[] = [], key: string | null = null): Op => ({ kind: 'MessageAdded', mailbox, at: 1, messages: Array.from({ length: n }, () => message(r, flags, key)) });
/** Folds in both orders; both must agree. */
const both = (before: FoldedEvent[], a: FoldedEvent, b: FoldedEvent): UserState => {
  const [x, y] = [new UserState(USER), new UserState(USER)];
  for (const e of [...before, a, b]) x.apply(e);
  for (const e of [...before, b, a]) y.apply(e);
  assert.deepEqual(x.describe(true), y.describe(true));
  assert.equal(x.fingerprint(), y.fingerprint());
  return x;
};
const names = (s: UserState) => s.mailboxes().map((m) => m.name);

describe('state: rules', () => {
  beforeEach(() => {
    r = rand(3);
    seqs.clear();
  });

  it('RENAME against RENAME: the later position wins', () => {
    const s = both([event('a', 1, created('A'))], event('a', 65, { kind: 'MailboxRenamed', mailbox: id('A'), name: 'B' }), event('b', 66, { kind: 'MailboxRenamed', mailbox: id('A'), name: 'C' }));
    assert.deepEqual(names(s), ['INBOX', 'C']);
    assert.equal(s.byName('inbox')!.id, INBOX);
    assert.equal(s.byId(id('A'))!.name, 'C');
  });
  it('two that end with one name: both stay, the later one under a suffixed name', () => {
    const s = both([event('a', 1, created('A'), created('B'))], event('a', 129, { kind: 'MailboxRenamed', mailbox: id('A'), name: 'X' }), event('b', 130, { kind: 'MailboxRenamed', mailbox: id('B'), name: 'X' }));
    assert.deepEqual(names(s), ['INBOX', 'X', `X ${id('B').slice(0, 4)}`]);
    assert.equal(s.byName('X')!.id, id('A'));
  });
  it('a mailbox named as a suffixed one is keeps its name', () => {
    const taken = `X ${id('B').slice(0, 4)}`;
    const s = both([event('a', 1, created('X'), created(taken))], event('a', 129, created('B')), event('b', 194, { kind: 'MailboxRenamed', mailbox: id('B'), name: 'X' }));
    assert.deepEqual(names(s), ['INBOX', 'X', taken, `X ${id('B').slice(0, 5)}`]);
  });
  it('a repair that comes after the message was removed and forgotten: its new UID counts as vanished', () => {
    const message = { writer: 'a', seq: 1, index: 0 };
    const add = event('a', 65, added(INBOX));
    const gone = event('a', 129, { kind: 'MessagesExpunged', mailbox: INBOX, at: 5, messages: [message] });
    const repair = event('b', 194, { kind: 'Repaired', mailbox: INBOX, repaired: [add.ref], renumbered: [message], touched: [] });
    const s = new UserState(USER);
    for (const e of [add, gone]) s.apply(e);
    s.forgetExpunged(6);
    s.apply(repair);
    assert.deepEqual([...s.mailbox(INBOX).vanishedSince(129)], [194]);
    assert.deepEqual([...s.mailbox(INBOX).vanishedSince(0)], [65, 194]);
    assert.equal(s.status(INBOX).uidNext, 195);
  });
  it('DELETE removes what the deleter saw; what arrived unseen brings the mailbox back', () => {
    const first = event('a', 1, created('A'), added(id('A')));
    const seen = { writer: 'a', seq: 1, index: 0 };
    const del = event('a', 129, { kind: 'MessagesExpunged', mailbox: id('A'), at: 5, messages: [seen] }, { kind: 'MailboxDeleted', mailbox: id('A') });
    const gone = new UserState(USER);
    gone.apply(first);
    gone.apply(del);
    assert.deepEqual(names(gone), ['INBOX']);
    assert.equal(gone.nextMade('A'), 2);
    const s = both([first], del, event('b', 130, added(id('A'))));
    assert.deepEqual(names(s), ['INBOX', 'A']);
    assert.equal(s.status(id('A')).messages, 1);
  });
  it('making a name again gives a greater UIDVALIDITY; creating one mailbox twice at once gives one', () => {
    const s = both([], event('a', 1, created('A')), event('b', 2, created('A')));
    assert.deepEqual(names(s), ['INBOX', 'A']);
    const before = s.status(id('A')).uidValidity;
    s.apply(event('a', 65, { kind: 'MailboxDeleted', mailbox: id('A') }));
    s.apply(event('a', 129, created('A', s.nextMade('A'))));
    assert.ok(s.status(s.byName('A')!.id).uidValidity > before);
    assert.equal(s.status(id('A')).uidValidity, before);
  });
  it('mail for a role that was not created yet has a place, and creating it keeps it', () => {
    const junk = id('\\Junk');
    const s = both([], event('a', 1, added(junk)), event('b', 2, { kind: 'MailboxCreated', mailbox: junk, name: 'Spam', made: 1, specialUse: '\\Junk' }));
    assert.deepEqual(s.mailboxes().map((m) => [m.name, m.specialUse]), [['INBOX', null], ['Spam', '\\Junk']]);
    const before = new UserState(USER);
    before.apply(event('c', 1, added(junk)));
    assert.deepEqual(names(before), ['INBOX', 'Junk']);
    assert.equal(before.nextMade('Junk', '\\Junk'), 1);
  });
  it('subscriptions: the last word for each name', () => {
    const s = both([], event('a', 1, { kind: 'SubscriptionChanged', name: 'A', on: true }), event('b', 2, { kind: 'SubscriptionChanged', name: 'A', on: false }));
    assert.deepEqual(s.subscriptions(), []);
    s.apply(event('a', 65, { kind: 'SubscriptionChanged', name: 'nowhere', on: true }));
    assert.deepEqual(s.subscriptions(), ['nowhere']);
  });
  it('MOVE against EXPUNGE keeps the copy; MOVE against MOVE keeps both; flags: the greatest (position, writer)', () => {
    const first = event('a', 1, created('A'), added(INBOX, 1, ['\\Seen']));
    const m = { writer: 'a', seq: 1, index: 0 };
    const move = (writer: string, position: number) => event(writer, position, { kind: 'MessagesCopied', from: INBOX, to: id('A'), at: 7, sources: [m], flagSets: [['\\Seen']], flagSetOf: [0] }, { kind: 'MessagesExpunged', mailbox: INBOX, at: 7, messages: [m] });
    const kept = both([first], move('a', 129), event('b', 130, { kind: 'MessagesExpunged', mailbox: INBOX, at: 8, messages: [m] }));
    assert.equal(kept.status(id('A')).messages, 1);
    seqs.set('a', 1);
    const two = both([first], move('a', 129), move('c', 130));
    assert.equal(two.status(id('A')).messages, 2);
    assert.equal(two.status(INBOX).messages, 0);
    seqs.set('a', 1);
    const flags = both([first], event('a', 129, { kind: 'FlagsChanged', mailbox: INBOX, messages: [m], set: ['x'], clear: ['\\Seen'] }), event('b', 129, { kind: 'FlagsChanged', mailbox: INBOX, messages: [m], set: ['\\Seen'], clear: ['x'] }));
    assert.deepEqual(flags.mailbox(INBOX).flagsOf(flags.mailbox(INBOX).flagSet(0)), ['\\Seen']);
    assert.equal(flags.status(INBOX).unseen, 0);
  });
  it('after an event was given up, what depends on it waits for it and then shows', () => {
    const lost = event('a', 1, added(INBOX));
    const m = { writer: 'a', seq: 1, index: 0 };
    const next = event('b', 66, created('A'), { kind: 'MessagesCopied', from: INBOX, to: id('A'), at: 1, sources: [m], flagSets: [[]], flagSetOf: [0] }, { kind: 'FlagsChanged', mailbox: INBOX, messages: [m], set: ['\\Seen'], clear: [] });
    const gave = event('b', 258, { kind: 'EventLost', lost: lost.ref });
    const s = new UserState(USER);
    s.apply(gave);
    s.apply(next);
    assert.equal(s.status(INBOX).messages + s.status(id('A')).messages, 0);
    assert.deepEqual(s.effects(gave).lost, lost.ref);
    s.apply(lost);
    assert.equal(s.status(INBOX).messages + s.status(id('A')).messages, 2);
    assert.equal(s.status(INBOX).unseen, 0);
    const straight = new UserState(USER);
    for (const e of [lost, next, gave]) straight.apply(e);
    assert.equal(s.fingerprint(), straight.fingerprint());
  });
  it('an epoch: UIDs begin anew, UIDVALIDITY grows, the smallest of two at once counts', () => {
    const far = 2 ** 31 + 1;
    const before = event('a', 1, added(INBOX));
    const s = both([before], event('a', far, { kind: 'EpochBegan' }), event('b', far + 1, { kind: 'EpochBegan' }));
    const was = new UserState(USER).status(INBOX).uidValidity;
    assert.equal(s.status(INBOX).uidValidity, was + 2 ** 20);
    assert.equal(s.mailbox(INBOX).uidValidity, was + 2 ** 20);
    assert.equal(s.mailbox(INBOX).count, 0);
    assert.equal(s.mailbox(INBOX).withheld, 1);
    s.apply(event('b', far + 64, { kind: 'Repaired', mailbox: INBOX, repaired: [], renumbered: [{ writer: 'a', seq: 1, index: 0 }], touched: [] }));
    assert.deepEqual([...s.mailbox(INBOX).uids.subarray(0, 1)], [64]);
    assert.equal(s.status(INBOX).uidNext, 65);
    assert.equal(s.uidOf(INBOX, { writer: 'a', seq: 1, index: 0 }), 64);
  });
  it('effects: what was touched in which mailbox, duplicates of a delivery among it', () => {
    const s = new UserState(USER);
    const a = event('a', 65, added(INBOX, 2), { kind: 'Restored', at: 0 });
    s.apply(a);
    const refs = [0, 1].map((index) => ({ writer: 'a', seq: 1, index }));
    assert.deepEqual(s.effects(a), { effects: [{ scope: INBOX, any: 129, assigned: 129, messages: refs }], repaired: [], lost: null, restored: true });
    const flags = event('a', 257, { kind: 'FlagsChanged', mailbox: INBOX, messages: refs, set: ['x'], clear: [] });
    s.apply(flags);
    assert.deepEqual(s.effects(flags).effects, [{ scope: INBOX, any: 257, assigned: 0, messages: refs }]);
    const repair = event('a', 321, { kind: 'Repaired', mailbox: INBOX, repaired: [a.ref], renumbered: [refs[0]], touched: [refs[1]] });
    s.apply(repair);
    assert.deepEqual(s.effects(repair), { effects: [{ scope: INBOX, any: 385, assigned: 321, messages: refs }], repaired: [a.ref], lost: null, restored: false });
    const second = event('b', 450, added(INBOX, 1, [], 'k'));
    const first = event('c', 433, added(INBOX, 1, [], 'k'));
    s.apply(second);
    s.apply(first);
    assert.deepEqual(s.effects(first).effects[0].messages, [{ writer: 'c', seq: 1, index: 0 }, { writer: 'b', seq: 1, index: 0 }]);
  });
  it('a late event that nothing contradicts as UID is touched, others are renumbered, in UID order', () => {
    const s = new UserState(USER);
    const first = event('a', 65, added(INBOX, 3));
    const flags = event('b', 1026, { kind: 'FlagsChanged', mailbox: INBOX, messages: [{ writer: 'a', seq: 1, index: 2 }, { writer: 'a', seq: 1, index: 0 }], set: ['x'], clear: [] });
    const expunged = event('c', 2003, { kind: 'MessagesExpunged', mailbox: INBOX, at: 1, messages: [{ writer: 'a', seq: 1, index: 1 }] });
    for (const e of [first, flags, expunged]) s.apply(e);
    const late = (e: FoldedEvent, uid: boolean) => ({ ref: e.ref, first: e.first, uid, effects: s.effects(e).effects });
    const [op] = s.planRepair([late(flags, true), late(first, false)]);
    assert.ok(op.kind === 'Repaired');
    assert.deepEqual([op.renumbered.length, op.touched.map((m) => m.index)], [0, [0, 1, 2]]);
    const [anew] = s.planRepair([late(first, true)]);
    assert.ok(anew.kind === 'Repaired');
    assert.deepEqual([anew.renumbered.map((m) => m.index), anew.touched.map((m) => m.index)], [[0, 2], [1]]);
  });
  it('any bytes as operations: Corrupt or read, never anything else', function () {
    this.timeout(20_000);
    const samples = [
      encodeOps([added(INBOX, 2, ['x'], 'k'), created('A'), { kind: 'MessagesCopied', from: INBOX, to: id('A'), at: 7, sources: Array.from({ length: 30 }, (_, i) => ({ writer: `w${i % 3}`, seq: i + 1, index: i })), flagSets: [['\\Seen']], flagSetOf: new Array<number>(30).fill(0) }]),
      encodeOps([{ kind: 'FlagsChanged', mailbox: INBOX, messages: [{ writer: 'a', seq: 1, index: 0 }, { writer: 'a', seq: 2, index: 0 }, { writer: 'a', seq: 3, index: 0 }], set: ['x'], clear: [] }, { kind: 'Repaired', mailbox: INBOX, repaired: [{ position: 1, writer: 'a', seq: 1 }], renumbered: [], touched: [{ writer: 'b', seq: 1, index: 0 }] }]),
    ];
    const until = Date.now() + 2000;
    let corrupt = 0;
    for (let i = 0; Date.now() < until || i < 500; i++) {
      const b = Buffer.from(r.pick(samples));
      for (let n = 1 + r.below(5); n > 0; n--) b[2 + r.below(b.length - 2)] = r.pick([0, 1, 2, 3, 0x7f, 0x80, 0xff, r.below(256)]);
      try {
        const ops = decodeOps(b);
        const s = new UserState(USER);
        if (ops.every((op) => op.kind !== 'FlagsChanged' || op.messages.length < 1000)) s.apply({ ref: { position: 1e6, writer: 'z', seq: 1 }, first: 1, ops: ops.map((op) => ({ first: 1, op })) });
      } catch (e) {
        if (!(e instanceof Corrupt)) throw e;
        corrupt++;
      }
    }
    assert.ok(corrupt > 100);
  });
});
