// How long after the sender's 250 a client in IDLE hears of the message.
import type { Host } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import { LmtpClient } from '../lmtp-client.ts';
import { fresh } from '../mail.ts';
import { percentile } from '../statistics.ts';
import type { Bench, Row } from './row.ts';
import { under } from './row.ts';

const PATIENCE_MS = 10_000;
/** Between two messages: as mail comes, not a burst, so that each is announced alone. */
const PAUSE_MS = 15;

/** Delivers at one, listens at the other; milliseconds from 250 to EXISTS, 0 when the client hears first. */
async function announcements(from: Host, to: Host, n: number, bench: Bench): Promise<number[]> {
  const user = from.users[9];
  const client = await ImapClient.connect({ port: to.imap });
  await client.login(user);
  await client.run('SELECT INBOX');
  await client.idle();
  const lmtp = await LmtpClient.connect({ port: from.lmtp });
  const all: number[] = [];
  const warm = Math.min(5, n >> 1);
  for (let i = -warm; i < n; i++) {
    let heard = 0;
    const exists = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${to.name}: no EXISTS within ${PATIENCE_MS} ms`)), PATIENCE_MS);
      client.onPush = (chunk) => {
        if (!chunk.includes(' EXISTS')) return;
        heard = performance.now();
        clearTimeout(timer);
        resolve();
      };
    });
    await lmtp.deliver(user.address, fresh(bench.mails[i + warm]));
    const accepted = performance.now();
    await exists;
    if (i >= 0) all.push(Math.max(0, heard - accepted));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  client.onPush = null;
  client.close();
  lmtp.close();
  return all;
}

export const idle: Row[] = [
  {
    key: 'idle-same',
    title: 'new mail to a client in IDLE after the 250, same replica, p95',
    unit: 'ms',
    goal: 'under 2 ms',
    met: under(2),
    rounds: 3,
    dovecotRounds: 1,
    async measure(host, bench) {
      const n = host.name === 'Dovecot' ? 6 : bench.quick ? 40 : 100;
      return percentile(await announcements(host, host, n, bench), 0.95);
    },
  },
  {
    key: 'idle-other',
    title: 'the same at another replica, p99',
    unit: 'ms',
    goal: 'under 20 ms',
    met: under(20),
    rounds: 1,
    own: true,
    async measure(_host, bench) {
      const second = await bench.colombier.startSecond();
      try {
        return percentile(await announcements(bench.colombier, second, bench.quick ? 100 : 300, bench), 0.99);
      } finally {
        await second.stop();
        bench.colombier.second = null;
      }
    },
  },
];
