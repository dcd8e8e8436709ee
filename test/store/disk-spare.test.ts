import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/index.ts';
import { SpareFiles } from '../../src/store/disk-spare.ts';

describe('disk: temp files', () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'colombier-spare-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** `step`: what each look at the clock adds, ms. */
  async function taken(step: number): Promise<{ ahead: number; left: number }> {
    let [time, n] = [0, 0];
    const spare = new SpareFiles({ ...systemClock, monotonic: () => (time += step) }, () => join(folder, `${n++}`));
    for (let i = 0; i < 3; i++) {
      const { fd, path } = spare.take();
      fs.closeSync(fd);
      fs.rmSync(path);
    }
    for (let tries = 0; step > 0.3 && tries < 500 && fs.readdirSync(folder).length < 4; tries++) await new Promise((resolve) => setTimeout(resolve, 2));
    const ahead = fs.readdirSync(folder).length;
    spare.close();
    for (let tries = 0; tries < 500 && fs.readdirSync(folder).length > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 2));
    return { ahead, left: fs.readdirSync(folder).length };
  }

  it('are made when they are needed, and ahead while that takes long; none is left', async () => {
    assert.deepEqual(await taken(0.01), { ahead: 0, left: 0 });
    const slow = await taken(1);
    assert.ok(slow.ahead > 0);
    assert.equal(slow.left, 0);
  });
});
