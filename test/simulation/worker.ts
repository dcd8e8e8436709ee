// A child of the fleet: runs one history after the other and says how each ended.
import type { Job, Outcome } from './fleet.ts';
import { runHistory } from './history.ts';
import { mutations, switchesOf } from './mutations.ts';
import { profiles } from './profiles.ts';

process.on('message', (job: Job) => void run(job).then((outcome) => process.send!(outcome)));

async function run(job: Job): Promise<Outcome> {
  try {
    const tally = await runHistory(job.seed, profiles[job.profile], switchesOf(job.mutation === null ? undefined : mutations[job.mutation]));
    return { ...job, error: null, tally };
  } catch (e) {
    return { ...job, error: e instanceof Error ? (e.stack ?? e.message) : String(e), tally: null };
  }
}
