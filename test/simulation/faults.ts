// What goes wrong with requests, drawn by the world's chance for each one.
import type { Random } from '../../src/base/index.ts';
import type { Fault, Faults } from '../../src/store/index.ts';
import type { Profile } from './profiles.ts';

/**
 * Faults of one client of the store; `calm()` says that the world has healed, `kill` ends
 * the process.
 */
export function faultsOf(profile: Profile, random: Random, calm: () => boolean, kill: () => void): Faults {
  const bad: Fault[] = ['late', 'partial', 'answerLost', 'quorum', 'fails'];
  return {
    latencyMs: [1, 60],
    slowMs: [500, profile.slowest],
    lateMs: [1000, profile.latest],
    partialShown: profile.partialShown ?? 0.5,
    lateNever: 0.3,
    latePartial: 0.3,
    failsAfterMs: [0, profile.failsAfter ?? 10_000],
    script(operation, name) {
      if (calm()) return null;
      const event = operation === 'put' && name.includes('/log/');
      const x = random.unit();
      const failing = event ? profile.badPuts : profile.badOthers / 2;
      if (x < failing && event && random.unit() < profile.killedInPut) kill();
      if (x < failing) return operation === 'put' ? bad[Math.floor(random.unit() * bad.length)] : random.unit() < 0.5 ? 'quorum' : 'fails';
      return x < failing + (event ? profile.slowPuts : profile.badOthers / 2) ? 'slow' : null;
    },
  };
}
