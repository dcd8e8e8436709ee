// What a replica does before it listens.
import assert from 'node:assert/strict';
import v8 from 'node:v8';
import { rehearse } from '../src/rehearsal.ts';
import type { Logger } from '../src/base/index.ts';

describe('the rehearsal', () => {
  it('plays the whole of it, leaves nothing behind, and lets the compilers in', async () => {
    const said: string[] = [];
    const note = (what: string) => void said.push(what);
    const logger: Logger = { debug: note, info: note, warn: note, error: note, room: () => logger };
    const handles = () => process.getActiveResourcesInfo().filter((what) => /TCP/.test(what)).length;
    const before = handles();
    const flags: string[] = [];
    const set = v8.setFlagsFromString;
    v8.setFlagsFromString = (flag) => void flags.push(flag);
    try {
      await rehearse(logger);
    } finally {
      v8.setFlagsFromString = set;
    }
    assert.deepEqual(said, ['rehearsed']);
    assert.deepEqual(flags, ['--expose-gc', '--no-expose-gc', '--semi-space-growth-factor=2', '--opt', '--maglev']);
    // A socket that was destroyed is gone some turns later.
    for (const end = Date.now() + 5000; handles() > before && Date.now() < end; ) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(handles(), before, process.getActiveResourcesInfo().join(' '));
  });
});
