// Reading a mailbox of 10,000 messages of 4 KB: header fields, the newest fifty, all bodies; and a phone's first screen.
import type { Host } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import { MESSAGES, PLAIN, fillPlain, opened } from './plain.ts';
import type { Bench, Row } from './row.ts';
import { atLeast, faster, notSlower, timed, under, warm } from './row.ts';

const ONE_BY_ONE = 3000;
const QUICK_ONE_BY_ONE = 1000;
/** All of them, before they are measured again. */
const WARM_ROUNDS = 5;
const NEWEST = `${MESSAGES - 49}:*`;
/** What a list of messages shows. */
const SCREEN = `FETCH ${NEWEST} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)`;
const FIELDS = 'FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (FROM TO CC SUBJECT DATE MESSAGE-ID REFERENCES CONTENT-TYPE REPLY-TO)])';

const clients = new Map<Host, ImapClient>();

async function session(host: Host): Promise<ImapClient> {
  const known = clients.get(host);
  if (known && !known.socket.destroyed) return known;
  const client = await opened(host, PLAIN);
  clients.set(host, client);
  return client;
}

/** A phone's first screen, once nothing is known but what the servers keep through `before`. */
const phone = (key: string, title: string, before: (host: Host) => Promise<void>): Row => ({
  ...row(key, title, 'ms', 'not slower', notSlower, async (host) => {
    await before(host);
    const client = await ImapClient.connect({ port: host.imap });
    const took = await timed(async () => {
      await client.login(host.big);
      await client.run('LIST "" *');
      await client.run(`SELECT ${PLAIN}`);
      await client.run(SCREEN);
    });
    client.close();
    return took;
  }, 5),
  goalS3: { goal: 'under 200 ms', met: under(200) },
});

const row = (key: string, title: string, unit: string, goal: string, met: Row['met'], measure: Row['measure'], rounds = 3): Row => ({ key, title, unit, goal, met, rounds, prepare: fillPlain, measure });

/** Repeated by a session that has done it before. */
const again = (key: string, title: string, command: string): Row =>
  row(key, title, 'ms', 'faster', faster, async (host, _bench, round) => {
    const client = await session(host);
    if (round === 0) await warm(() => client.run(command));
    return timed(() => client.run(command));
  }, 5);

async function oneByOne(client: ImapClient, bench: Bench): Promise<number> {
  const n = bench.quick ? QUICK_ONE_BY_ONE : ONE_BY_ONE;
  const took = await timed(async () => {
    for (let i = 1; i <= n; i++) await client.run(`FETCH ${i} (BODY.PEEK[])`);
  });
  return (n * 1000) / took;
}

/** In a process that has never seen the user, with the mailbox selected. */
async function first(host: Host): Promise<ImapClient> {
  await host.restart();
  return opened(host, PLAIN);
}

/** Within so many times Dovecot's. */
const within = (times: number): Row['met'] => (colombier, dovecot) => (dovecot === null ? null : colombier <= dovecot * times);

export const reading: Row[] = [
  phone('phone', 'first screen of a phone: log in, LIST, SELECT, 50 newest; first at this replica (beside Dovecot without its index files)', (host) => host.forget()),
  phone('phone-restarted', 'the same after a restart (beside Dovecot with its index files)', (host) => host.restart()),
  again('read-newest', '50 newest envelopes, structures and flags, of 10,000', SCREEN),
  again('read-fields', 'FETCH 1:* of header fields, 10,000 messages', FIELDS),
  row('read-bodies-first', 'FETCH 1:* (BODY.PEEK[]), 40 MB, first at this replica', 'ms', 'within 6 times', within(6), async (host) => {
    const client = await first(host);
    const took = await timed(() => client.run('FETCH 1:* (BODY.PEEK[])'));
    client.close();
    return took;
  }),
  row('read-bodies-again', 'FETCH 1:* (BODY.PEEK[]), 40 MB, again', 'ms', 'not slower', notSlower, async (host, _bench, round) => {
    const client = await session(host);
    if (round === 0) await warm(() => client.run('FETCH 1:* (BODY.PEEK[])'));
    return timed(() => client.run('FETCH 1:* (BODY.PEEK[])'));
  }),
  row('read-one-first', 'bodies one by one, first at this replica', 'mails/s', 'a sixth', atLeast(1 / 6), async (host, bench) => {
    const client = await first(host);
    const result = await oneByOne(client, bench);
    client.close();
    return result;
  }),
  row('read-one-again', 'bodies one by one, again', 'mails/s', 'not slower', atLeast(1), async (host, bench, round) => {
    const client = await session(host);
    if (round === 0) for (let i = 0; i < WARM_ROUNDS; i++) await oneByOne(client, bench);
    return oneByOne(client, bench);
  }),
];
