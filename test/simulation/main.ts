// `npm run simulate -- --seeds N [--from S] [--profile P[,P…]] [--mutation M] [--trace]`: many random histories, or one to
// be read. Exit status 1 when a property didn't hold (with --mutation: when all held).
import { runAll } from './fleet.ts';
import type { Job } from './fleet.ts';
import { runHistory } from './history.ts';
import { mutations, switchesOf } from './mutations.ts';
import { profiles } from './profiles.ts';

const USAGE = `npm run simulate -- [options]
  --seeds N       histories of each profile (1000)
  --from S        first seed (1)
  --profile P,…   of ${Object.keys(profiles).join(', ')} (all)
  --mutation M    with a rule switched off: ${Object.keys(mutations).join(', ')}
  --trace         one history, told step by step`;

interface Options {
  seeds: number;
  from: number;
  chosen: string[];
  mutation: string | null;
  trace: boolean;
}

function read(args: string[]): Options | null {
  const o: Options = { seeds: 1000, from: 1, chosen: [], mutation: null, trace: false };
  for (let i = 0; i < args.length; i++) {
    const value = args[i + 1];
    if (args[i] === '--trace') o.trace = true;
    else if (args[i] === '--seeds' && /^\d+$/.test(value)) o.seeds = Number(args[++i]);
    else if (args[i] === '--from' && /^\d+$/.test(value)) o.from = Number(args[++i]);
    else if (args[i] === '--profile' && value?.split(',').every((p) => p in profiles)) o.chosen = args[++i].split(',');
    else if (args[i] === '--mutation' && value in mutations) o.mutation = args[++i];
    else return null;
  }
  if (o.chosen.length === 0) o.chosen = o.mutation ? [mutations[o.mutation].profile] : Object.keys(profiles);
  return o;
}

function* jobs(o: Options): Iterable<Job> {
  for (let seed = o.from; seed < o.from + o.seeds; seed++) for (const profile of o.chosen) yield { profile, seed, mutation: o.mutation };
}

const o = read(process.argv.slice(2));
if (!o) {
  console.error(USAGE);
  process.exit(2);
}
if (o.trace) {
  await runHistory(o.from, profiles[o.chosen[0]], switchesOf(o.mutation === null ? undefined : mutations[o.mutation]), console.log).then(console.log, (e) => {
    console.log(e);
    process.exitCode = 1;
  });
  process.exit();
}

const kinds = new Map<string, string[]>();
const sum = { histories: 0, failed: 0, acks: 0, events: 0, repairs: 0, crashes: 0, requests: 0 };
const began = performance.now();
await runAll(jobs(o), ({ profile, seed, error, tally }) => {
  sum.histories++;
  if (tally) for (const key of Object.keys(tally) as (keyof typeof tally)[]) sum[key] += tally[key];
  if (error === null) return;
  sum.failed++;
  const kind = error.split('\n')[0].replace(/\d+/g, '#').slice(0, 80);
  const known = kinds.get(kind);
  if (known) return void known.push(`${profile} ${seed}`);
  kinds.set(kind, [`${profile} ${seed}`]);
  console.log(`${error}\n  again: npm run simulate -- --profile ${profile} --from ${seed}${o.mutation ? ` --mutation ${o.mutation}` : ''} --trace\n`);
});
for (const [kind, seeds] of kinds) console.log(`${seeds.length} times ${kind}: ${seeds.slice(0, 10).join(', ')}`);
console.log(`${sum.histories} histories, ${sum.failed} failed, ${((performance.now() - began) / 1000).toFixed(1)} s; ${sum.acks} acknowledged commands, ${sum.events} events, ${sum.repairs} repairs, ${sum.crashes} crashes, ${sum.requests} requests`);
process.exitCode = sum.failed > 0 === (o.mutation !== null) ? 0 : 1;
