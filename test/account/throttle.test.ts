import assert from 'node:assert/strict';
import { Throttle } from '../../src/account/throttle.ts';
import { limits, systemClock } from '../../src/base/index.ts';

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
    const flood = Array.from({ length: 100 }, () => throttle.turn('1.1.1.1', task('a')));
    void Promise.all(flood).then(() => assert.equal(others, 1, 'the other waited behind the flood'));
    assert.equal(await throttle.turn('2.2.2.2', task('b')), 'b');
    others++;
    assert.deepEqual(new Set(await Promise.all(flood)), new Set(['a']));
    assert.equal(most, 1);
  });

  it('refuses those in line once the address has failed too often, and bounds the line', async () => {
    const throttle = new Throttle({ ...systemClock, sleep: async () => {} });
    const tried: number[] = [];
    const flood = Array.from({ length: limits.connections_per_address_max }, (_, i) => throttle.turn('1.1.1.1', async () => {
      tried.push(i);
      await throttle.failed('1.1.1.1', 0);
    }));
    await assert.rejects(throttle.turn('1.1.1.1', async () => {}), { name: 'Unavailable' });
    const ended = await Promise.allSettled(flood);
    assert.equal(tried.length, limits.password_failures_max);
    assert.equal(ended.filter((e) => e.status === 'rejected' && /Too many wrong passwords/.test(e.reason.message)).length, flood.length - tried.length);
    // A task that throws keeps nobody else waiting.
    await assert.rejects(throttle.turn('3.3.3.3', () => Promise.reject(new Error('x'))));
    assert.equal(await throttle.turn('3.3.3.3', async () => 1), 1);
  });

  it('lets nobody wait once it is closed', async () => {
    const throttle = new Throttle(systemClock);
    const begun = performance.now();
    const waiting = Array.from({ length: 20 }, () => throttle.failed('1.1.1.1', 0));
    throttle.close();
    await Promise.all(waiting);
    await throttle.failed('1.1.1.1', 0);
    assert.ok(performance.now() - begun < limits.password_delay_ms_min);
  });
});
