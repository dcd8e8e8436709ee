import assert from 'node:assert/strict';
import { Throttle } from '../../src/account/throttle.ts';
import { limits, systemClock } from '../../src/base/index.ts';

const from = (remote: string, user = 'anna@example.org') => ({ remote, user });
const refused = { message: /Too many wrong passwords/ };

describe('account/throttle', () => {
  it('tries one password of an address at a time, and those of others beside it', async () => {
    const throttle = new Throttle({ ...systemClock, sleep: async () => {} });
    const running = { a: 0, b: 0 };
    let most = 0;
    const task = (who: 'a' | 'b') => async () => {
      running[who]++;
      most = Math.max(most, running[who]);
      await new Promise((resolve) => setImmediate(resolve));
      running[who]--;
      return who;
    };
    let others = 0;
    const flood = Array.from({ length: 100 }, () => throttle.turn(from('1.1.1.1'), task('a')));
    void Promise.all(flood).then(() => assert.equal(others, 1, 'the other waited behind the flood'));
    assert.equal(await throttle.turn(from('2.2.2.2'), task('b')), 'b');
    others++;
    assert.deepEqual(new Set(await Promise.all(flood)), new Set(['a']));
    assert.equal(most, 1);
  });

  it('refuses those in line once the address has failed too often, and bounds the line', async () => {
    const throttle = new Throttle({ ...systemClock, sleep: async () => {} });
    const tried: number[] = [];
    const flood = Array.from({ length: limits.connections_per_address_max }, (_, i) => throttle.turn(from('1.1.1.1'), async () => {
      tried.push(i);
      await throttle.failed(from('1.1.1.1'), 0);
    }));
    await assert.rejects(throttle.turn(from('1.1.1.1'), async () => {}), { name: 'Unavailable' });
    const ended = await Promise.allSettled(flood);
    assert.equal(tried.length, limits.password_failures_max);
    assert.equal(ended.filter((e) => e.status === 'rejected' && /Too many wrong passwords/.test(e.reason.message)).length, flood.length - tried.length);
    // A task that throws keeps nobody else waiting.
    await assert.rejects(throttle.turn(from('3.3.3.3'), () => Promise.reject(new Error('x'))));
    assert.equal(await throttle.turn(from('3.3.3.3'), async () => 1), 1);
  });

  async function failing(throttle: Throttle, ...at: Parameters<typeof from>): Promise<void> {
    for (let i = 0; i < limits.password_failures_max; i++) await throttle.failed(from(...at), 0);
  }

  it('takes all addresses of a /64 for one machine', async () => {
    const throttle = new Throttle({ ...systemClock, sleep: async () => {} });
    for (let i = 0; i < limits.password_failures_max; i++) await throttle.failed(from(`2001:db8::${i.toString(16)}`), 0);
    assert.throws(() => throttle.check(from('2001:db8::ffff')), refused);
    throttle.check(from('2001:db8:0:1::1'));
    let running = 0;
    let most = 0;
    await Promise.all([1, 2, 3].map((i) => throttle.turn(from(`2001:db8:7::${i}`), async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    })));
    assert.equal(most, 1);
  });

  it('forgives no guesses at others for a log-in of the guesser, nor those of a machine where he fails', async () => {
    const throttle = new Throttle({ ...systemClock, sleep: async () => {} });
    for (let i = 0; i < limits.password_failures_max; i++) {
      await throttle.failed(from('1.1.1.1'), 0);
      throttle.succeeded(from('1.1.1.1', 'guesser@example.org'));
    }
    assert.throws(() => throttle.check(from('1.1.1.1')), refused);
    throttle.check(from('2.2.2.2'));
  });

  it('keeps nobody out who logged in from there before, until his own password was wrong as often', async () => {
    const throttle = new Throttle({ ...systemClock, sleep: async () => {} });
    throttle.succeeded(from('1.1.1.1', 'bob@example.org'));
    await failing(throttle, '1.1.1.1');
    throttle.check(from('1.1.1.1', 'bob@example.org'));
    assert.throws(() => throttle.check(from('1.1.1.1', 'carl@example.org')), refused);
    await failing(throttle, '1.1.1.1', 'bob@example.org');
    assert.throws(() => throttle.check(from('1.1.1.1', 'bob@example.org')), refused);
    const other = new Throttle({ ...systemClock, sleep: async () => {} });
    other.succeeded(from('1.1.1.1'));
    for (let i = 0; i < 2 * limits.password_failures_max; i++) {
      await other.failed(from('1.1.1.1'), 0);
      other.succeeded(from('1.1.1.1'));
    }
    other.check(from('1.1.1.1'));
  });

  it('lets nobody wait once it is closed', async () => {
    const throttle = new Throttle(systemClock);
    const begun = performance.now();
    const waiting = Array.from({ length: 20 }, () => throttle.failed(from('1.1.1.1'), 0));
    throttle.close();
    await Promise.all(waiting);
    await throttle.failed(from('1.1.1.1'), 0);
    assert.ok(performance.now() - begun < limits.password_delay_ms_min);
  });
});
