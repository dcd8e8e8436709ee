// Floods from one address and clients that fall silent: others are served meanwhile, and the process lives.
import assert from 'node:assert/strict';
import type net from 'node:net';
import { Imap, connect } from './imap.ts';
import { Mail, message } from './mail.ts';
import { Site, sleep, until } from './site.ts';
import type { Person, Replica } from './site.ts';
import { skip } from './tools.ts';

/** Loopback has more than one address on Linux; elsewhere these tests have nobody to be. */
const FLOOD = '127.0.0.2';
const OTHER = '127.0.0.3';
/** Generous: what is measured is "served", on a machine that may be busy. */
const SERVED_MS = 5000;

describe('real: floods', function () {
  this.timeout(60_000);
  let site: Site;
  let people: Record<'ann' | 'bob' | 'cyd', Person>;
  let replica: Replica;
  before(async function () {
    if (process.platform !== 'linux') skip(this, 'needs several loopback addresses, which Linux has');
    site = new Site();
    people = await site.people('ann', 'bob', 'cyd');
    replica = await site.start({ COLOMBIER_DRAIN_SECONDS: '3' });
  });
  after(async () => site?.end());

  /** Milliseconds that something took. */
  async function took(what: () => Promise<unknown>): Promise<number> {
    const begun = Date.now();
    await what();
    return Date.now() - begun;
  }

  /** Another address brings mail; somebody logs in there and reads. */
  async function othersAreServed(person: Person): Promise<void> {
    const delivery = await took(async () => {
      const mail = await Mail.connect(replica.smtp, 'smtp', OTHER);
      for (let i = 0; i < 5; i++) await mail.stored(person.address, message(`other-${i}-${Date.now()}`));
      mail.close();
    });
    assert.ok(delivery < SERVED_MS, `five deliveries took ${delivery} ms`);
    const reading = await took(async () => {
      const imap = await Imap.connect(replica.imap, false, OTHER);
      await imap.ok(`LOGIN ${person.address} ${person.password}`);
      await imap.ok('SELECT INBOX');
      assert.match((await imap.ok('FETCH 1 (BODY.PEEK[])')).join(), /token other-/);
      imap.close();
    });
    assert.ok(reading < SERVED_MS, `log-in and reading took ${reading} ms`);
  }

  it('of wrong passwords: each costs more time, then the address is refused; others log in and get mail', async () => {
    const open: Imap[] = [];
    const waits: number[] = [];
    let refused = 0;
    const guess = async (user: string, i: number) => {
      const imap = await Imap.connect(replica.imap, false, FLOOD);
      open.push(imap);
      while (!imap.closed) {
        const begun = Date.now();
        const answer = await imap.command(`LOGIN ${user} guess-${i}`).catch(() => null);
        if (answer === null) return;
        assert.match(`${answer.status} ${answer.text}`, /^NO \[AUTHENTICATIONFAILED\]/);
        if (/Too many/.test(answer.text)) {
          refused++;
          return imap.close();
        }
        waits.push(Date.now() - begun);
      }
    };
    // Of a known user: each guess costs an Argon2.
    const guessing = Array.from({ length: 100 }, (_, i) => guess(people.ann.address, i));
    await until(() => open.length === 100);
    // Somebody whose password isn't in memory, and the very user who is attacked.
    await othersAreServed(people.bob);
    await othersAreServed(people.ann);
    // Of users who don't exist: as many in a moment as an address may get wrong.
    guessing.push(...Array.from({ length: 60 }, (_, i) => guess(`nobody-${i}@real.example`, i)));
    await until(() => refused > 50, 15_000, () => `refused ${refused} of 160`);
    for (const imap of open) imap.close();
    await Promise.all(guessing);
    assert.ok(waits.every((ms) => ms >= 450), `an answer to a wrong password came within ${Math.min(...waits)} ms`);
    assert.ok(waits.length <= 60, `${waits.length} passwords were tried within seconds`);
    const imap = await Imap.connect(replica.imap, false, FLOOD);
    assert.match((await imap.command(`LOGIN ${people.ann.address} ${people.ann.password}`)).text, /Too many wrong passwords/);
    imap.close();
  });

  it('of connections: some are told that there are too many, others are served, and then there is room again', async () => {
    for (const [port, refusal] of [[replica.imap, /^\* BYE /], [replica.smtp, /^421 /], [replica.lmtp, /^421 /]] as const) {
      const said: string[] = [];
      const open: net.Socket[] = await Promise.all(
        Array.from({ length: 300 }, async (_, i) => {
          const socket = await connect(port, false, FLOOD);
          said[i] = '';
          socket.on('data', (d) => (said[i] += d));
          socket.on('error', () => {});
          return socket;
        }),
      );
      await until(() => said.every((text) => text !== ''), 10_000, () => `${said.filter((t) => t === '').length} hear nothing`);
      const refusals = said.filter((text) => refusal.test(text)).length;
      assert.ok(refusals >= 50 && refusals < 300, `${refusals} of 300 were refused`);
      await othersAreServed(people.cyd);
      for (const socket of open) socket.destroy();
      await until(async () => {
        const again = await connect(port, false, FLOOD);
        const text = await new Promise<string>((resolve) => again.once('data', (d) => resolve(String(d))));
        again.destroy();
        return !refusal.test(text);
      }, 5000, () => 'no room again');
    }
  });

  it('half-open connections: others are served, and SIGTERM ends in time with nothing half-stored', async () => {
    const silent: net.Socket[] = [];
    const half = async (port: number, ...says: (string | Buffer)[]) => {
      const socket = await connect(port, false, FLOOD);
      socket.on('error', () => {});
      socket.on('data', () => {});
      for (const text of says) {
        socket.write(text);
        await sleep(5);
      }
      silent.push(socket);
      return socket;
    };
    const begun = Buffer.from(message('never-ended', 5000).toString('latin1').slice(0, 3000), 'latin1');
    const to = `MAIL FROM:<x@elsewhere.example>\r\nRCPT TO:<${people.cyd.address}>\r\nDATA\r\n`;
    for (let i = 0; i < 15; i++) {
      await half(replica.smtp, 'EHLO x\r\n', to, begun);
      await half(replica.lmtp, 'LHLO x\r\n', to, begun);
      await half(replica.smtp, 'MAIL FROM');
      await half(replica.smtp, 'EHLO x\r\n', 'STARTTLS\r\n', Buffer.from([0x16, 3, 1, 2]));
      await half(replica.imap, 'a LOGIN {5000');
      await half(replica.imap, 'a LOGIN {500+}\r\nxy');
      await half(replica.imaps, Buffer.from([0x16, 3, 1]));
    }
    const reader = await replica.client(people.cyd);
    await reader.ok('SELECT INBOX');
    reader.socket.write(Buffer.concat([Buffer.from('x APPEND INBOX {9000+}\r\n'), begun]));
    // A client that ends its side may still read its answers.
    const ended = await connect(replica.imap, false, FLOOD);
    let told = '';
    ended.on('data', (d) => (told += d));
    ended.end('a NOOP\r\nb LOGOUT\r\n');
    await until(() => /a OK[^]*b OK/.test(told), 5000, () => told);
    await othersAreServed(people.cyd);
    // Some vanish in the middle.
    for (const socket of silent.splice(0, 40)) socket.destroy();
    const ms = await took(async () => assert.equal(await replica.stop(), 0));
    assert.ok(ms < 3000 + SERVED_MS, `it ended after ${ms} ms: ${replica.log.slice(-1500)}`);
    assert.doesNotMatch(replica.log, / - bug |\n\s+at /);
    for (const socket of silent) socket.destroy();
    replica = await site.start();
    const imap = await replica.client(people.cyd);
    await imap.ok('SELECT INBOX');
    assert.ok(!(await imap.ok('FETCH 1:* (BODY.PEEK[])')).some((row) => row.includes('never-ended')));
    imap.close();
  });
});
