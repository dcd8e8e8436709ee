// Mail between servers: by SMTP into an INBOX, from a mail app to another server, and what waits. Beside Colombier stands
// Postfix, which hands on to Dovecot by LMTP.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../ports.ts';
import { Postfix, worldMissing } from '../../real/world.ts';
import { DOMAIN } from '../hosts/host.ts';
import type { Host } from '../hosts/host.ts';
import { resident } from '../hosts/process-memory.ts';
import { OpenDkim, opendkimMissing } from '../hosts/opendkim.ts';
import type { Replica } from '../hosts/colombier.ts';
import { ImapClient } from '../imap-client.ts';
import { LmtpClient } from '../lmtp-client.ts';
import { fresh } from '../mail.ts';
import type { Mail } from '../mail.ts';
import { SmtpSink } from '../smtp-sink.ts';
import type { Bench, Row } from './row.ts';
import { atLeast, under } from './row.ts';

const MB = 1_000_000;
const SETTLE_MS = 3000;
const WAITING = 10_000;
/** A user may send to 500 an hour: each round others do. */
const SENDERS = 24;
const READ_EVERY_MS = 10;
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Stage {
  sink: SmtpSink;
  colombier: Replica;
  smtp: number;
  submission: number;
  /** Null: it is not installed, or not root. */
  postfix: Postfix | null;
  /** Another one, which has OpenDKIM sign what it sends. Null: one of them is not installed. */
  signing: Postfix | null;
}
const stages = new WeakMap<Bench, Promise<Stage>>();

/** A replica with SMTP and submission, and Postfix before Dovecot; both send to one sink. */
function stageOf(bench: Bench): Promise<Stage> {
  let stage = stages.get(bench);
  if (!stage) stages.set(bench, (stage = open(bench)));
  return stage;
}

async function open(bench: Bench): Promise<Stage> {
  const sink = await SmtpSink.start();
  bench.atEnd.push(() => sink.stop());
  const [smtp, submission] = await freePorts(2);
  // All checks off: it listens at loopback alone.
  const env = { COLOMBIER_SMTP_PORT: String(smtp), COLOMBIER_SUBMISSION_PORT: String(submission), COLOMBIER_SMARTHOST: `127.0.0.1:${sink.port}` };
  const colombier = await bench.startColombier('smtp', { env, users: 2 * SENDERS });
  bench.atEnd.push(() => colombier.stop());
  const { dovecot } = bench;
  if (!dovecot || worldMissing() !== null) {
    bench.note('without Postfix: apt-get install postfix, and Dovecot');
    return { sink, colombier, smtp, submission, postfix: null, signing: null };
  }
  const tls = { key: readFileSync(join(bench.folder, 'key.pem'), 'utf8'), cert: readFileSync(join(bench.folder, 'cert.pem'), 'utf8') };
  const settings = [`virtual_transport = lmtp:[127.0.0.1]:${dovecot.lmtp}`, `relayhost = [127.0.0.1]:${sink.port}`, 'lmtp_destination_concurrency_limit = 20', 'smtp_tls_security_level = none', 'smtpd_client_connection_rate_limit = 0', 'smtpd_client_connection_count_limit = 0'];
  const start = async (name: string, more: string[]): Promise<Postfix> => {
    const postfix = await Postfix.start({ folder: join(bench.folder, name), hostname: 'bench.example', domains: [DOMAIN], routes: {}, tls, more: [...settings, ...more] });
    bench.atEnd.push(() => postfix.stop());
    return postfix;
  };
  const postfix = await start('postfix', []);
  const missing = opendkimMissing();
  if (missing !== null) {
    bench.note(missing);
    return { sink, colombier, smtp, submission, postfix, signing: null };
  }
  const opendkim = await OpenDkim.start(join(bench.folder, 'opendkim'), DOMAIN);
  bench.atEnd.push(() => opendkim.stop());
  const signing = await start('postfix-signing', opendkim.settings);
  return { sink, colombier, smtp, submission, postfix, signing };
}

/** Messages of a round. The first rounds are of a server that has just started; the median is not. */
const rounds = (bench: Bench) => (bench.quick ? 60 : 400);

/** How many messages are in the INBOXes. */
async function count(clients: readonly ImapClient[]): Promise<number> {
  const found = await Promise.all(clients.map(async (c) => Number(/MESSAGES (\d+)/.exec((await c.run('STATUS INBOX (MESSAGES)', true)).text)?.[1] ?? NaN)));
  return found.reduce((a, b) => a + b, 0);
}

function inbound(width: number): Row {
  return {
    key: `smtp-10k-${width}`,
    title: `SMTP, 10 KB, ${width} connection${width > 1 ? 's' : ''}, until readable in the INBOX (beside Postfix before Dovecot)`,
    unit: 'mails/s',
    goal: 'not slower',
    met: atLeast(1),
    rounds: 3,
    async measure(host, bench) {
      const stage = await stageOf(bench);
      const away = host !== bench.colombier;
      if (away && stage.postfix === null) return NaN;
      const to: Host = away ? host : stage.colombier;
      const port = away ? stage.postfix!.port : stage.smtp;
      const users = to.users.slice(0, width);
      const readers = await Promise.all(users.map(async (user) => {
        const client = await ImapClient.connect({ port: to.imap });
        await client.login(user);
        return client;
      }));
      const clients = await Promise.all(users.map(() => LmtpClient.connect({ port }, 'EHLO')));
      const before = await count(readers);
      const n = rounds(bench);
      const begun = performance.now();
      let next = 0;
      await Promise.all(clients.map(async (client, lane) => {
        while (next < n) await client.deliver(users[lane].address, fresh(bench.mails[next++ % bench.mails.length]));
      }));
      while ((await count(readers)) < before + n) await wait(READ_EVERY_MS);
      const seconds = (performance.now() - begun) / 1000;
      for (const c of [...clients, ...readers]) c.close();
      return n / seconds;
    },
  };
}

/** From a user: the header says so. */
function own(from: string, mail: Mail): Buffer {
  const bytes = fresh(mail);
  const end = bytes.indexOf('\r\n\r\n');
  const id = /^Message-ID:.*\r\n/im.exec(bytes.toString('latin1', 0, end + 2))?.[0] ?? '';
  return Buffer.concat([Buffer.from(`From: <${from}>\r\nTo: <far@away.example>\r\nSubject: bench\r\nDate: Mon, 23 Nov 2026 00:00:00 +0000\r\n${id}`), bytes.subarray(end + 2)]);
}

async function submitting(port: number, user: { address: string; password: string } | null): Promise<LmtpClient> {
  const client = await LmtpClient.connect({ port }, 'EHLO');
  if (user) await client.logIn(user.address, user.password);
  return client;
}

/** `peer`: with OpenDKIM, the same work as ours, or without. */
function submission(width: number, peer: 'signing' | 'postfix'): Row {
  const beside = peer === 'signing' ? 'Postfix with OpenDKIM; both sign' : 'Postfix, which signs nothing';
  return {
    key: `submission-${peer === 'signing' ? '10k' : 'bare'}-${width}`,
    title: `submission, 10 KB, ${width} connection${width > 1 ? 's' : ''}, until another server has it (beside ${beside})`,
    unit: 'mails/s',
    goal: 'not slower',
    met: atLeast(1),
    rounds: 3,
    async measure(host, bench, round) {
      const stage = await stageOf(bench);
      const away = host !== bench.colombier;
      const postfix = stage[peer];
      if (away && postfix === null) return NaN;
      const first = peer === 'signing' ? 0 : SENDERS;
      const users = Array.from({ length: width }, (_, i) => stage.colombier.users[first + ((round * width + i) % SENDERS)]);
      const port = away ? postfix!.port : stage.submission;
      const clients = await Promise.all(users.map((user) => submitting(port, away ? null : user)));
      const n = Math.min(rounds(bench), 400 * width);
      const goal = stage.sink.taken + n;
      const begun = performance.now();
      let next = 0;
      await Promise.all(clients.map(async (client, lane) => {
        while (next < n) await client.deliver('far@away.example', own(users[lane].address, bench.mails[next++ % bench.mails.length]), users[lane].address);
      }));
      await stage.sink.until(goal);
      const seconds = (performance.now() - begun) / 1000;
      for (const c of clients) c.close();
      return n / seconds;
    },
  };
}

const waiting: Row = {
  key: 'memory-queue',
  title: `memory that ${WAITING} messages of 10 KB in the queue add, after a restart`,
  unit: 'MB',
  goal: 'under 50 MB',
  met: under(50),
  rounds: 1,
  own: true,
  long: true,
  async measure(_host, bench) {
    const sink = await SmtpSink.start();
    const [port] = await freePorts(1);
    const env = { COLOMBIER_SUBMISSION_PORT: String(port), COLOMBIER_SMARTHOST: `127.0.0.1:${sink.port}` };
    const replica = await bench.startColombier('queue', { env, users: SENDERS });
    try {
      sink.defers = true;
      await replica.restart();
      await wait(SETTLE_MS);
      const empty = resident(replica.processes());
      const each = Math.ceil(WAITING / SENDERS);
      let n = 0;
      await Promise.all(replica.users.slice(0, SENDERS).map(async (user) => {
        const client = await submitting(port, user);
        for (let i = 0; i < each && n++ < WAITING; i++) await client.deliver('far@away.example', own(user.address, bench.mails[i % bench.mails.length]), user.address);
        client.close();
      }));
      const loaded = resident(replica.processes());
      await replica.restart();
      await wait(2 * SETTLE_MS);
      const full = resident(replica.processes());
      bench.note(`  empty ${(empty / MB).toFixed(0)} MB, loading ${(loaded / MB).toFixed(0)} MB, waiting ${(full / MB).toFixed(0)} MB`);
      return (full - empty) / MB;
    } finally {
      await replica.stop();
      await sink.stop();
    }
  },
};

export const smtp: Row[] = [inbound(1), inbound(8), submission(1, 'signing'), submission(8, 'signing'), submission(1, 'postfix'), submission(8, 'postfix'), waiting];
