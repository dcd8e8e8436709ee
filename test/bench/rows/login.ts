// Logging in: again and again, and for the first time.
import { argon2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { ARGON2_COST } from '../../../src/seal/index.ts';
import type { Host, User } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import { fresh } from '../mail.ts';
import { median } from '../statistics.ts';
import type { Bench, Row } from './row.ts';
import { atLeast, rate, timed } from './row.ts';

/** A user to whom other rows have not delivered thousands of messages within minutes. */
export const ORDINARY = 10;

/** A mailbox with a few messages, the same at every host whatever was delivered before. */
export const SMALL = 'Small';

export async function makeSmall(host: Host, bench: Bench, users: readonly User[]): Promise<void> {
  for (const user of users) {
    const client = await ImapClient.connect({ port: host.imap });
    await client.login(user);
    try {
      await client.run(`CREATE ${SMALL}`);
      await client.append(SMALL, bench.mails.slice(0, 10).map(fresh));
    } catch (e) {
      if (!/exists/i.test(String(e))) throw e;
    }
    client.close();
  }
}

function again(width: number, times: number): Row {
  return {
    key: `login-${width}`,
    title: `log in and SELECT, same user again, ${width} connection${width > 1 ? 's' : ''}`,
    unit: 'logins/s',
    goal: times === 1 ? 'not slower' : `${times} times`,
    met: atLeast(times),
    rounds: 5,
    prepare: (host, bench) => makeSmall(host, bench, [host.users[ORDINARY]]),
    async measure(host, bench, round) {
      const one = async () => {
        const client = await ImapClient.connect({ port: host.imap });
        await client.login(host.users[ORDINARY]);
        await client.run(`SELECT ${SMALL}`);
        client.close();
      };
      if (round === 0) await rate(width, 700, one);
      return rate(width, bench.quick ? 400 : 1200, one);
    },
  };
}

const compute = promisify(argon2);
const own: number[] = [];

/** What the hash alone takes here, measured in each round: the goal stands on it. */
async function argon2Ms(): Promise<number> {
  const { memoryKib, passes, lanes } = ARGON2_COST;
  return timed(() => compute('argon2id', { message: 'password', nonce: randomBytes(16), memory: memoryKib, passes, parallelism: lanes, tagLength: 32 }));
}

const first: Row = {
  key: 'login-first',
  title: 'first log-in of a user with a chosen password',
  unit: 'ms',
  goal: () => `Argon2id (${Math.round(median(own))} ms) and 10 ms`,
  met: (colombier) => colombier < median(own) + 10,
  rounds: 5,
  async measure(host, _bench, round) {
    if (host.name === 'Colombier') {
      if (round === 0) await argon2Ms();
      own.push(await argon2Ms());
    }
    const client = await ImapClient.connect({ port: host.imap });
    const took = await timed(() => client.login(host.unseen[round]));
    client.close();
    return took;
  },
};

export const login: Row[] = [again(1, 1), again(32, 2), first];
