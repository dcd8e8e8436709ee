// Every step of an attempt × every thing that can happen to its owner there. A message goes out twice in the windows that are
// named here, and nowhere else; nothing is ever lost.
import assert from 'node:assert/strict';
import { quiet } from '../log/world.ts';
import { WholeClock } from './time.ts';
import { FakeNet, QueueWorld } from './world.ts';
import type { Member } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const LONG = 2 * HOUR;
const SHORT = 4 * MINUTE;

/** In the order in which an attempt goes through them. */
const STEPS = ['before the claim is written', 'when the claim is written', 'before the last line', 'after the last line', 'before the result is written', 'when the result is written'] as const;
type Step = (typeof STEPS)[number];

const FAULTS = ['dies', 'is stopped for long', 'is stopped shortly', 'loses the store for long', 'loses the store shortly'] as const;
type Fault = (typeof FAULTS)[number];

/** The owner has looked at both clocks and handed over the last line, and nobody but it knows what became of it. */
const WINDOW: readonly Step[] = ['after the last line', 'before the result is written'];
const HARMFUL: readonly Fault[] = ['dies', 'is stopped for long', 'loses the store for long'];

class Scene {
  readonly clock = new WholeClock();
  readonly net = new FakeNet();
  readonly world: QueueWorld;
  owner!: Member;
  #struck = false;
  /** The owner is stopped: none of its requests leaves. */
  #frozen: Promise<void> = Promise.resolve();

  constructor(seed: number) {
    this.world = new QueueWorld(this.clock, seed);
  }

  settled<T>(promise: Promise<T>): Promise<T> {
    return this.clock.settled(promise);
  }
  async pass(ms: number, step: number): Promise<void> {
    for (let t = 0; t < ms; t += step) {
      await this.clock.advance(step);
      for (let k = 0; k < 10; k++) await quiet();
    }
  }

  /** The fault, once. Resolves when the owner goes on, if it does. */
  async #strike(fault: Fault): Promise<void> {
    if (this.#struck) return;
    this.#struck = true;
    const { owner, clock } = this;
    if (fault === 'dies') {
      owner.die();
      await new Promise(() => {});
    } else if (fault.startsWith('is stopped')) {
      const thaw = clock.sleep(fault.endsWith('shortly') ? SHORT : LONG);
      this.#frozen = thaw;
      await thaw;
    } else {
      owner.store.faults.cut = true;
      clock.after(fault.endsWith('long') ? LONG : SHORT, () => (owner.store.faults.cut = false));
    }
  }

  /** How often the message went out. */
  async run(step: Step, fault: Fault, mutations?: Parameters<QueueWorld['member']>[1], planned = false): Promise<number> {
    const { world, net, clock } = this;
    world.planned = planned;
    const result = planned ? 2 : 3;
    const send = net.send.bind(net);
    if (mutations?.noTimeCheck) net.send = (d, e, m, mayEnd) => send(d, e, m, mayEnd, new AbortController().signal);
    this.owner = await this.settled(world.member(net, mutations));
    await this.settled(world.member(net));
    const store = this.owner.store;
    const put = store.put.bind(store);
    // Its events: Queued, Attempting, Attempted; the first two may be one.
    let events = 0;
    for (const name of ['get', 'list', 'delete'] as const) {
      const call = store[name].bind(store) as (...args: unknown[]) => Promise<unknown>;
      (store as unknown as Record<string, unknown>)[name] = async (...args: unknown[]) => (await this.#frozen, call(...args));
    }
    store.put = async (name, bytes, options) => {
      await this.#frozen;
      if (!name.includes('/log/')) return put(name, bytes, options);
      const n = ++events;
      if (n === result - 1 && step === 'before the claim is written') await this.#strike(fault);
      if (n === result && step === 'before the result is written') await this.#strike(fault);
      const done = await put(name, bytes, options);
      if (n === result - 1 && step === 'when the claim is written') await this.#strike(fault);
      if (n === result && step === 'when the result is written') await this.#strike(fault);
      return done;
    };
    let asked = 0;
    net.before = () => (++asked === 1 && step === 'before the last line' ? this.#strike(fault) : undefined);
    let taken = 0;
    net.after = () => (++taken === 1 && step === 'after the last line' ? this.#strike(fault) : undefined);
    await this.settled(world.submit(this.owner, 'ben@there.test'));
    await this.pass(4 * HOUR, 15_000);
    assert.equal(this.#struck, true, 'the fault did not come');
    assert.equal(world.waiting, 0, 'it still waits');
    assert.equal(world.inboxes.got.length, 0, 'the sender was told something');
    const sent = net.sent.length;
    await this.settled(world.stop());
    clock.advance(0).catch(() => {});
    return sent;
  }
}

describe('queue/windows', function () {
  this.timeout(120_000);
  let twice = 0;
  for (const step of STEPS) {
    for (const fault of FAULTS) {
      const harm = WINDOW.includes(step) && HARMFUL.includes(fault);
      it(`${harm ? 'window: twice' : 'once'} when its owner ${fault} ${step}`, async () => {
        for (const seed of [1, 2]) {
          // The second time the claim is written with the message: what comes before that is nobody's yet.
          const planned = seed === 2 && !step.includes('claim');
          const sent = await new Scene(seed).run(step, fault, undefined, planned);
          assert.equal(sent, harm ? 2 : 1, `seed ${seed}`);
          if (sent > 1) twice++;
        }
      });
    }
  }
  it('the checks above can fail: without a word with the store, and without the look at the clocks', async () => {
    assert.equal(await new Scene(1).run('before the last line', 'loses the store for long', { noStoreCheck: true }), 2);
    assert.equal(await new Scene(1).run('before the last line', 'is stopped for long', { noTimeCheck: true }), 2);
  });
  it('six windows, twice each, and no more', () => {
    assert.equal(twice, WINDOW.length * HARMFUL.length * 2);
  });
});
