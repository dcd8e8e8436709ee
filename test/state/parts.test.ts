import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { folded, FORGET, history, INBOX, message, Parts, rand, USER } from './history.ts';
import type { Rand, Written } from './history.ts';
import { Corrupt } from '../../src/base/index.ts';
import { mailboxId, UserState } from '../../src/state/index.ts';
import type { FoldedEvent, Manifest, Op, StateMutations } from '../../src/state/index.ts';

const ARCHIVE = mailboxId(USER, '\\Archive', 1);
const DAY = 24 * 3600 * 1000;
let r: Rand;
let seq = 0;
let last = 0;
const event = (ops: Op[], count: number, position = last + 64): FoldedEvent => {
  let first = position;
  const placed = ops.map((op) => ({ first: (first += 64) - 64, op }));
  last = position + (count - 1) * 64;
  return { ref: { position: last, writer: 'w', seq: ++seq }, first: position, ops: placed };
};
const add = (mailbox: string, n: number, bytes = 40): FoldedEvent => event([{ kind: 'MessageAdded', mailbox, at: 1.7e12, messages: Array.from({ length: n }, () => message(r, [], null, bytes)) }], n);
const keyed = (at: number, key: string, position?: number, flags: string[] = [], mailbox = INBOX): FoldedEvent => event([{ kind: 'MessageAdded', mailbox, at, messages: [message(r, flags, key)] }], 1, position);
const flag = (s: UserState, mailbox: string, uids: number[], set: string[]): FoldedEvent => event([{ kind: 'FlagsChanged', mailbox, messages: s.messageRefs(mailbox, uids), set, clear: [] }], 1);
const keysOf = (s: UserState) => s.encode(null).parts.map((p) => p.key.replace(/[0-9a-f]{16}/, 'box'));
const opened = (m: Manifest, parts: Parts, mutations?: StateMutations): UserState => {
  const s = UserState.load(USER, [m], { mutations });
  parts.fetch(s, { kind: 'root' });
  return s;
};

describe('state: parts', () => {
  let s: UserState;
  let parts: Parts;
  beforeEach(() => {
    r = rand(7);
    seq = last = 0;
    s = new UserState(USER);
    parts = new Parts();
  });

  it('writes again only what changed', () => {
    s.apply(add(INBOX, 20_000));
    s.apply(add(ARCHIVE, 100));
    assert.equal(keysOf(s).filter((k) => k.startsWith('rows/')).length, 4);
    parts.snapshot(s, []);
    assert.deepEqual(keysOf(s), ['root']);
    const { uids } = s.mailbox(INBOX);
    s.apply(flag(s, INBOX, [uids[9000]], ['\\Seen']));
    assert.deepEqual(keysOf(s), ['root', 'rows/box/1']);
    parts.snapshot(s, []);
    s.apply(add(INBOX, 1));
    assert.deepEqual(keysOf(s), ['root', 'rows/box/2', `content/${s.encode(null).kept.filter((k) => k.key.startsWith('content')).length}`]);
  });
  it('what changes while parts are being stored is written the next time', () => {
    s.apply(add(INBOX, 10));
    const encoded = s.encode(null);
    s.apply(flag(s, INBOX, [s.mailbox(INBOX).uids[0]], ['\\Seen']));
    s.apply(add(INBOX, 1));
    s.stored(encoded, parts.put(encoded.parts));
    const manifest = parts.snapshot(s, []);
    const again = opened(manifest, parts);
    parts.fetch(again, { kind: 'everything' });
    assert.equal(again.fingerprint(), s.fingerprint());
  });
  it('opening a mailbox reads its rows only; STATUS reads the root; FLAGS no contents; a tail waits', () => {
    s.apply(add(INBOX, 30));
    s.apply(add(ARCHIVE, 30));
    const manifest = parts.snapshot(s, []);
    const t = opened(manifest, parts);
    assert.deepEqual(t.missing({ kind: 'status', mailbox: INBOX }), []);
    assert.deepEqual(t.status(INBOX), s.status(INBOX));
    assert.deepEqual(t.mailboxes(), s.mailboxes());
    assert.deepEqual(parts.fetch(t, { kind: 'rows', mailbox: INBOX }).map((p) => p.key), [`rows/${INBOX}/0`]);
    assert.equal(t.mailbox(INBOX).count, 30);
    const uid = t.mailbox(INBOX).uids[3];
    assert.throws(() => t.content(INBOX, uid), TypeError);
    assert.deepEqual(parts.fetch(t, { kind: 'contents', mailbox: INBOX, uids: [uid] }).map((p) => p.key), ['content/0']);
    assert.deepEqual(t.content(INBOX, uid), s.content(INBOX, uid));
    const e = flag(s, ARCHIVE, [s.mailbox(ARCHIVE).uids[0]], ['\\Seen']);
    t.apply(e);
    s.apply(e);
    assert.deepEqual(parts.fetch(t, { kind: 'status', mailbox: ARCHIVE }).map((p) => p.key), [`rows/${ARCHIVE}/0`]);
    assert.deepEqual(t.status(ARCHIVE), s.status(ARCHIVE));
    assert.deepEqual(t.encode(null).kept.map((k) => k.key).sort(), ['content/0', `rows/${INBOX}/0`].sort());
  });
  it('a part that no current manifest names is written again', () => {
    s.apply(add(INBOX, 30));
    s.apply(add(ARCHIVE, 30));
    const manifest = parts.snapshot(s, []);
    const t = opened(manifest, parts);
    const gone = manifest.parts.find((p) => p.key.startsWith(`rows/${ARCHIVE}`))!;
    const stored = new Set(manifest.parts.filter((p) => p !== gone && !p.key.startsWith('content')).map((p) => p.id));
    assert.throws(() => t.encode(stored), TypeError);
    parts.fetch(t, { kind: 'encode', stored });
    assert.deepEqual(t.encode(stored).parts.map((p) => p.key), ['root', gone.key, 'content/0']);
  });
  it('contents go from memory when they are stored, and come back', () => {
    s.apply(add(INBOX, 50, 50_000));
    const uids = s.mailbox(INBOX).uids.slice(0, 50);
    s.evictContents(Infinity);
    assert.deepEqual(s.missing({ kind: 'contents', mailbox: INBOX, uids }), [], 'what is not stored stays');
    const before = s.content(INBOX, uids[0]);
    parts.snapshot(s, []);
    s.evictContents(Infinity);
    const need = s.missing({ kind: 'contents', mailbox: INBOX, uids });
    assert.equal(need.length, 3);
    s.apply(add(INBOX, 1));
    assert.ok(s.content(INBOX, last));
    parts.fetch(s, { kind: 'contents', mailbox: INBOX, uids });
    assert.deepEqual(s.content(INBOX, uids[0]), before);
  });
  it('of many messages it tells how many have their contents within a bound, and what they say is read without the rest', () => {
    s.apply(add(INBOX, 50, 50_000));
    const uids = s.mailbox(INBOX).uids.slice(0, 50);
    const all = Uint32Array.of(...uids, 999_999);
    parts.snapshot(s, []);
    s.evictContents(Infinity);
    // Three parts: of 21, 21 and 8 messages.
    assert.equal(s.contentsWithin(INBOX, all, 1_000_000), 0);
    assert.equal(s.contentsWithin(INBOX, all, 1_500_000), 21);
    assert.equal(s.contentsWithin(INBOX, all, 2_500_000), 42);
    assert.equal(s.contentsWithin(INBOX, all, 3_000_000), 51);
    parts.fetch(s, { kind: 'contents', mailbox: INBOX, uids: uids.subarray(0, 21) });
    assert.equal(s.contentsWithin(INBOX, all, 1_400_000), 42, 'what is in memory counts nothing');
    parts.fetch(s, { kind: 'contents', mailbox: INBOX, uids });
    const heads = Array.from(all, (uid) => s.content(INBOX, uid)).map((content) => content && { prefix: content.prefix, index: content.index });
    assert.deepEqual(s.contentHeads(INBOX, all).map((head) => head && { prefix: Buffer.from(head.prefix), index: head.index }), heads);
    assert.deepEqual(s.contentHeads(INBOX, [uids[7], uids[3]]).map((head) => head!.index), [heads[7]!.index, heads[3]!.index]);
  });
  it('rows go from memory when they are stored, and come back with what happened meanwhile', () => {
    s.apply(add(INBOX, 500));
    s.apply(add(ARCHIVE, 30));
    assert.equal(s.evictRows(INBOX), 0, 'what is not stored stays');
    parts.snapshot(s, []);
    const uids = s.mailbox(INBOX).uids.slice(0, 500);
    const change = flag(s, INBOX, [uids[7]], ['\\Seen']);
    const gone = event([{ kind: 'MessagesExpunged', mailbox: INBOX, at: 1, messages: s.messageRefs(INBOX, [uids[9]]) }], 1);
    const status = s.status(INBOX);
    const before = s.memory.rows;
    assert.ok(s.evictRows(INBOX) > 0);
    assert.ok(s.memory.rows < before / 2);
    assert.deepEqual(s.loadedRows, [ARCHIVE]);
    assert.deepEqual(s.status(INBOX), status);
    assert.throws(() => s.mailbox(INBOX), TypeError);
    s.apply(change);
    s.apply(gone);
    assert.deepEqual(parts.fetch(s, { kind: 'rows', mailbox: INBOX }).map((p) => p.key), [`rows/${INBOX}/0`]);
    assert.equal(s.mailbox(INBOX).count, 499);
    assert.deepEqual(s.mailbox(INBOX).flagsOf(s.mailbox(INBOX).flagSet(7)), ['\\Seen']);
    assert.equal(s.evictRows(INBOX), 0, 'what changed stays until it is stored');
    const manifest = parts.snapshot(s, []);
    assert.ok(s.evictRows(INBOX) > 0);
    const t = opened(manifest, parts);
    for (const x of [s, t]) parts.fetch(x, { kind: 'everything' });
    assert.equal(s.fingerprint(), t.fingerprint());
  });
  it('rows that go and come at random change nothing', () => {
    let went = 0;
    for (let seed = 1; seed <= 25; seed++) {
      const events: Written[] = history(rand(seed), 40);
      const order = [...events];
      const chance = rand(seed + 1000);
      const plain = new UserState(USER);
      const frugal = new UserState(USER);
      order.forEach((e, i) => {
        plain.apply(e);
        frugal.apply(e);
        if (chance.unit() < 0.2) {
          parts.fetch(frugal, { kind: 'everything' });
          const encoded = frugal.encode(null);
          frugal.stored(encoded, parts.put(encoded.parts));
        }
        if (chance.unit() < 0.3) for (const id of frugal.loadedRows) if (chance.unit() < 0.6 && frugal.evictRows(id) > 0) went++;
        if (i === 29) {
          // What is forgotten here must not come back; all that is written now knows of it.
          parts.fetch(frugal, { kind: 'everything' });
          plain.forgetExpunged(FORGET);
          frugal.forgetExpunged(FORGET);
        }
      });
      parts.fetch(frugal, { kind: 'everything' });
      assert.equal(frugal.fingerprint(), plain.fingerprint(), `seed ${seed}`);
      assert.deepEqual(frugal.mailboxes(), plain.mailboxes());
    }
    assert.ok(went > 40, `${went}`);
  });
  it('rows that say much of many flags are stored in pieces that can be read again', () => {
    const keywords = Array.from({ length: 8000 }, (_, i) => `k${i}`);
    s.apply(add(INBOX, 300));
    parts.snapshot(s, []);
    for (const uid of s.mailbox(INBOX).uids.subarray(0, 300)) s.apply(event([{ kind: 'FlagsChanged', mailbox: INBOX, messages: s.messageRefs(INBOX, [uid]), set: [], clear: keywords }], 1));
    const manifest = parts.snapshot(s, []);
    assert.ok(manifest.parts.filter((p) => p.key.startsWith('rows/')).length > 2);
    const again = opened(manifest, parts);
    parts.fetch(again, { kind: 'everything' });
    assert.equal(again.fingerprint(), s.fingerprint());
    assert.deepEqual(keysOf(s), ['root'], 'all of it is stored');
    assert.ok(s.evictRows(INBOX) > 0);
    parts.fetch(s, { kind: 'everything' });
    assert.equal(s.fingerprint(), again.fingerprint());
  });
  it('a copy waits for the rows of its source', () => {
    s.apply(add(ARCHIVE, 3));
    const sources = s.messageRefs(ARCHIVE, s.mailbox(ARCHIVE).uids.subarray(0, 3));
    const t = opened(parts.snapshot(s, []), parts);
    const e = event([{ kind: 'MessagesCopied', from: ARCHIVE, to: INBOX, at: 5, sources, flagSets: [['\\Seen']], flagSetOf: [0, 0, 0] }], 3);
    t.apply(e);
    assert.equal(t.missing({ kind: 'rows', mailbox: INBOX }).length, 1);
    parts.fetch(t, { kind: 'rows', mailbox: INBOX });
    assert.equal(t.mailbox(INBOX).count, 3);
    assert.equal(t.mailbox(INBOX).emailId(0), t.mailbox(ARCHIVE).emailId(0));
    assert.equal(t.mailbox(INBOX).saveDate(0), 5);
  });
  it('whether a deleted mailbox is there asks for its rows when the tail touched it', () => {
    s.apply(event([{ kind: 'MailboxCreated', mailbox: ARCHIVE, name: 'Archive', made: 1, specialUse: '\\Archive' }], 1));
    s.apply(add(ARCHIVE, 2));
    const refs = s.messageRefs(ARCHIVE, s.mailbox(ARCHIVE).uids.subarray(0, 2));
    s.apply(event([{ kind: 'MessagesExpunged', mailbox: ARCHIVE, at: 1, messages: refs }, { kind: 'MailboxDeleted', mailbox: ARCHIVE }], 2));
    const t = opened(parts.snapshot(s, []), parts);
    assert.deepEqual(t.missing({ kind: 'names' }), []);
    t.apply(add(ARCHIVE, 1));
    assert.equal(parts.fetch(t, { kind: 'names' }).length, 1);
    assert.deepEqual(t.mailboxes().map((m) => m.name), ['INBOX', 'Archive']);
  });
  it('a forgotten message keeps its UID among the vanished, and its blob is referenced no more', () => {
    s.apply(add(INBOX, 3));
    const [uid] = s.mailbox(INBOX).uids;
    const blob = s.mailbox(INBOX).count && [...s.referencedBlobs()][0].blob;
    s.apply(event([{ kind: 'MessagesExpunged', mailbox: INBOX, at: 100, messages: s.messageRefs(INBOX, [uid]) }], 1));
    assert.deepEqual(s.expungedBefore(100), []);
    assert.deepEqual(s.expungedBefore(101).map((m) => m.blob), [blob]);
    assert.equal([...s.referencedBlobs()].length, 3);
    s.forgetExpunged(101);
    assert.ok(![...s.referencedBlobs()].some((b) => b.blob === blob));
    const t = opened(parts.snapshot(s, []), parts);
    parts.fetch(t, { kind: 'everything' });
    assert.deepEqual([...t.mailbox(INBOX).vanishedSince(0)], [uid]);
    assert.equal(t.fingerprint(), s.fingerprint());
    assert.equal(t.quota().messages, 2);
  });
  it('random snapshots hold their contents too', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const events: Written[] = history(rand(seed), 30);
      const a = folded(events);
      const t = opened(parts.snapshot(a, events), parts);
      parts.fetch(t, { kind: 'everything' });
      for (const m of t.mailboxes()) parts.fetch(t, { kind: 'contents', mailbox: m.id, uids: t.mailbox(m.id).uids });
      for (const m of t.mailboxes()) for (const uid of t.mailbox(m.id).uids.subarray(0, t.mailbox(m.id).count)) assert.deepEqual(t.content(m.id, uid), a.content(m.id, uid));
      assert.equal(t.fingerprint(), a.fingerprint());
    }
  });
  it('delivered twice: the smallest stays, in any order, and takes the flags', () => {
    const copies = [keyed(0, 'k', 1), keyed(3 * DAY, 'k', 65, ['\\Flagged']), keyed(6 * DAY, 'k', 129)];
    for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
      const t = new UserState(USER);
      for (const i of order) t.apply(copies[i]);
      assert.deepEqual([...t.mailbox(INBOX).uids.subarray(0, t.mailbox(INBOX).count)], [1]);
      assert.deepEqual(t.mailbox(INBOX).flagsOf(t.mailbox(INBOX).flagSet(0)), ['\\Flagged']);
      assert.deepEqual([...t.mailbox(INBOX).vanishedSince(64)], [65, 129]);
    }
    const m = new UserState(USER, { mutations: { noDeliveryKeys: true } });
    for (const e of copies) m.apply(e);
    assert.equal(m.mailbox(INBOX).count, 3);
  });
  it('more than seven days apart are two messages; an expunged original counts; keys go from snapshots after a while', () => {
    const key = 'k'.repeat(400);
    s.apply(keyed(0, key, 65));
    s.apply(event([{ kind: 'MessagesExpunged', mailbox: INBOX, at: 1, messages: s.messageRefs(INBOX, [65]) }], 1));
    const t = opened(parts.snapshot(s, []), parts);
    for (const x of [s, t]) {
      x.apply(keyed(7 * DAY, key, 257));
      parts.fetch(x, { kind: 'rows', mailbox: INBOX });
      assert.equal(x.mailbox(INBOX).count, 0);
      x.apply(keyed(20 * DAY, key, 321));
      assert.equal(x.mailbox(INBOX).count, 1);
    }
    const big = s.encode(null).parts[0].bytes.length;
    s.apply(keyed(60 * DAY, 'other', 385));
    assert.ok(s.encode(null).parts[0].bytes.length < big);
  });
  it('version 1, frozen: a snapshot that was written once is read', () => {
    const frozen = JSON.parse(readFileSync(new URL('../../fixtures/state/snapshot-v1.json', import.meta.url), 'utf8')) as { fingerprint: string; parts: Record<string, string> };
    const ids = Object.keys(frozen.parts);
    for (const key of ids) parts.bytes.set(key, Buffer.from(frozen.parts[key], 'base64'));
    const t = opened({ parts: ids.map((key) => ({ key, id: key })), covers: () => true }, parts);
    parts.fetch(t, { kind: 'everything' });
    assert.equal(t.fingerprint(), frozen.fingerprint);
  });
  it('any bytes: Corrupt or read, never anything else', function () {
    this.timeout(20_000);
    const events = history(rand(3), 40);
    const a = folded(events);
    a.forgetExpunged(Infinity);
    for (const e of history(rand(4), 40)) a.apply(e);
    const manifest = parts.snapshot(a, []);
    const until = Date.now() + 2000;
    let corrupt = 0;
    for (let i = 0; Date.now() < until || i < 200; i++) {
      const t = UserState.load(USER, [manifest]);
      const victim = r.pick(manifest.parts).id;
      try {
        const feed = (what: Parameters<UserState['missing']>[0]) => {
          for (let need; (need = t.missing(what)).length > 0; ) for (const p of need) t.provide(p, p.id === victim ? damaged(parts.bytes.get(p.id)!) : parts.bytes.get(p.id)!);
        };
        feed({ kind: 'root' });
        feed({ kind: 'everything' });
        for (const m of t.mailboxes()) {
          const { uids, count } = t.mailbox(m.id);
          feed({ kind: 'contents', mailbox: m.id, uids: uids.subarray(0, count) });
          for (const uid of uids.subarray(0, count)) t.content(m.id, uid);
        }
        t.fingerprint();
      } catch (e) {
        if (!(e instanceof Corrupt)) throw e;
        corrupt++;
      }
    }
    assert.ok(corrupt > 20);
  });
  function damaged(bytes: Buffer): Buffer {
    const b = Buffer.from(bytes);
    for (let n = 1 + r.below(4); n > 0; n--) b[r.unit() < 0.5 ? r.below(b.length) : r.below(Math.min(b.length, 80))] = r.unit() < 0.5 ? r.below(256) : r.pick([0, 1, 0x7f, 0x80, 0xff]);
    return r.unit() < 0.1 ? b.subarray(0, r.below(b.length)) : b;
  }
});
