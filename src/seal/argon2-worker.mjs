// A thread that computes Argon2id, one at a time. Below the priority of the event loop: a flood of log-ins must not slow
// deliveries on a machine with one or two cores. Plain JavaScript, because loading the type stripper into a thread takes
// 30 ms more, which the first log-in would wait for. Messages: Argon2Job in, Argon2Answer out (password-pool.ts).
import { argon2Sync } from 'node:crypto';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';

const NICE = 5;
// On Linux a priority belongs to a thread; elsewhere this would slow the whole process.
if (process.platform === 'linux') {
  try {
    setPriority(0, NICE);
  } catch {
    // A sandbox that forbids it: only slower under load.
  }
}

parentPort.on('message', (job) => {
  let answer;
  try {
    const key = argon2Sync('argon2id', { message: job.message, nonce: job.nonce, memory: job.memoryKib, passes: job.passes, parallelism: job.lanes, tagLength: 32 });
    answer = { key, error: null };
  } catch (e) {
    answer = { key: null, error: e instanceof Error ? e.message : String(e) };
  }
  job.message.fill(0);
  parentPort.postMessage(answer);
});
