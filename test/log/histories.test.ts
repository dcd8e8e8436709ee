import assert from 'node:assert/strict';
import { runHistory } from './history.ts';
import type { Switches } from './replica.ts';

async function holds(from: number, count: number, snapshots: boolean): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    try {
      await runHistory(seed, {}, snapshots);
    } catch (e) {
      throw new Error(`seed ${seed}: ${(e as Error).message}`, { cause: e });
    }
  }
}

/** A switched-off rule must break a history; the first that breaks is near `from`. */
async function breaks(switches: Switches, from: number, count: number, snapshots = false): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    try {
      await runHistory(seed, switches, snapshots);
    } catch {
      return;
    }
  }
  assert.fail(`no history of ${count} from seed ${from} noticed ${Object.keys(switches).join(', ')}`);
}

describe('random histories of the log', function () {
  this.timeout(60_000);
  it('hold, by fixed seeds', () => holds(1, 400, false));
  it('hold, by fresh seeds', () => holds(Math.floor(Math.random() * 2 ** 31), 200, false));
  it('hold with snapshots, bundles, collection and days that go by', () => holds(1, 300, true));
  it('hold with those, by fresh seeds', () => holds(Math.floor(Math.random() * 2 ** 31), 150, true));
});

describe('each rule of the log, switched off, breaks a history', function () {
  this.timeout(60_000);
  it('repairs', () => breaks({ noRepairs: true }, 1, 50));
  it('slots free at once, with "greater" alone', () => breaks({ slotsReusedAtOnce: true, greaterAlone: true }, 650, 500));
  it('the last position in the name', () => breaks({ firstPositionInName: true }, 1, 100));
  it('the second PUT', () => breaks({ noSecondPut: true }, 100, 500));
  it('the put window', () => breaks({ noWindow: true }, 1, 50));
  it('the digest', () => breaks({ noDigest: true }, 1088, 1000));
  it('the LIST before a write', () => breaks({ noListBeforeWrite: true }, 1, 100));
  it('the LIST from `closed`', () => breaks({ listFromGreatest: true }, 1, 50));
  it('covers in joins of snapshots', () => breaks({ noCoversInJoin: true }, 100, 500, true));
  it('bundles that cover exactly', () => breaks({ bundleCoversByFloor: true }, 150, 400, true));
});
