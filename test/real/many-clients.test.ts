// Fifty connections of one user, at two replicas, that number, flag, move and expunge messages of one mailbox all at once: each
// keeps right numbers by what it is told, and in the end all show what the server has.
import assert from 'node:assert/strict';
import { seededRandom } from '../../src/base/index.ts';
import type { Imap } from './imap.ts';
import { message } from './mail.ts';
import { Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';

const CONNECTIONS = 50;
const IDLE = 10;
const WORK_MS = 5000;

/** A mail app's idea of its mailbox: by number, the UID, or null where it has not been told yet. */
class Numbered {
  readonly imap: Imap;
  uids: (number | null)[] = [];
  checked = 0;
  expunged = 0;
  constructor(imap: Imap) {
    this.imap = imap;
  }

  /** `exists` first, as SELECT tells it. Every number that is told with a UID must be that message's. */
  take(lines: readonly string[]): void {
    for (const line of lines) {
      const [, text, what] = /^(\d+) (EXISTS|EXPUNGE|FETCH)/.exec(line) ?? [];
      const n = Number(text);
      if (what === 'EXISTS') {
        assert.ok(n >= this.uids.length, `${n} EXISTS while there were ${this.uids.length}`);
        while (this.uids.length < n) this.uids.push(null);
      } else if (what === 'EXPUNGE') {
        assert.ok(n >= 1 && n <= this.uids.length, `${n} EXPUNGE of ${this.uids.length}`);
        this.uids.splice(n - 1, 1);
        this.expunged++;
      } else if (what === 'FETCH') {
        assert.ok(n >= 1 && n <= this.uids.length, `${n} FETCH of ${this.uids.length}`);
        const uid = /UID (\d+)/.exec(line)?.[1];
        if (uid === undefined) continue;
        const known = this.uids[n - 1];
        assert.ok(known === null || known === Number(uid), `message ${n} is UID ${uid}, and was ${known}`);
        if (known !== null) this.checked++;
        this.uids[n - 1] = Number(uid);
      }
    }
    const known = this.uids.filter((uid) => uid !== null);
    assert.deepEqual(known, [...new Set(known)].sort((x, y) => x - y), 'UIDs ascend');
  }

  async say(command: string): Promise<void> {
    const { status, text, untagged } = await this.imap.command(command);
    assert.ok(status !== 'BAD', `${command}: ${text}`);
    // RFC 9051 §7.5.1: no number changes while a command uses numbers.
    if (/^(FETCH|STORE|SEARCH) /.test(command)) assert.ok(untagged.every((line) => !/^\d+ EXPUNGE/.test(line)), `EXPUNGE during ${command}`);
    this.take(untagged);
  }
}

describe('real: many clients of one user', function () {
  this.timeout(180_000);
  let site: Site;
  let ann: Person;
  let replicas: Replica[];
  before(async () => {
    site = new Site();
    ({ ann } = await site.people('ann'));
    replicas = await Promise.all([site.start(), site.start()]);
  });
  after(() => site?.end());

  it(`${CONNECTIONS} connections keep their numbers while all of them change the mailbox`, async () => {
    const feeder = await replicas[0].client(ann);
    for (let i = 0; i < 60; i++) await feeder.append('INBOX', message(`many-${i}`, 200));
    const clients: Numbered[] = [];
    for (let i = 0; i < CONNECTIONS; i++) {
      const one = new Numbered(await replicas[i % 2].client(ann));
      await one.say('SELECT INBOX');
      await one.say('FETCH 1:* (UID)');
      clients.push(one);
    }
    const [idle, busy] = [clients.slice(0, IDLE), clients.slice(IDLE)];
    for (const one of idle) await one.imap.idle();

    const random = seededRandom(11);
    const below = (n: number) => 1 + Math.floor(random.unit() * n);
    let over = false;
    const work = async (one: Numbered): Promise<void> => {
      while (!over) {
        const count = one.uids.length;
        const n = below(Math.max(1, count));
        const commands = [
          'NOOP', `FETCH ${n} (UID FLAGS)`, `FETCH ${n}:* (UID)`, `STORE ${n} +FLAGS (k${below(5)})`, 'SEARCH UNDELETED', `UID FETCH ${one.uids[n - 1] ?? 1} (FLAGS)`,
          ...(count > 20 ? [`STORE ${n} +FLAGS.SILENT (\\Deleted)`, 'EXPUNGE', `UID EXPUNGE ${one.uids[n - 1] ?? 1}`, `MOVE ${n} Archive`, `UID MOVE ${one.uids[n - 1] ?? 1} Trash`] : []),
        ];
        // A message that has gone meanwhile is no mistake of the client's, as long as it was not told.
        if (count > 0) await one.say(commands[Math.floor(random.unit() * commands.length)]);
        else await one.say('NOOP');
      }
    };
    const feed = async (): Promise<void> => {
      for (let i = 0; !over; i++) await feeder.append('INBOX', message(`more-${i}`, 200));
    };
    const lanes = [...busy.map(work), feed()];
    await Promise.race([Promise.all(lanes), new Promise((resolve) => setTimeout(resolve, WORK_MS))]);
    over = true;
    await Promise.all(lanes);

    await feeder.ok('SELECT INBOX');
    const uids = async () => (await feeder.ok('UID FETCH 1:* (FLAGS)')).map((line) => Number(/UID (\d+)/.exec(line)?.[1] ?? NaN)).filter((uid) => !Number.isNaN(uid));
    for (const one of idle) one.take(await one.imap.done());
    // What came last may be under way between the replicas, and be put right.
    await until(async () => {
      await feeder.ok('NOOP');
      for (const one of clients) await one.say('NOOP');
      for (const one of clients) await one.say('FETCH 1:* (UID)');
      const there = JSON.stringify(await uids());
      return clients.every((one) => JSON.stringify(one.uids) === there);
    }, 30_000, () => 'they show different mailboxes');
    assert.ok(clients.every((one) => one.expunged > 0), 'each was told of expunged messages');
    assert.ok(busy.reduce((sum, one) => sum + one.checked, 0) > 500, 'numbers were checked');
    for (const replica of replicas) assert.doesNotMatch(replica.log, / (error|bug) /);
  });
});
