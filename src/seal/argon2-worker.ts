// A thread that computes Argon2id, one at a time. Below the priority of the event loop: a flood of log-ins must not slow
// deliveries on a machine with one or two cores.
import { argon2Sync } from 'node:crypto';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';

export interface Argon2Job {
  id: number;
  message: Uint8Array;
  nonce: Uint8Array;
  memoryKib: number;
  passes: number;
  lanes: number;
}
export interface Argon2Answer {
  id: number;
  key: Uint8Array | null;
  error: string | null;
}

const NICE = 5;
// On Linux a priority belongs to a thread; elsewhere this would slow the whole process.
if (process.platform === 'linux') {
  try {
    setPriority(0, NICE);
  } catch {
    // A sandbox that forbids it: only slower under load.
  }
}

parentPort!.on('message', (job: Argon2Job) => {
  let answer: Argon2Answer;
  try {
    const key = argon2Sync('argon2id', { message: job.message, nonce: job.nonce, memory: job.memoryKib, passes: job.passes, parallelism: job.lanes, tagLength: 32 });
    answer = { id: job.id, key, error: null };
  } catch (e) {
    answer = { id: job.id, key: null, error: e instanceof Error ? e.message : String(e) };
  }
  job.message.fill(0);
  parentPort!.postMessage(answer);
});
