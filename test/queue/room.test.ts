// The queue's state is one object that every replica reads as a whole: what waits in it has a limit, and each user a part of that.
import assert from 'node:assert/strict';
import { WholeClock } from './time.ts';
import { FakeNet, QueueWorld } from './world.ts';

describe('queue/room', () => {
  it('takes no more than its state can hold, of one user less, and again when something went', async () => {
    const clock = new WholeClock();
    const world = new QueueWorld(clock, 1, { queue_state_bytes_max: 12_000, queue_state_bytes_per_user_max: 8_000, submission_recipients_per_hour_max: 1e6, submission_recipients_per_day_max: 1e6 });
    const net = new FakeNet();
    net.answer = () => '451 4.7.1 later';
    const settled = <T>(promise: Promise<T>): Promise<T> => clock.settled(promise);
    try {
      const a = await settled(world.member(net));
      const full = async (user: string): Promise<string> => {
        for (let i = 0; i < 100; i++) {
          try {
            await settled(world.submit(a, `r${i}@there.test`, undefined, { user, releaseAt: clock.now() + 3_600_000 }));
          } catch (e) {
            return `${(e as { smtp?: string }).smtp} ${(e as Error).message}`;
          }
        }
        return 'never';
      };
      assert.equal(await full('anna'), '452 4.3.1 too many messages of yours wait to be sent');
      assert.equal(await full('ben'), '452 4.3.1 too many messages wait to be sent');
      const waiting = world.waiting;
      assert.ok(waiting > 6 && waiting < 12, String(waiting));
      assert.deepEqual(a.queue.state.weight('anna').own > a.queue.state.weight('ben').own, true);
      net.answer = () => '250 2.0.0 ok';
      await clock.pass(2 * 3_600_000, 60_000);
      assert.equal(world.waiting, 0);
      await settled(world.submit(a, 'r@there.test', undefined, { user: 'ben' }));
    } finally {
      await settled(world.stop());
    }
  });
});
