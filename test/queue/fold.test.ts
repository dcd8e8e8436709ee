// The queue's state: the same for the same events in any order, with any snapshots, and through its stored forms.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../../src/base/index.ts';
import { QueueState, decodeQueueOps, encodeQueueOps } from '../../src/queue/index.ts';
import type { QueueOp } from '../../src/queue/index.ts';

const file = (name: string) => new URL(`../../fixtures/queue/${name}`, import.meta.url);
const queued = (id: string, at: number, n = 2): QueueOp => ({
  kind: 'Queued', id, at, user: 'u1', from: 'anna@x.test', envid: 'e', ret: 'FULL', eightBit: true, utf8: false, requireTls: false, anyTls: false, releaseAt: 0, blob: `b${id}`,
  contentKey: '\x01\x02', plainBytes: 100, sealedBytes: 300, prefix: 'A: b\r\n',
  recipients: Array.from({ length: n }, (_, i) => ({ address: `r${i}@y.test`, notify: i * 4, orcpt: '' })),
});
const outcome = (recipient: number, result: 'delivered' | 'deferred' | 'failed') => ({ recipient, result, status: '4.0.0', text: 'said', host: 'mx.y.test', nextAt: result === 'deferred' ? 77 : 0 });

/** One of each. */
const all: QueueOp[] = [
  queued('m1', 5),
  { kind: 'Attempting', message: 'm1', attempt: 'a1', lastsMs: 1000, recipients: [0, 1] },
  { kind: 'Attempted', message: 'm1', attempt: 'a1', at: 9, by: 'mx.here', outcomes: [outcome(0, 'deferred'), outcome(1, 'failed')] },
  { kind: 'Held', message: 'm1', on: true },
  { kind: 'Retried', message: 'm1', at: 11 },
  { kind: 'Told', message: 'm1', notice: 'failure', recipients: [1] },
  { kind: 'Attempting', message: 'm1', attempt: 'a2', lastsMs: 2000, recipients: [0] },
  { kind: 'Dropped', message: 'm2' },
];
interface Event { ref: { position: number; writer: string; seq: number }; born: number; ops: { first: number; op: QueueOp }[]; after: number[] }
const event = (position: number, writer: string, seq: number, op: QueueOp, after: number[] = []): Event => ({ ref: { position, writer, seq }, born: 1000 + position, ops: [{ first: position, op }], after });
const fold = (events: Iterable<Event>): QueueState => {
  const s = new QueueState();
  for (const e of events) s.apply(e);
  return s;
};

/** Some messages, each with a history of two replicas that know each other's events or not. */
function history(seed: number): Event[] {
  const random = seededRandom(seed);
  const pick = (n: number) => Math.floor(random.unit() * n);
  const events: Event[] = [];
  for (let m = 0; m < 3; m++) {
    const id = `m${m}`;
    const made = events.push(event(events.length + 1, 'w', events.length + 1, queued(id, m))) - 1;
    for (let k = 0; k < 5; k++) {
      const i = events.length;
      const writer = 'vwz'[pick(3)];
      const attempt = `a${i}`;
      if (pick(2) === 0) {
        events.push(event(i + 1, writer, i + 1, { kind: 'Attempting', message: id, attempt, lastsMs: 10, recipients: [0, 1] }, [made]));
        events.push(event(i + 2, writer, i + 2, { kind: 'Attempted', message: id, attempt, at: i, by: writer, outcomes: [outcome(pick(2), (['delivered', 'deferred', 'failed'] as const)[pick(3)])] }, [made, i]));
      } else {
        const op = ([{ kind: 'Held', message: id, on: pick(2) === 0 }, { kind: 'Retried', message: id, at: i }, { kind: 'Told', message: id, notice: 'failure', recipients: [pick(2)] }, { kind: 'Dropped', message: id }] as QueueOp[])[pick(pick(4) === 0 ? 4 : 3)];
        events.push(event(i + 1, writer, i + 1, op, [made]));
      }
    }
  }
  return events;
}

/** Another order in which each comes after what it has seen. */
function shuffled(events: Event[], seed: number): Event[] {
  const random = seededRandom(seed);
  const left = new Set(events.keys());
  const order: Event[] = [];
  while (left.size > 0) {
    const ready = [...left].filter((i) => events[i].after.every((a) => !left.has(a)));
    const next = ready[Math.floor(random.unit() * ready.length)];
    left.delete(next);
    order.push(events[next]);
  }
  return order;
}

describe('queue/fold', () => {
  it('is the same whatever the order of what has not seen each other', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const events = history(seed);
      assert.deepEqual(fold(shuffled(events, seed)).encode(), fold(events).encode(), `seed ${seed}`);
    }
  });

  it('joins snapshots of different replicas, and what one has done with stays away', () => {
    let gone = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const events = shuffled(history(seed), seed);
      const cut = seed % events.length;
      const [less, more] = [events.slice(0, cut), events];
      const covers = (of: Event[]) => (ref: { writer: string; seq: number }) => of.some((e) => e.ref.writer === ref.writer && e.ref.seq === ref.seq);
      for (const [first, second] of [[less, more], [more, less]]) {
        const s = new QueueState();
        s.join(fold(first).encode(), () => false, covers(first));
        s.join(fold(second).encode(), covers(first), covers(second));
        assert.deepEqual([...s.messages.keys()].sort(), [...fold(events).messages.keys()].sort(), `seed ${seed}`);
        for (const m of fold(events).messages.values()) {
          const mine = s.messages.get(m.id)!;
          assert.deepEqual(mine.recipients.map((r) => [r.said?.result, r.said?.stamp, r.dropped, [...r.told]]), m.recipients.map((r) => [r.said?.result, r.said?.stamp, r.dropped, [...r.told]]));
          assert.deepEqual([mine.held, mine.retried], [m.held, m.retried]);
        }
        if (fold(less).messages.size > fold(more).messages.size) gone++;
      }
    }
    assert.ok(gone > 10);
  });

  it('knows about what its stored form takes, whoever is the sender', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const events = shuffled(history(seed), seed);
      const s = new QueueState();
      for (const e of events) {
        s.apply(e);
        const { all, own } = s.weight('u1');
        assert.deepEqual([all, s.weight('').all], [own, own]);
        assert.ok(s.messages.size === 0 ? all === 0 : all > s.encode().length - 50, `seed ${seed}`);
      }
      const back = new QueueState();
      back.join(s.encode(), () => false, () => false);
      assert.deepEqual(back.weight('u1'), s.weight('u1'));
      back.join(new QueueState().encode(), () => false, () => true);
      assert.deepEqual(back.weight('u1'), { all: 0, own: 0 });
    }
  });

  it('reads its frozen formats', () => {
    const ops = encodeQueueOps(all).toString('hex');
    const state = fold(all.map((op, i) => event(64 * (i + 1), 'w', i + 1, op))).encode().toString('hex');
    if (!existsSync(file('ops-1.hex'))) assert.fail(`fixtures/queue/ops-1.hex is gone: ${ops}\nstate-1.hex: ${state}`);
    const frozen = Buffer.from(readFileSync(file('ops-1.hex'), 'utf8').trim(), 'hex');
    assert.deepEqual(decodeQueueOps(frozen), all);
    assert.equal(ops, frozen.toString('hex'));
    const back = new QueueState();
    back.join(Buffer.from(readFileSync(file('state-1.hex'), 'utf8').trim(), 'hex'), () => false, () => false);
    assert.equal(back.encode().toString('hex'), state);
    assert.equal(back.messages.get('m1')!.attempts.get('a2')!.until, 1000 + 64 * 7 + 2000);
    assert.equal(back.sentBy('u1', 5, 1), 2);
  });

  it('reads its frozen formats of version 2, which holds what version 1 can not say', () => {
    const more: QueueOp[] = [{ ...queued('m1', 5), requireTls: true, releaseAt: 99 } as QueueOp, { ...queued('m2', 6), anyTls: true } as QueueOp];
    const ops = encodeQueueOps(more);
    const state = fold(more.map((op, i) => event(64 * (i + 1), 'w', i + 1, op))).encode();
    if (!existsSync(file('ops-2.hex'))) assert.fail(`${ops.toString('hex')}\n${state.toString('hex')}`);
    const frozen = (name: string) => Buffer.from(readFileSync(file(name), 'utf8').trim(), 'hex');
    assert.deepEqual([frozen('ops-2.hex')[0], decodeQueueOps(frozen('ops-2.hex'))], [2, more]);
    assert.deepEqual(ops, frozen('ops-2.hex'));
    const back = new QueueState();
    back.join(frozen('state-2.hex'), () => false, () => false);
    assert.deepEqual(back.encode(), state);
    assert.deepEqual([...back.messages.values()].map((m) => [m.requireTls, m.anyTls, m.releaseAt]), [[true, false, 99], [false, true, 0]]);
  });

  it('tells what was asked to come back from what was not, in a bit that an older release passes over', () => {
    const of = (ret: '' | 'FULL' | 'HDRS') => encodeQueueOps([{ ...queued('m1', 5), ret } as QueueOp]);
    const differing = (a: Buffer, b: Buffer) => [...a.keys()].filter((i) => a[i] !== b[i]).map((i) => a[i] ^ b[i]);
    assert.deepEqual([differing(of(''), of('HDRS')), differing(of(''), of('FULL')), of('HDRS')[0]], [[32], [1], 1]);
    for (const ret of ['', 'FULL', 'HDRS'] as const) {
      assert.deepEqual(decodeQueueOps(of(ret)).map((op) => op.kind === 'Queued' && op.ret), [ret]);
      const back = new QueueState();
      back.join(fold([event(64, 'w', 1, { ...queued('m1', 5), ret } as QueueOp)]).encode(), () => false, () => false);
      assert.equal(back.messages.get('m1')!.ret, ret);
    }
  });

  it('keeps of what another server said no more than it shows', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = () => (collect(), process.memoryUsage().heapUsed);
    const state = new QueueState();
    const before = used();
    for (let i = 0; i < 100; i++) {
      // The end of a long answer was cut off: the engine makes no copy of what is left.
      const text = `451 ${i} ${'x'.repeat(1_000_000)}`.slice(0, 300);
      state.apply(event(2 * i + 1, 'w', 2 * i + 1, queued(`m${i}`, i, 1)));
      state.apply(event(2 * i + 2, 'w', 2 * i + 2, { kind: 'Attempted', message: `m${i}`, attempt: 'a', at: 9, by: 'mx.here', outcomes: [{ ...outcome(0, 'deferred'), text }] }));
    }
    assert.ok(used() - before < 20_000_000, String(used() - before));
    assert.match(state.messages.get('m99')!.recipients[0].said!.text, /^451 99 x{293}$/);
  });

  it('refuses what is damaged or newer', () => {
    const random = seededRandom(9);
    const ops = encodeQueueOps(all);
    const state = fold(history(1)).encode();
    assert.throws(() => decodeQueueOps(Buffer.concat([Buffer.of(3), ops.subarray(1)])), { name: 'Corrupt', message: /newer/ });
    assert.throws(() => new QueueState().join(Buffer.concat([Buffer.of(3), state.subarray(1)]), () => false, () => false), { name: 'Corrupt', message: /newer/ });
    for (let i = 0; i < 4000; i++) {
      const bad = Buffer.from(i % 2 ? ops : state);
      bad[Math.floor(random.unit() * bad.length)] ^= 1 << Math.floor(random.unit() * 8);
      try {
        if (i % 2) decodeQueueOps(bad);
        else new QueueState().join(bad, () => false, () => false);
      } catch (e) {
        assert.equal((e as Error).name, 'Corrupt', String((e as Error).stack));
      }
    }
  });
});
