// What the processes take: idle, with a thousand clients that wait, under a heap of large messages.
import { seededRandom } from '../../../src/base/index.ts';
import type { Host } from '../hosts/host.ts';
import { resident, watchPeak } from '../hosts/process-memory.ts';
import { ImapClient } from '../imap-client.ts';
import { LmtpClient } from '../lmtp-client.ts';
import { fresh, mail } from '../mail.ts';
import { ORDINARY, SMALL, makeSmall } from './login.ts';
import type { Row } from './row.ts';
import { under } from './row.ts';

const KB = 1000;
const MB = 1000 * KB;
const SETTLE_MS = 1500;
const LARGE_BYTES = 50 * MB;
const LARGE_AT_ONCE = 32;
const PIECE_BYTES = 64 * 1024;
const AT_ONCE = 25;

const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
/** Servers limit the connections of one address: each of these has a hundred. */
const own = (i: number) => `127.0.${1 + Math.floor(i / 100)}.1`;

async function connected(host: Host, n: number, tls: boolean): Promise<ImapClient[]> {
  const clients: ImapClient[] = [];
  for (let i = 0; i < n; i += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, n - i) }, async (_, k) => {
      const client = await ImapClient.connect({ port: tls ? host.imaps : host.imap, tls, from: own(i + k) });
      await client.login(host.users[(i + k) % host.users.length]);
      await client.run(`SELECT ${SMALL}`);
      await client.idle();
      return client;
    });
    clients.push(...(await Promise.all(some)));
  }
  return clients;
}

const held = (tls: boolean): Row => ({
  key: tls ? 'memory-tls' : 'memory-plain',
  title: `memory of an idle ${tls ? 'TLS ' : ''}connection (logged in, IDLE), 1,000 held`,
  unit: 'KB',
  goal: tls ? 'under 80 KB' : 'under 30 KB',
  met: under(tls ? 80 : 30),
  rounds: 1,
  async prepare(host, bench) {
    await host.restart();
    await makeSmall(host, bench, host.users);
    for (const client of await connected(host, 60, tls)) client.close();
  },
  async measure(host, bench) {
    const n = bench.quick ? 300 : 1000;
    await settle();
    const before = resident(host.processes());
    const clients = await connected(host, n, tls);
    await settle();
    const after = resident(host.processes());
    for (const client of clients) client.close();
    return (after - before) / n / KB;
  },
});

const idleServer: Row = {
  key: 'memory-idle',
  title: 'memory of the idle server, just started',
  unit: 'MB',
  goal: 'under 90 MB',
  met: under(90),
  rounds: 1,
  async measure(host) {
    await host.restart();
    await settle();
    return resident(host.processes()) / MB;
  },
};

const usedServer: Row = {
  key: 'memory-used',
  title: 'the same after ten deliveries and a log-in',
  unit: 'MB',
  goal: '',
  met: () => null,
  rounds: 1,
  async measure(host, bench) {
    await host.restart();
    const lmtp = await LmtpClient.connect({ port: host.lmtp });
    for (const mail of bench.mails.slice(0, 10)) await lmtp.deliver(host.users[ORDINARY].address, fresh(mail));
    lmtp.close();
    const client = await ImapClient.connect({ port: host.imap });
    await client.login(host.users[ORDINARY]);
    await client.run('SELECT INBOX');
    client.close();
    await settle();
    return resident(host.processes()) / MB;
  },
};

const large: Row = {
  key: 'memory-large',
  title: `memory that ${LARGE_AT_ONCE} deliveries of 50 MB at once add (peak)`,
  unit: 'MB',
  goal: 'under 400 MB',
  met: under(400),
  rounds: 1,
  long: true,
  async measure(host) {
    const clients = await Promise.all(Array.from({ length: LARGE_AT_ONCE }, () => LmtpClient.connect({ port: host.lmtp })));
    const template = mail(seededRandom(5), LARGE_BYTES);
    await settle();
    const before = resident(host.processes());
    const peak = watchPeak(() => host.processes());
    const one = async (client: LmtpClient, i: number) => {
      const head = fresh({ bytes: template.bytes.subarray(0, PIECE_BYTES), idAt: template.idAt });
      await client.deliverStream(host.users[i % host.users.length].address, pieces(head, template.bytes));
    };
    try {
      await Promise.all(clients.map(one));
    } finally {
      for (const client of clients) client.close();
    }
    return (peak() - before) / MB;
  },
};

function* pieces(head: Buffer, all: Buffer): Iterable<Buffer> {
  yield head;
  for (let at = head.length; at < all.length; at += PIECE_BYTES) yield all.subarray(at, at + PIECE_BYTES);
}

export const memory: Row[] = [idleServer, usedServer, held(false), held(true), large];
