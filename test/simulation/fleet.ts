// Runs histories in processes of their own, one for each core, so that one that hangs is noticed and ended.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Tally } from './history.ts';

/** What a child is told to run, and what it says of it. */
export interface Job {
  profile: string;
  seed: number;
  mutation: string | null;
}
export interface Outcome extends Job {
  /** Null: every property holds. */
  error: string | null;
  tally: Tally | null;
}

/** Longest time of one history: it takes a tenth of a second, and a loop that never ends would stop everything. */
const HISTORY_MS_MAX = 60_000;

const worker = fileURLToPath(new URL('worker.ts', import.meta.url));

/** Runs the jobs, tells each outcome, and stops early when `told` says so. */
export async function runAll(jobs: Iterable<Job>, told: (outcome: Outcome) => boolean | void, lanes = availableParallelism()): Promise<void> {
  const queue = jobs[Symbol.iterator]();
  let over = false;
  await Promise.all(Array.from({ length: lanes }, () => lane(queue, (o) => (over ||= told(o) === true), () => over)));
}

async function lane(queue: Iterator<Job>, told: (o: Outcome) => void, over: () => boolean): Promise<void> {
  let child: ChildProcess | null = null;
  try {
    while (!over()) {
      const { value: job, done } = queue.next();
      if (done) return;
      child ??= fork(worker, { stdio: 'inherit' });
      const outcome = await ask(child, job);
      if (outcome.tally === null && outcome.error === HANGS) {
        child.kill('SIGKILL');
        child = null;
      }
      told(outcome);
    }
  } finally {
    child?.kill();
  }
}

const HANGS = 'it never ends';

function ask(child: ChildProcess, job: Job): Promise<Outcome> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end({ ...job, error: HANGS, tally: null }), HISTORY_MS_MAX);
    const end = (outcome: Outcome) => {
      clearTimeout(timer);
      child.off('message', end).off('exit', died);
      resolve(outcome);
    };
    const died = (code: number | null, signal: string | null) => end({ ...job, error: `the process ended (${signal ?? code})`, tally: null });
    child.on('message', end).on('exit', died);
    child.send(job);
  });
}
