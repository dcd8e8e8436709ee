import assert from 'node:assert/strict';
import { systemClock } from '../../src/base/index.ts';
import { Turns } from '../../src/imap/turns.ts';

/** Work that takes `ms` by a clock that only work moves. */
function world() {
  let now = 1;
  let turn = 0;
  const done: { name: string; turn: number }[] = [];
  const turns = new Turns({ ...systemClock, monotonic: () => now });
  const take = (name: string, ms: number) =>
    turns.take({
      work() {
        done.push({ name, turn });
        now += ms;
      },
    });
  const nextTurn = async () => {
    await new Promise(setImmediate);
    turn++;
  };
  return { take, done, nextTurn };
}

describe('imap: turns of the event loop', () => {
  it('begin a command at once while nobody has worked long', () => {
    const { take, done } = world();
    for (const name of ['a', 'b', 'c']) take(name, 0.5);
    assert.deepEqual(done.map((d) => d.name), ['a', 'b', 'c']);
  });

  it('are short: who comes when the time is over waits, behind those who wait already, and nobody for ever', async () => {
    const { take, done, nextTurn } = world();
    for (let i = 0; i < 12; i++) take(`${i}`, 1.5);
    assert.deepEqual(done.map((d) => d.name), ['0', '1']);
    await nextTurn();
    take('late', 1.5);
    for (let i = 0; i < 12; i++) await nextTurn();
    assert.deepEqual(done.map((d) => d.name), [...Array.from({ length: 12 }, (_, i) => `${i}`), 'late']);
    for (const { turn } of done) assert.ok(done.filter((d) => d.turn === turn).length <= 4, 'many in one turn');
    take('at once', 0.5);
    assert.equal(done.at(-1)!.name, 'at once');
  });
});
