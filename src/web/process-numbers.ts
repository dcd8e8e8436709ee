// What this process takes of its machine, and whether its one event loop keeps up.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { counter, gauge } from './exposition.ts';
import type { Family } from './exposition.ts';

/** A timer looks this often; the delay is how late it comes. Rarely enough that an idle process stays idle. */
const LOOK_MS = 100;
const NS = 1e9;

export class ProcessNumbers {
  readonly #delay = monitorEventLoopDelay({ resolution: LOOK_MS });
  readonly #startedMs: number;
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
    this.#delay.enable();
  }

  families(): Family[] {
    const late = (ns: number) => Math.max(0, Number.isFinite(ns) ? ns / NS - LOOK_MS / 1000 : 0);
    const { rss, heapUsed, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const delays = [
      { labels: { quantile: '0.5' }, value: late(this.#delay.percentile(50)) },
      { labels: { quantile: '0.99' }, value: late(this.#delay.percentile(99)) },
      { labels: { quantile: '1' }, value: late(this.#delay.max) },
    ];
    this.#delay.reset();
    return [
      gauge('colombier_event_loop_delay_seconds', 'How late timers come, since these numbers were read last', delays),
      counter('colombier_event_loop_active_seconds_total', 'Time in which the event loop was at work', performance.eventLoopUtilization().active / 1000),
      gauge('process_resident_memory_bytes', 'Memory of the process', rss),
      gauge('colombier_heap_used_bytes', 'Objects of the program in memory', heapUsed),
      gauge('colombier_external_memory_bytes', 'Buffers in memory, outside the heap', external),
      counter('process_cpu_seconds_total', 'Processor time, of user and system', (user + system) / 1e6),
      gauge('process_start_time_seconds', 'When the process started, seconds since 1970', this.#startedMs / 1000),
    ];
  }

  stop(): void {
    this.#delay.disable();
  }
}
