// The faults that the memory store may have: each with a name and a probability, or told by a script.
import type { Random } from '../base/index.ts';

export type Operation = 'put' | 'get' | 'list' | 'delete';

/**
 * - `late`: a PUT whose caller gets Unavailable, and that lands after `lateMs`, or in part, or never
 * - `partial`: a PUT whose caller gets Unavailable, and that some reads show until a PUT of it succeeds
 * - `answerLost`: a PUT or DELETE that happened, and whose caller gets Unavailable
 * - `quorum`: too few nodes answered: Unavailable, nothing happened
 * - `fails`: the request is lost: Unavailable, nothing happened
 * - `slow`: takes `slowMs` longer and succeeds
 * - `cut`: this client reaches nothing
 */
export type Fault = 'late' | 'partial' | 'answerLost' | 'quorum' | 'fails' | 'slow' | 'cut';

export interface Faults {
  /** Probabilities, 0 to 1. */
  late?: number;
  partial?: number;
  answerLost?: number;
  quorum?: number;
  fails?: number;
  slow?: number;
  /** True while this client is cut off from the world. */
  cut?: boolean;
  /** Decides before the probabilities do; undefined leaves it to them, null is no fault. */
  script?: (operation: Operation, name: string) => Fault | null | undefined;
  /** How often a read shows a partial object; default 0.5. */
  partialShown?: number;
  /** Of late PUTs: how many never land, and how many land in part; default none. */
  lateNever?: number;
  latePartial?: number;
  /** From the call until a late PUT lands; default 10 s to 3 min. */
  lateMs?: [min: number, max: number];
  /** Time of every request; default none. */
  latencyMs?: [min: number, max: number];
  /** Added by `slow`; default 1 to 10 s. */
  slowMs?: [min: number, max: number];
  /** Added before Unavailable: a time-out; default none. */
  failsAfterMs?: [min: number, max: number];
}

const OF_PUT: Fault[] = ['late', 'partial', 'answerLost', 'quorum', 'fails', 'slow'];
const OF_DELETE: Fault[] = ['answerLost', 'quorum', 'fails', 'slow'];
const OF_READ: Fault[] = ['quorum', 'fails', 'slow'];

/** What goes wrong with this request; null is nothing. Draws once at most. */
export function drawFault(faults: Faults, operation: Operation, name: string, random: Random): Fault | null {
  if (faults.cut) return 'cut';
  const told = faults.script?.(operation, name);
  if (told !== undefined) return told;
  let drawn = -1;
  for (const fault of operation === 'put' ? OF_PUT : operation === 'delete' ? OF_DELETE : OF_READ) {
    const odds = faults[fault as Exclude<Fault, 'cut'>];
    if (!odds) continue;
    if (drawn < 0) drawn = random.unit();
    if (drawn < odds) return fault;
    drawn -= odds;
  }
  return null;
}
