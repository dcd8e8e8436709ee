// Who may come, how often, and what is remembered of it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { limits, seededRandom } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { Greylist } from '../../src/verify/inbound/greylist.ts';
import { Kept, KeptBudget } from '../../src/verify/inbound/kept.ts';
import { listedBy, originOf } from '../../src/verify/inbound/origin.ts';
import { Pile } from '../../src/verify/inbound/pile.ts';
import { Rates } from '../../src/verify/inbound/rates.ts';
import { InboundWorld, head } from './inbound.ts';

/** A clock that a test moves. */
function handClock() {
  let at = Date.UTC(2026, 0, 1);
  const slept: number[] = [];
  const clock: Clock = { now: () => at, monotonic: () => at, sleep: async (ms) => void slept.push(ms), after: () => () => {} };
  return { clock, slept, move: (ms: number) => void (at += ms) };
}
const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

describe('verify/rates', () => {
  it('refuses what comes too often, and lets it come again with time', () => {
    const { clock, move } = handClock();
    const rates = new Rates(6, clock, limits);
    for (let i = 0; i < 6; i++) assert.ok(rates.take('192.0.2.1'));
    assert.equal(rates.take('192.0.2.1'), false);
    assert.ok(rates.take('198.51.100.1'), 'others are not touched');
    move(10_000);
    assert.ok(rates.take('192.0.2.1'));
    assert.equal(rates.take('192.0.2.1'), false);
  });

  it('counts a /24 and a /64 together', () => {
    for (const address of [(i: number) => `192.0.2.${i}`, (i: number) => `2001:db8::${i.toString(16)}`]) {
      const rates = new Rates(2, handClock().clock, limits);
      let taken = 0;
      for (let i = 1; i <= 100; i++) if (rates.take(address(i))) taken++;
      assert.equal(taken, 2 * limits.rate_network_factor);
    }
  });

  it('remembers no more than its bound', () => {
    const rates = new Rates(2, handClock().clock, { ...limits, rates_kept_max: 100 });
    for (let i = 0; i < 5000; i++) rates.take(`10.${i >> 8}.${i & 255}.1`);
    assert.ok(rates.known <= 100);
  });

  it('has no limit at 0', () => {
    const rates = new Rates(0, handClock().clock, limits);
    for (let i = 0; i < 1000; i++) assert.ok(rates.take('192.0.2.1'));
    assert.equal(rates.known, 0);
  });
});

describe('verify/greylist', () => {
  it('puts off the first message, and takes it after the wait from anywhere in the network', () => {
    const { clock, move } = handClock();
    const list = new Greylist(clock, limits);
    const come = (address = '192.0.2.1', from = 'a@x.test', to = 'b@y.test') => list.passes(address, from, to);
    assert.equal(come(), false);
    move(4 * MINUTE);
    assert.equal(come(), false);
    move(2 * MINUTE);
    assert.ok(come('192.0.2.77', 'A@x.test'));
    assert.ok(come());
    assert.equal(come('192.0.3.1'), false);
    assert.equal(come('192.0.2.1', 'other@x.test'), false);
    move(36 * DAY);
    assert.equal(come(), false, 'forgotten');
  });

  it('forgets who did not come back', () => {
    const { clock, move } = handClock();
    const list = new Greylist(clock, limits);
    list.passes('192.0.2.1', 'a', 'b');
    move(25 * 60 * MINUTE);
    assert.equal(list.passes('192.0.2.1', 'a', 'b'), false);
  });

  it('lets a network pass that came back often enough', () => {
    const { clock, move } = handClock();
    const list = new Greylist(clock, limits);
    for (let i = 0; i < limits.greylist_network_after; i++) list.passes('192.0.2.1', `a${i}`, 'b');
    move(6 * MINUTE);
    for (let i = 0; i < limits.greylist_network_after; i++) assert.ok(list.passes('192.0.2.1', `a${i}`, 'b'));
    assert.ok(list.passes('192.0.2.9', 'new', 'b'));
  });

  it('remembers no more than its bound', () => {
    const list = new Greylist(handClock().clock, { ...limits, greylist_kept_max: 200 });
    for (let i = 0; i < 5000; i++) list.passes(`10.${i >> 8}.${i & 255}.1`, `a${i}`, 'b');
    assert.ok(list.known <= 200);
  });
});

describe('verify/origin', () => {
  const ask = (records: Record<string, unknown[]>) => async (name: string, type: string) => {
    if (!records[`${type} ${name}`]) throw Object.assign(new Error('none'), { code: name.includes('slow') ? 'ETIMEOUT' : 'ENOTFOUND' });
    return records[`${type} ${name}`];
  };
  it('asks block lists of both families, and takes an error code for no listing', async () => {
    const records = { 'A 1.2.0.192.bl.test': ['127.0.0.2'], 'A 1.2.0.192.refused.test': ['127.255.255.254'], 'A 1.2.0.192.parked.test': ['198.51.100.1'] };
    assert.deepEqual(await listedBy(ask(records), ['bl.test', 'refused.test', 'parked.test', 'none.test', 'slow.test'], '192.0.2.1'), ['bl.test']);
    const six = `${'1.0.0.0.'.padEnd(48, '0.')}8.b.d.0.1.0.0.2`;
    assert.deepEqual(await listedBy(ask({ [`A ${six}.bl.test`]: ['127.0.0.3'] }), ['bl.test'], '2001:db8::1'), ['bl.test']);
  });
  it('believes a reverse name only if it leads back', async () => {
    const ptr = 'PTR 1.2.0.192.in-addr.arpa';
    assert.deepEqual(await originOf(ask({ [ptr]: ['a.test', 'B.test'], 'A B.test': ['192.0.2.1'] }), '192.0.2.1'), { name: 'b.test', iprev: 'pass' });
    assert.deepEqual(await originOf(ask({ [ptr]: ['a.test'], 'A a.test': ['192.0.2.2'] }), '192.0.2.1'), { name: null, iprev: 'fail' });
    assert.deepEqual(await originOf(ask({}), '192.0.2.1'), { name: null, iprev: 'permerror' });
    assert.deepEqual(await originOf(ask({ [ptr]: ['slow.test'] }), '192.0.2.1'), { name: null, iprev: 'temperror' });
  });
});

describe('verify/pile', () => {
  it('keeps single bytes in blocks, and gives them back', () => {
    const pile = new Pile();
    for (let i = 0; i < 100_000; i++) pile.push(Buffer.of(i & 255));
    pile.push(Buffer.alloc(50_000, 7));
    pile.push(Buffer.alloc(0));
    const all = Buffer.concat(pile.pieces());
    assert.equal(pile.bytes, 150_000);
    assert.equal(all.length, 150_000);
    for (let i = 0; i < 100_000; i += 997) assert.equal(all[i], i & 255);
    assert.equal(all[149_999], 7);
    assert.ok(pile.pieces().length < 12);
    pile.clear();
    assert.deepEqual(pile.pieces(), []);
  });
});

describe('verify/kept', () => {
  it('leaves nothing on the disk that can be read', async function () {
    if (!existsSync('/proc/self/fd')) this.skip();
    const open = () => readdirSync('/proc/self/fd').map((fd) => `/proc/self/fd/${fd}`).filter((f) => linkOf(f).includes('/colombier-'));
    const others = new Set(open().map(linkOf));
    const kept = new Kept(seededRandom(1), new KeptBudget(0));
    await kept.push(Buffer.from('a secret of ours '.repeat(1000)));
    const files = open().filter((f) => !others.has(linkOf(f)));
    assert.equal(files.length, 1);
    const bytes = readFileSync(files[0]);
    assert.equal(bytes.length, 17_000);
    assert.equal(bytes.includes('secret'), false);
    kept.dispose();
  });

  it('gives back every byte, from memory and from disk', async () => {
    const budget = new KeptBudget(100_000);
    const random = seededRandom(7);
    for (const size of [0, 10, 99_000, 400_000]) {
      const kept = new Kept(random, budget);
      const all = Buffer.concat(Array.from({ length: Math.ceil(size / 999) }, (_, i) => Buffer.alloc(Math.min(999, size - i * 999), i)));
      for (let at = 0; at < size; at += 999) await kept.push(all.subarray(at, at + 999));
      assert.equal(kept.bytes, size);
      assert.ok(budget.used <= 100_000);
      for (let again = 0; again < 2; again++) {
        const pieces: Buffer[] = [];
        for await (const piece of kept.read()) pieces.push(piece);
        assert.ok(Buffer.concat(pieces).equals(all));
      }
      kept.dispose();
      assert.equal(budget.used, 0);
      kept.dispose();
    }
  });
});

describe('verify/door', () => {
  const message = `${head('ann@bob.test')}\r\nHello.\r\n`;
  it('refuses who is listed, before the message, but not to the postmaster', async () => {
    const world = await InboundWorld.open({ settings: { dnsbl: ['bl.test'] }, records: { 'A 1.2.0.192.bl.test': ['127.0.0.2'] } });
    const told = await world.send(message);
    assert.equal(told.error?.smtp, '550 5.7.1');
    assert.match(told.error!.message, /192\.0\.2\.1 is listed by bl\.test/);
    assert.equal((await world.send(message, { recipients: ['Postmaster@here.test'] })).error, null);
    assert.equal((await world.send(message, { remote: '192.0.2.2' })).error, null);
    assert.equal(world.count('dnsbl', 'listed'), 2);
  });

  it('only scores who is listed if so set', async () => {
    const world = await InboundWorld.open({ settings: { dnsbl: ['bl.test', 'bl2.test'], dnsblAction: 'score' }, records: { 'A 1.2.0.192.bl.test': ['127.0.0.2'], 'A 1.2.0.192.bl2.test': ['127.0.0.2'] } });
    const told = await world.send(message);
    assert.deepEqual([told.error, told.junk], [null, true]);
    assert.match(told.fields, /listed 8/);
  });

  it('greylists, with a code that makes servers come back', async () => {
    const { clock, move } = handClock();
    const world = await InboundWorld.open({ settings: { greylist: true }, clock });
    assert.equal((await world.send(message)).error?.smtp, '451 4.7.1');
    assert.equal((await world.send(message, { recipients: ['postmaster@here.test'] })).error, null);
    move(6 * MINUTE);
    assert.equal((await world.send(message)).error, null);
  });

  it('limits connections and messages of an address', async () => {
    const world = await InboundWorld.open({ settings: { ratePerMinute: 3 }, clock: handClock().clock });
    assert.equal((await world.send(message)).error, null); // one connection, one message
    const visit = world.visit();
    assert.throws(() => visit.mail(), (e: Error & { smtp?: string }) => e.smtp === '451 4.7.1');
    assert.throws(() => world.visit(), (e: Error & { smtp?: string }) => e.smtp === '421 4.7.0');
    assert.equal((await world.send(message, { remote: '198.51.100.1' })).error, null);
  });

  it('limits open connections of a network, and has room again', async () => {
    const world = await InboundWorld.open({ limits: { smtp_connections_per_network_max: 3 } });
    const open = [1, 2, 3].map((i) => world.visit(`192.0.2.${i}`));
    assert.throws(() => world.visit('192.0.2.4'), /too many connections/);
    world.visit('192.0.3.1');
    open[0].close();
    world.visit('192.0.2.4');
  });

  it('lets those wait who guess recipients', async () => {
    const { clock, slept } = handClock();
    const world = await InboundWorld.open({ clock });
    const visit = world.visit();
    for (let i = 0; i < 8; i++) await visit.stall();
    assert.deepEqual(slept, [1000, 2000, 4000, 8000, 10_000, 10_000]);
  });
});
