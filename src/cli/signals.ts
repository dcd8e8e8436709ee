// SIGINT, SIGTERM, and SIGHUP of a terminal that is closed: the first one drains, a second one ends at once.
import { systemClock } from '../base/index.ts';

/** One press of Ctrl-C reaches us twice under npm, from the terminal and from npm: within this time it is one. */
const SAME_SIGNAL_MS = 1000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Signals {
  /** Resolves with the name of the first signal. */
  readonly caught: Promise<string>;
  /** Takes the handlers off. */
  release(): void;
}

export function untilSignal(say: (text: string) => void): Signals {
  let first: { name: string; at: number } | null = null;
  let resolve: (name: string) => void;
  const caught = new Promise<string>((r) => (resolve = r));
  const take = (name: NodeJS.Signals) => {
    const now = systemClock.monotonic();
    if (first === null) {
      first = { name, at: now };
      resolve(name);
    } else if (now - first.at > SAME_SIGNAL_MS) {
      say('ended at once\n');
      process.exit(1);
    }
  };
  for (const name of SIGNALS) process.on(name, take);
  return {
    caught,
    release() {
      for (const name of SIGNALS) process.off(name, take);
    },
  };
}
