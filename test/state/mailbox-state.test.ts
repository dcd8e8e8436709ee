import assert from 'node:assert/strict';
import { causalOrder, history, INBOX, message, rand, USER } from './history.ts';
import type { Rand } from './history.ts';
import { UserState } from '../../src/state/index.ts';
import type { FoldedEvent, MailboxState, Op } from '../../src/state/index.ts';
import type { MailboxIndex } from '../../src/imap/session.ts';

let r: Rand;
let seq: number;
const event = (position: number, op: Op): FoldedEvent => ({ ref: { position, writer: 'w', seq: ++seq }, first: position, ops: [{ first: position, op }] });
const add = (position: number): FoldedEvent => event(position, { kind: 'MessageAdded', mailbox: INBOX, at: 1, messages: [message(r)] });
const shown = (m: MailboxIndex): number[] => [...m.uids.subarray(0, m.count)];

/** A session's view, kept by the journal alone. */
class View {
  readonly index: MailboxState;
  version: number;
  uids: Uint32Array;
  count: number;
  known = new Map<number, number>();
  /** What `uids` held when it was taken. */
  held: number[];
  constructor(index: MailboxState) {
    this.index = index;
    this.version = index.version;
    this.uids = index.uids;
    this.count = index.count;
    this.held = shown(index);
    for (let i = 0; i < this.count; i++) this.known.set(this.uids[i], index.flagSet(i));
  }
  follow(): void {
    assert.deepEqual([...this.uids.subarray(0, this.count)], this.held, 'an array that was given out changed');
    const [from, to] = [this.index.count >> 2, this.index.count - (this.index.count >> 2)];
    assert.deepEqual([...this.index.flagSets(from, to)], Array.from({ length: to - from }, (_, k) => this.index.flagSet(from + k)));
    const changes = this.index.changesSince(this.version);
    if (changes === null) Object.assign(this, new View(this.index));
    for (const c of changes ?? []) {
      if (c.kind === 'expunged') assert.ok(this.known.delete(c.uid), 'expunged, and was not there');
      else if (c.kind === 'added') {
        assert.ok(!this.known.has(c.uid), 'added twice');
        for (const u of this.known.keys()) assert.ok(u < c.uid, 'a new message that is not the last');
        this.known.set(c.uid, -1);
      }
      const i = this.index.find(c.uid);
      if (i >= 0 && this.known.has(c.uid)) this.known.set(c.uid, this.index.flagSet(i));
    }
    this.version = this.index.version;
    this.uids = this.index.uids;
    this.count = this.index.count;
    this.held = shown(this.index);
    const want = new Map<number, number>();
    for (let i = 0; i < this.count; i++) want.set(this.uids[i], this.index.flagSet(i));
    assert.deepEqual([...this.known].sort((a, b) => a[0] - b[0]), [...want]);
  }
}

describe('state: live index', () => {
  beforeEach(() => {
    r = rand(1);
    seq = 0;
  });

  it('satisfies MailboxIndex', () => {
    const index: MailboxIndex = new UserState(USER).mailbox(INBOX);
    assert.equal(index.count, 0);
    assert.equal(index.uidNext, 1);
    assert.equal(index.highestModSeq, 1);
    assert.ok(index.uidValidity > 0);
  });
  it('shows events folded between two looks in UID order', () => {
    const s = new UserState(USER);
    const index = s.mailbox(INBOX);
    s.apply(add(129));
    s.apply(add(65));
    assert.deepEqual(shown(index), [65, 129]);
    assert.equal(index.withheld, 0);
    assert.deepEqual(s.changed(), [INBOX]);
    assert.deepEqual(s.changed(), []);
  });
  it('withholds a message below the last one shown until it is repaired', () => {
    const s = new UserState(USER);
    const index = s.mailbox(INBOX);
    s.apply(add(129));
    const version = (assert.deepEqual(shown(index), [129]), index.version);
    const late = add(65);
    s.apply(late);
    assert.deepEqual(shown(index), [129]);
    assert.equal(index.withheld, 1);
    assert.equal(s.status(INBOX).messages, 2);
    const [op] = s.planRepair([{ ref: late.ref, first: 65, uid: true, effects: s.effects(late).effects }]);
    assert.deepEqual(op, { kind: 'Repaired', mailbox: INBOX, repaired: [late.ref], renumbered: [{ writer: 'w', seq: 2, index: 0 }], touched: [] });
    s.apply(event(193, op));
    assert.deepEqual(shown(index), [129, 193]);
    assert.equal(index.withheld, 0);
    assert.deepEqual(index.changesSince(version), [{ kind: 'added', uid: 193 }]);
    assert.deepEqual([...index.vanishedSince(0)], [65]);
    assert.deepEqual([...index.vanishedSince(193)], []);
  });
  it('shows what is withheld when asked, but never two messages with one UID', () => {
    const s = new UserState(USER);
    const index = s.mailbox(INBOX);
    s.apply(add(129));
    assert.equal(index.count, 1);
    s.apply(add(65));
    s.apply(add(129));
    assert.equal(index.withheld, 2);
    const before = index.uids;
    index.showWithheld();
    assert.deepEqual(shown(index), [65, 129]);
    assert.deepEqual([...before.subarray(0, 1)], [129]);
    assert.equal(index.withheld, 1);
  });
  it('a repair that only touches raises MODSEQ and tells sessions', () => {
    const s = new UserState(USER);
    const index = s.mailbox(INBOX);
    const e = add(65);
    s.apply(e);
    const version = index.version;
    const [op] = s.planRepair([{ ref: e.ref, first: 65, uid: false, effects: s.effects(e).effects }]);
    s.apply(event(129, op));
    assert.equal(index.modSeq(0), 129);
    assert.equal(index.highestModSeq, 129);
    assert.equal(index.uidNext, 66);
    assert.deepEqual(index.changesSince(version), [{ kind: 'flags', uid: 65 }]);
  });
  it('forgets the journal beyond its bound and says so', () => {
    const s = new UserState(USER);
    const index = s.mailbox(INBOX);
    const first = index.version;
    s.apply(event(65, { kind: 'MessageAdded', mailbox: INBOX, at: 1, messages: Array.from({ length: 40_000 }, () => message(r)) }));
    assert.equal(index.count, 40_000);
    assert.equal(index.changesSince(first), null);
    const version = index.version;
    s.apply(event(40_001 * 64 + 1, { kind: 'FlagsChanged', mailbox: INBOX, messages: s.messageRefs(INBOX, [65]), set: ['\\Seen'], clear: [] }));
    assert.deepEqual(index.changesSince(version), [{ kind: 'flags', uid: 65 }]);
    assert.equal(s.status(INBOX).unseen, 39_999);
  });
  it('the journal leads a session to exactly what a full compare shows, and QRESYNC a client', () => {
    let journalled = 0;
    for (let seed = 1; seed <= 60; seed++) {
      r = rand(seed);
      const events = causalOrder(r, history(r, 40));
      const s = new UserState(USER);
      const views = new Map<string, View>();
      // A QRESYNC client that comes once: UID -> flags.
      const client = { modSeq: 0, flags: new Map<number, string>() };
      for (const e of events) {
        s.apply(e);
        if (r.unit() < 0.5) continue;
        for (const { id } of s.mailboxes()) {
          const v = views.get(id) ?? new View(s.mailbox(id));
          views.set(id, v);
          v.follow();
          journalled++;
        }
      }
      const index = s.mailbox(INBOX);
      index.showWithheld();
      for (const u of index.vanishedSince(client.modSeq)) client.flags.delete(u);
      for (let i = 0; i < index.count; i++) if (index.modSeq(i) > client.modSeq) client.flags.set(index.uids[i], index.flagsOf(index.flagSet(i)).join());
      assert.equal(client.flags.size, index.count);
      const modSeqs = Array.from({ length: index.count }, (_, i) => index.modSeq(i));
      assert.ok(index.highestModSeq >= Math.max(1, ...modSeqs));
      assert.ok(index.uidNext > Math.max(0, ...shown(index), ...index.vanishedSince(0)));
      const want = new Set(Array.from({ length: index.count }, (_, i) => index.flagsOf(index.flagSet(i))).flat());
      // Withheld messages count too.
      if (index.withheld === 0) assert.deepEqual(new Set(index.flagsInUse()), want);
    }
    assert.ok(journalled > 300);
  });
});
