// `npm run sobriety`: a replica as a process, with 200 users of whom 50 are connected and wait, and 20 mails an hour for each.
// Prints memory and processor time of the replica; `--minutes N` says how long.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { message } from '../real/mail.ts';
import { Site, sleep } from '../real/site.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '5' }, users: { type: 'string', default: '200' }, connected: { type: 'string', default: '50' }, hourly: { type: 'string', default: '20' }, help: { type: 'boolean' } } });
if (values.help) {
  console.log('npm run sobriety -- [--minutes 5] [--users 200] [--connected 50] [--hourly 20]');
  process.exit();
}
const [minutes, users, connected, hourly] = [values.minutes, values.users, values.connected, values.hourly].map(Number);
const MIB = 1024 * 1024;
/** Clock ticks of /proc, a second. */
const TICKS = 100;

const site = new Site();
try {
  process.stderr.write(`making ${users} users\n`);
  const people = Object.values(await site.people(...Array.from({ length: users }, (_, i) => `u${i}`)));
  const replica = await site.start();
  const proc = (file: string) => readFileSync(`/proc/${replica.pid}/${file}`, 'utf8');
  const rss = () => Number(/VmRSS:\s+(\d+) kB/.exec(proc('status'))![1]) * 1024;
  const cpu = () => {
    const fields = proc('stat').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  };
  for (const person of people.slice(0, connected)) {
    const client = await replica.client(person);
    await client.ok('SELECT INBOX');
    await client.idle();
  }
  process.stderr.write(`${connected} are connected\n`);
  const mail = await replica.sender();
  // Log-ins with chosen passwords are over when the threads that check them have gone.
  await sleep(10_000);
  const [began, spent] = [performance.now(), cpu()];
  let sent = 0;
  let most = 0;
  while (performance.now() - began < minutes * 60_000) {
    await mail.stored(people[sent % users].address, message(`sober${sent}`, 10_000));
    sent++;
    most = Math.max(most, rss());
    const due = (sent * 3_600_000) / (users * hourly);
    await sleep(Math.max(0, due - (performance.now() - began)));
  }
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(`${users} users, ${connected} connected, ${sent} mails in ${Math.round(seconds)} s: ${Math.round(rss() / MIB)} MiB resident (at most ${Math.round(most / MIB)}; goal 200 MB), ${((100 * (cpu() - spent)) / seconds).toFixed(2)} % of a core (goal 2 %)\n`);
} finally {
  await site.end();
}
