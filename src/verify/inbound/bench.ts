// What all inspections of a process share.
import type { Clock, Limits, Logger, Random } from '../../base/index.ts';
import type { Counts } from './counts.ts';
import type { DmarcSeen } from './dmarc-seen.ts';
import type { KeptBudget } from './kept.ts';
import type { Ask } from './questions.ts';
import type { Rspamd, Scores } from './rspamd.ts';
import type { InboundSettings } from './settings.ts';

export interface Bench {
  /** Our authserv-id. */
  readonly hostname: string;
  /** Whether a domain's mail is here: nobody else calls itself so. */
  readonly isOurs: (domain: string) => boolean;
  readonly settings: InboundSettings;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly ask: Ask;
  readonly counts: Counts;
  readonly keptBudget: KeptBudget;
  readonly rspamd: Rspamd | null;
  /** What a recipient has set of rspamd's scores. */
  readonly scoresOf: (address: string) => Scores | null;
  /** Counts for reports to other domains. Never throws. */
  readonly onDmarc?: (seen: DmarcSeen) => void;
}
