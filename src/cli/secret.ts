// `secret`: another cluster secret. `new` prints one; `status` says what needs a former one still; `renew` does away with that.
import { systemRandom } from '../base/index.ts';
import { createClusterSecret } from '../seal/index.ts';
import type { SecretSummary } from './admin.ts';
import type { Context, Run } from './context.ts';
import { facts, table } from './print.ts';

export const make: Run = async (c) => c.out(`${createClusterSecret(systemRandom)}\n`);

export const status: Run = async (c) => tell(c, await (await c.admin()).secretStatus());

export const renew: Run = async (c) => tell(c, await (await c.admin()).secretRenew());

/** Exit status 0: nothing needs a former secret. */
function tell(c: Context, sum: SecretSummary): number {
  c.out(facts([['Writing under', sum.writing], ['Accepted too', sum.former.join(', ') || 'none']]));
  if (sum.logs.length > 0) c.out(table(['LOG', 'FORMER', 'UNLISTED', 'NEEDS IT'], sum.logs.map((l) => [l.log, l.former, l.unlisted, l.needed ? 'yes' : 'no'])));
  for (const l of sum.logs) if (l.problem !== null) c.err(`${l.log}: ${l.problem.replace(/[\x00-\x1f\x7f-\x9f]/g, '?')}\n`);
  for (const w of sum.writers) c.out(`replica ${w.id} (${w.address.replace(/[\x00-\x1f\x7f-\x9f]/g, '?') || '-'}) writes under a former secret\n`);
  const needing = sum.logs.filter((l) => l.needed).length;
  if (needing > 0) c.out(`${needing} of ${sum.total} logs need a former secret: secret renew\n`);
  else if (sum.writers.length === 0) c.out(sum.former.length === 0 ? `${sum.total} logs: none needs a former secret\n` : `${sum.total} logs: none needs ${sum.former.join(' or ')}, which may be left out\n`);
  return needing === 0 && sum.writers.length === 0 ? 0 : 1;
}
