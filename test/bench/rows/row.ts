// One line of the table: how it is prepared and measured at one host, and when its goal is met.
import type { ColombierOptions, Replica } from '../hosts/colombier.ts';
import type { Host } from '../hosts/host.ts';
import type { Mail } from '../mail.ts';

export interface Bench {
  quick: boolean;
  colombier: Replica;
  dovecot: Host | null;
  /** Hosts beside each other in every round. */
  hosts: readonly Host[];
  /** 10 KB each, all different. */
  mails: readonly Mail[];
  /** Sizes as in real mailboxes. */
  drawn: readonly Mail[];
  /** Of this run, with cert.pem and key.pem; gone at the end. */
  folder: string;
  /** Run at the end. */
  atEnd: (() => Promise<unknown>)[];
  /** The replicas whose requests are counted; null until they run. */
  counted: unknown;
  startColombier(name: string, options: Partial<ColombierOptions>): Promise<Replica>;
  /** Tells what is under way. */
  note(text: string): void;
}

export interface Shown {
  value: number;
  text: string;
}

export interface Row {
  /** For `--rows`. */
  key: string;
  title: string;
  unit: string;
  /** As the table shows it. */
  goal: string | (() => string);
  /** Null: there is nothing to compare with. `dovecot` is null where it was not measured. */
  met(colombier: number, dovecot: number | null, peakMb: number | null): boolean | null;
  /** Another goal for the S3 store. */
  goalS3?: Pick<Row, 'goal' | 'met'>;
  /** Rounds, each at every host in turn; the median counts. One in quick runs unless the row says more. */
  rounds: number;
  /** Once for each host, before the first round. */
  prepare?(host: Host, bench: Bench): Promise<void>;
  /** A number, or one with the text that the table shows for it. NaN: this host can't do it. */
  measure(host: Host, bench: Bench, round: number): Promise<number | Shown>;
  /** How often at Dovecot, where that is slow by nature. */
  dovecotRounds?: number;
  /** Left out of quick runs. */
  long?: boolean;
  /** Only when `--rows` names it. */
  named?: boolean;
  /** Only Colombier has it. */
  own?: boolean;
}

/** Repeats the command before it is measured again and again: servers keep what they worked out, and engines compile what they meet often. */
export async function warm(run: () => Promise<unknown>): Promise<void> {
  const until = performance.now() + WARM_MS;
  for (let i = 0; i < WARM_RUNS || (i < WARM_RUNS_MAX && performance.now() < until); i++) await run();
}
const WARM_RUNS = 20;
/** Of commands that take less than a millisecond, an engine that compiles what it meets often has met twenty too few. */
const WARM_MS = 500;
const WARM_RUNS_MAX = 500;

const orNull = (dovecot: number | null, test: (d: number) => boolean) => (dovecot === null || Number.isNaN(dovecot) ? null : test(dovecot));

/** Not slower than Dovecot; for what is counted per second. Two in a hundred are noise. */
export const atLeast = (times: number) => (colombier: number, dovecot: number | null) => orNull(dovecot, (d) => colombier >= d * times * 0.98);
/** The same for times. */
export const notSlower = (colombier: number, dovecot: number | null) => orNull(dovecot, (d) => colombier <= d * 1.02);
export const faster = (colombier: number, dovecot: number | null) => orNull(dovecot, (d) => colombier < d);
export const under = (limit: number) => (colombier: number) => colombier < limit;

/** Repeats `one` in `width` lanes for so long; gives how many were done in a second. */
export async function rate(width: number, ms: number, one: (lane: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let done = 0;
  let last = start;
  await Promise.all(
    Array.from({ length: width }, async (_, lane) => {
      while (performance.now() - start < ms) {
        await one(lane);
        done++;
        last = performance.now();
      }
    }),
  );
  return (done * 1000) / (last - start);
}

/** Milliseconds that it takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
