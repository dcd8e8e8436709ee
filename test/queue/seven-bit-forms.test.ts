// What goes out in seven bits: how much of it is in memory at once, and how often it is made.
import assert from 'node:assert/strict';
import { Unavailable, limits } from '../../src/base/index.ts';
import type { Envelope } from '../../src/queue/remote.ts';
import { SevenBitForms } from '../../src/queue/index.ts';
import type { QueuedMessage } from '../../src/queue/index.ts';
import { MemoryGate } from '../../src/queue/memory-gate.ts';
import { quiet } from '../log/world.ts';
import { WholeClock } from './time.ts';
import { FakeNet, QueueWorld } from './world.ts';

const never = new AbortController().signal;
const EIGHT = 'From: a@here.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nKüche\r\n';

describe('queue/memory gate', () => {
  it('gives what is free, in the order of asking, and counts it', async () => {
    let counted = 0;
    const gate = new MemoryGate(10, (bytes) => (counted += bytes));
    const order: string[] = [];
    const ask = (name: string, bytes: number, over = never) => gate.take(bytes, over).then((taken) => void order.push(`${name} ${taken}`));
    const leaver = new AbortController();
    await ask('a', 6);
    void ask('b', 5, leaver.signal);
    void ask('c', 4);
    await quiet();
    assert.deepEqual([order, gate.taken], [['a true'], 6], 'who is small does not pass who came first');
    leaver.abort();
    await quiet();
    assert.deepEqual([order, gate.taken], [['a true', 'b false', 'c true'], 10], 'but need not wait for who left');
    void ask('d', 50);
    void ask('e', 1);
    gate.give(4);
    await quiet();
    assert.equal(gate.taken, 6, 'one who wants more than there is waits until it is alone');
    gate.give(6);
    await quiet();
    assert.deepEqual([order.slice(3), gate.taken, counted], [['d true'], 50, 50]);
    gate.give(50);
    await quiet();
    assert.deepEqual([order.slice(3), gate.taken, counted], [['d true', 'e true'], 1, 1]);
    assert.equal(await gate.take(1, AbortSignal.abort()), false);
  });
});

describe('queue/seven bit forms', () => {
  /** Forms of a message of `bytes`; each reading waits for `go`. */
  function forms(memory: { used: number; readonly bytesMax: number }, clock = new WholeClock()) {
    const readers: (() => void)[] = [];
    let reads = 0;
    const queue = {
      limits,
      async *read(m: QueuedMessage) {
        reads++;
        yield Buffer.from(m.prefix, 'latin1');
        await new Promise<void>((resolve) => void readers.push(resolve));
        yield Buffer.from(EIGHT.padEnd(m.plainBytes, 'x'));
      },
    };
    const all = new SevenBitForms({ queue, keysOf: () => [], clock, memory });
    const lend = (plainBytes: number, over = never) => all.lend({ user: 'u', utf8: false, plainBytes, prefix: 'Received: by here\r\n' } as QueuedMessage, over);
    return { lend, clock, reads: () => reads, reading: () => readers.length, go: () => readers.shift()!() };
  }

  it('hold no more memory than there is for them: others wait until what was made is sent', async () => {
    const memory = { used: 7, bytesMax: 7000 };
    const { lend, reading, go } = forms(memory);
    const [a, b] = [lend(2000), lend(2000)];
    const [first, second] = [a.made(), b.made()];
    await quiet();
    assert.deepEqual([reading(), memory.used], [1, 6007], 'three times its size, counted with all that is on its way');
    go();
    const form = (await first)!;
    assert.match(Buffer.concat(form.pieces).toString(), /^Received: by here\r\nFrom: .*\r\n[^]*quoted-printable\r\n\r\nK=C3=BCche\r\n/);
    assert.equal(form.bytes, Buffer.concat(form.pieces).length);
    await quiet();
    assert.deepEqual([reading(), memory.used], [0, 7 + form.bytes], 'what came of it is there until it is sent');
    a.release();
    await quiet();
    assert.deepEqual([reading(), memory.used], [1, 6007]);
    go();
    await second;
    b.release();
    await quiet();
    assert.equal(memory.used, 7);
  });

  it('have a limit of their own where there is much memory, and ask for none where nothing is converted', async () => {
    const memory = { used: 0, bytesMax: Infinity };
    const { lend, reading } = forms(memory);
    const most = limits.queue_convert_bytes_max;
    assert.equal(await lend(most + 1).made(), null);
    assert.equal(memory.used, 0);
    for (let i = 0; i < 40; i++) void lend(most).made();
    await quiet();
    assert.equal(reading(), Math.floor(limits.queue_convert_memory_bytes_max / (3 * most)));
    assert.ok(memory.used <= limits.queue_convert_memory_bytes_max);
  });

  it('are put off when there is no room for long, or when the attempt ends', async () => {
    const memory = { used: 0, bytesMax: 6000 };
    const { lend, clock, reading, go } = forms(memory);
    const first = lend(2000);
    const made = first.made();
    const over = new AbortController();
    const refused = [lend(2000).made(), lend(2000, over.signal).made()].map((p) => assert.rejects(p, Unavailable));
    await quiet();
    over.abort();
    await refused[1];
    await clock.advance(limits.queue_line_ms_max);
    await refused[0];
    assert.equal(reading(), 1);
    first.release();
    await quiet();
    assert.equal(memory.used, 6000, 'what is being made takes its memory until it is there');
    go();
    await made;
    await quiet();
    assert.equal(memory.used, 0);
  });

  it('are made once for all hosts of a destination, and given back when the attempt is over', async () => {
    const clock = new WholeClock();
    const world = new QueueWorld(clock);
    const memory = { used: 0, bytesMax: 100_000 };
    const { lend, reads, reading, go } = forms(memory, clock);
    world.sevenBits = { lend: (m, over) => lend(m.plainBytes, over) };
    /** Two hosts without 8BITMIME: the first puts it off. */
    const net = new (class extends FakeNet {
      override async send(destination: string, envelope: Envelope, ...rest: never[]): Promise<never> {
        for (const host of [1, 2]) {
          const form = await envelope.sevenBits!();
          const pieces: Buffer[] = [];
          for await (const piece of form!.message) pieces.push(piece);
          texts.push(Buffer.concat(pieces).toString());
          assert.ok(memory.used >= form!.bytes, `host ${host}`);
        }
        return super.send(destination, envelope, ...(rest as [never, never, never])) as never;
      }
    })();
    const texts: string[] = [];
    const a = await clock.settled(world.member(net));
    await clock.settled(world.submit(a, 'ben@there.test'));
    for (let i = 0; i < 50 && reading() === 0; i++) await clock.pass(100, 100);
    go();
    for (let i = 0; i < 50 && world.waiting > 0; i++) await clock.pass(100, 100);
    assert.equal(world.waiting, 0);
    assert.deepEqual([reads(), texts.length, memory.used], [1, 2, 0]);
    assert.equal(texts[0], texts[1]);
    await clock.settled(world.stop());
  });
});
