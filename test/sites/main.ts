// `npm run storm`: a storm of any length, with or without one of the rules.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { garageMissing } from '../real/garage.ts';
import { SWITCHES, storm } from './storm.ts';

const HELP = `usage: npm run storm -- [--minutes N] [--store garage|faulty] [--switch NAME] [--people N] [--log FILE]

Three replicas on three Garage nodes, people with two roaming mail apps each, mail that comes in; replicas and nodes are
killed, stopped and cut off. Then everything is compared. Ends with 1 when anything is lost, double or different.

  --minutes N       how long; default 10
  --store           garage (npm run garage builds it), or a faulty S3 server of the test's own
  --switch NAME     without one rule, to see that it is noticed: ${Object.keys(SWITCHES).join(', ')}
  --log FILE        where the replicas' log goes
`;
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, store: { type: 'string' }, switch: { type: 'string' }, people: { type: 'string', default: '3' }, log: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
// Whatever ends it takes all that it started with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
const store = (values.store ?? (garageMissing() ? 'faulty' : 'garage')) as 'garage' | 'faulty';
const minutes = Number(values.minutes);
console.log(`A storm of ${minutes} minutes on ${store}${values.switch ? `, ${values.switch}` : ''}`);
const report = await storm({ store, seconds: minutes * 60, people: Number(values.people), without: values.switch, rest_ms: values.switch ? 20_000 : undefined, weather: { stopped: minutes >= 3 ? 100_000 : 12_000 }, say: (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`) });
if (values.log) writeFileSync(values.log, `${report.told.join('\n')}\n${report.log}`);
console.log(JSON.stringify(report.weather));
console.log(`longest wait ${report.longest.ms} ms: ${report.longest.what}`);
for (const text of report.violations) console.log(`VIOLATION ${text}`);
console.log(report.violations.length === 0 ? 'nothing was lost, nothing is double, everybody has the same' : `${report.violations.length} violations`);
process.exit(report.violations.length === 0 ? 0 : 1);
