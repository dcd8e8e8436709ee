// Mail in: LMTP and APPEND, one user for each connection.
import { ImapClient } from '../imap-client.ts';
import { LmtpClient } from '../lmtp-client.ts';
import { fresh } from '../mail.ts';
import type { Bench, Row } from './row.ts';
import { atLeast, rate } from './row.ts';

const ROUND_MS = 1200;
const QUICK_MS = 500;
/** Both servers have compiled, forked and cached by then what they will. */
const WARM_MS = 1000;
const length = (bench: Bench) => (bench.quick ? QUICK_MS : ROUND_MS);

function lmtp(width: number, drawn: boolean): Row {
  return {
    key: `lmtp-${drawn ? 'real' : '10k'}-${width}`,
    title: `LMTP delivery, ${drawn ? 'real sizes' : '10 KB'}, ${width} connection${width > 1 ? 's' : ''}`,
    unit: 'mails/s',
    goal: 'not slower',
    met: atLeast(1),
    rounds: 5,
    async measure(host, bench, round) {
      const mails = drawn ? bench.drawn : bench.mails;
      const clients = await Promise.all(Array.from({ length: width }, () => LmtpClient.connect({ port: host.lmtp })));
      let n = 0;
      const one = (lane: number) => clients[lane].deliver(host.users[lane].address, fresh(mails[n++ % mails.length]));
      if (round === 0) await rate(width, WARM_MS, one);
      n = 0;
      // Of real sizes all hosts get the same messages in the same order, so that one large one falls on both.
      const result = await rate(width, drawn ? length(bench) * 1.3 : length(bench), one);
      for (const client of clients) client.close();
      return result;
    },
  };
}

function append(width: number): Row {
  return {
    key: `append-10k-${width}`,
    title: `APPEND, 10 KB, ${width} connection${width > 1 ? 's' : ''}`,
    unit: 'mails/s',
    goal: 'not slower',
    met: atLeast(1),
    rounds: 5,
    async measure(host, bench, round) {
      const clients = await Promise.all(Array.from({ length: width }, () => ImapClient.connect({ port: host.imap })));
      await Promise.all(clients.map((client, i) => client.login(host.users[i])));
      const one = (lane: number) => clients[lane].append('INBOX', [fresh(bench.mails[Math.floor(Math.random() * bench.mails.length)])]);
      if (round === 0) await rate(width, WARM_MS, one);
      const result = await rate(width, length(bench), one);
      for (const client of clients) client.close();
      return result;
    },
  };
}

export const delivery: Row[] = [lmtp(1, false), lmtp(8, false), lmtp(1, true), lmtp(8, true), append(1), append(8)];
