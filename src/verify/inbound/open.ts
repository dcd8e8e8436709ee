// Puts the checks of inbound mail together. Loaded only where they are wanted.
import { limits as defaultLimits } from '../../base/index.ts';
import type { Clock, Limits, Logger, Random } from '../../base/index.ts';
import type { Screen } from '../../smtp/screen.ts';
import { loadLibrary } from './authentication.ts';
import { Counts } from './counts.ts';
import type { DmarcSeen } from './dmarc-seen.ts';
import { KeptBudget } from './kept.ts';
import { Learner } from './learner.ts';
import { askerOf } from './questions.ts';
import type { Ask } from './questions.ts';
import { Rspamd } from './rspamd.ts';
import type { Scores } from './rspamd.ts';
import { InboundScreen } from './screen.ts';
import type { InboundSettings } from './settings.ts';

export interface InboundOptions {
  hostname: string;
  isOurs: (domain: string) => boolean;
  settings: InboundSettings;
  /** Bytes that messages may take in memory while they are checked. */
  keptBytesMax: number;
  clock: Clock;
  random: Random;
  logger: Logger;
  limits?: Limits;
  /** Hears of each message whose author's domain has a DMARC record. Never throws. */
  onDmarc?: (seen: DmarcSeen) => void;
  /** What a recipient has set of rspamd's scores; absent: nobody has. Never throws. */
  scoresOf?: (address: string) => Scores | null;
  /** In place of DNS: for tests. */
  ask?: Ask;
}

export interface Inbound {
  /** Null when nothing is judged. */
  screen: Screen | null;
  /** Null without rspamd. Never throws, never waits. */
  learn: ((kind: 'spam' | 'ham', read: () => Promise<Buffer | null>) => void) | null;
  counts: Counts;
  stop(): void;
}

/** `judge` false: only what people teach goes on. Malformed. */
export function openInbound(o: InboundOptions, judge: boolean): Inbound {
  const { hostname, isOurs, settings, clock, random, limits = defaultLimits } = o;
  const logger = o.logger.room('checks');
  const counts = new Counts();
  const rspamd = settings.rspamd === null ? null : new Rspamd({ ...settings.rspamd, clock, logger, limits });
  const learner = rspamd === null ? null : new Learner(rspamd, counts, logger);
  const bench = { hostname, isOurs, settings, limits, clock, random, logger, counts, ask: o.ask ?? askerOf(settings.dns), keptBudget: new KeptBudget(o.keptBytesMax), rspamd, scoresOf: o.scoresOf ?? (() => null), onDmarc: o.onDmarc };
  // The first message need not wait for the library.
  if (judge) loadLibrary().catch(() => {});
  return {
    screen: judge ? new InboundScreen(bench) : null,
    learn: learner?.learn ?? null,
    counts,
    stop: () => {
      learner?.stop();
      rspamd?.close();
    },
  };
}
