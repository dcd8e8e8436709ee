// What must hold of two replicas, on whatever store: mail and flags pass from one to the other, both show the same bytes,
// and one that is killed takes nothing with it that was acknowledged.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { everything, flagsOf } from './imap.ts';
import type { Imap } from './imap.ts';
import { message } from './mail.ts';
import type { Mail } from './mail.ts';
import { sleep, until } from './site.ts';
import type { Person, Replica, Site } from './site.ts';

/** Connections that deliver, and as many that change flags. */
const LANES = 4;
const OLD = 40;

export interface Setting {
  /** Made when the tests begin. */
  site: () => Promise<Site>;
  /** Deliveries, and flag changes, of the killed replica. */
  count: number;
}

export function twoReplicas({ site: make, count }: Setting): void {
  let site: Site;
  let people: Record<'ann' | 'bob', Person>;
  let a: Replica;
  let b: Replica;
  before(async function () {
    this.timeout(60_000);
    site = await make();
    people = await site.people('ann', 'bob');
    [a, b] = await Promise.all([site.start(), site.start()]);
  });
  after(async () => site?.end());

  it('tell each other of new mail and flags, and show the same bytes', async function () {
    this.timeout(60_000);
    const idle = await b.client(people.ann);
    await idle.ok('SELECT INBOX');
    await idle.idle();
    const smtp = await a.sender('smtp');
    const lmtp = await a.sender('lmtp');
    await smtp.stored(people.ann.address, message('by-smtp'));
    await idle.hears(/^1 EXISTS/, 5000);
    await lmtp.stored(people.ann.address, message('by-lmtp', 70_000));
    await idle.hears(/^2 EXISTS/, 5000);
    const at = await a.client(people.ann);
    await at.append('INBOX', message('by-append'), '\\Draft kw1');
    await idle.hears(/^3 EXISTS/, 5000);
    await at.ok('SELECT INBOX');
    await at.ok('STORE 1 +FLAGS (\\Seen $Forwarded)');
    const told = await idle.hears(/^1 FETCH /, 5000);
    assert.match(told, /\\Seen/);
    assert.match(told, /\$Forwarded/);
    await at.ok('STORE 2 +FLAGS.SILENT (\\Deleted)');
    await at.ok('EXPUNGE');
    await idle.hears(/^2 EXPUNGE|^VANISHED/, 5000);
    await at.ok('CREATE "Projekt &AOQ-"');
    await at.ok('COPY 1:2 "Projekt &AOQ-"');
    await at.ok('UNSELECT');
    await idle.done();
    for (const mailbox of ['INBOX', '"Projekt &AOQ-"']) {
      const [one, other] = [await everything(at, mailbox), await everything(idle, mailbox)];
      assert.ok(one.length >= 5, one.join('\n').slice(0, 500));
      assert.deepEqual(other, one);
    }
    const list = 'LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE))';
    assert.deepEqual(await idle.ok(list), await at.ok(list));
    for (const talk of [idle, smtp, lmtp, at]) talk.close();
  });

  it('lose nothing that was acknowledged when one is killed in the middle of deliveries and flag changes', async function () {
    this.timeout(120_000);
    const [sender, watch] = [await a.sender(), await b.client(people.bob)];
    for (let i = 0; i < OLD; i++) await sender.stored(people.bob.address, message(`old-${i}`));
    const [, validity] = await opened(watch);
    const before = await flagsOf(watch);
    assert.equal(before.size, OLD);
    await watch.idle();

    const tokens = Array.from({ length: count }, (_, i) => `new-${i}`);
    const todo = [...tokens];
    const unsure: string[] = [];
    const sure: string[] = [];
    const flagged: [number, string][] = [];
    const uids = [...before.keys()];
    const changes = Array.from({ length: count }, (_, i): [number, string] => [uids[i % OLD], `k${Math.floor(i / OLD)}`]);
    const deliver = async (mail: Mail) => {
      for (let token = todo.shift(); token !== undefined; token = todo.shift()) {
        const answer = await mail.deliver(people.bob.address, message(token));
        if (answer?.startsWith('250')) sure.push(token);
        else unsure.push(token);
        if (answer === null) return;
      }
    };
    const change = async (imap: Imap) => {
      for (let next = changes.shift(); next !== undefined; next = changes.shift()) {
        const answer = await imap.command(`UID STORE ${next[0]} +FLAGS (${next[1]})`).catch(() => null);
        if (answer === null) return;
        assert.equal(answer.status, 'OK', answer.text);
        flagged.push(next);
      }
    };
    const senders = await Promise.all(Array.from({ length: LANES }, (_, i) => a.sender(i % 2 === 0 ? 'smtp' : 'lmtp')));
    const clients = await Promise.all(Array.from({ length: LANES }, () => a.client(people.bob)));
    for (const client of clients) await client.ok('SELECT INBOX');
    const lanes = [...senders.map(deliver), ...clients.map(change)];
    await until(() => sure.length >= count / 2 && flagged.length >= count / 4, 60_000, () => `only ${sure.length} and ${flagged.length}`);
    assert.equal(await a.stop('SIGKILL'), 'SIGKILL');
    await Promise.all(lanes);
    assert.ok(todo.length > 0 || unsure.length > 0 || changes.length > 0, 'it was killed too late');

    // The sender repeats what got no 250, at the other replica; and gets its 250 at once.
    const again = await b.sender();
    for (const token of [...unsure, ...todo]) await again.stored(people.bob.address, message(token));
    // Some 250s were lost on the way to the sender: the same bytes come again.
    for (const token of sure.slice(-5)) await again.stored(people.bob.address, message(token));
    const told = await watch.done();
    const exists = told.filter((line) => / EXISTS/.test(line)).map((line) => Number.parseInt(line, 10));
    assert.ok(exists.length > 0 && exists.every((n, i) => i === 0 || n >= exists[i - 1] - unsure.length - 5), `EXISTS ${exists.join()}`);

    const fresh = await b.client(people.bob);
    assert.equal((await opened(fresh))[1], validity);
    const after = await flagsOf(fresh);
    for (const uid of before.keys()) assert.ok(after.has(uid), `UID ${uid} went`);
    for (const [uid, keyword] of flagged) assert.ok(after.get(uid)!.includes(keyword), `UID ${uid} lost ${keyword}`);
    assert.deepEqual(await copies(fresh), new Map([...Array.from({ length: OLD }, (_, i) => `old-${i}`), ...tokens].sort().map((token) => [token, 1])));
    // The client that was there all the time comes to the same as one that came anew: a repair may be under way.
    let [kept, anew] = [await flagsOf(watch), after];
    for (const end = performance.now() + 10_000; !isDeepStrictEqual(kept, anew) && performance.now() < end; await sleep(100)) {
      for (const one of [watch, fresh]) await one.ok('NOOP');
      [kept, anew] = [await flagsOf(watch), await flagsOf(fresh)];
    }
    assert.deepEqual(kept, anew);
    for (const uid of before.keys()) assert.ok(anew.has(uid), `UID ${uid} went`);

    a = await site.start();
    const returned = await a.client(people.bob);
    await sleep(2500); // a repair, if one is needed, is written within two seconds
    const [one, other] = [await everything(returned), await everything(fresh)];
    assert.deepEqual(one, other);
    assert.equal(one.length, OLD + count + 4);
    const more = await a.sender();
    await more.stored(people.bob.address, message('after'));
    assert.equal((await copies(fresh)).get('after'), 1);
    assert.doesNotMatch(a.log + b.log, / (error|bug) /);
    for (const talk of [watch, fresh, returned, again, more]) talk.close();
  });
}

/** Selects INBOX: EXISTS and UIDVALIDITY. */
async function opened(imap: Imap): Promise<[number, string]> {
  const lines = (await imap.ok('SELECT INBOX')).join('\n');
  return [Number(/(\d+) EXISTS/.exec(lines)![1]), /UIDVALIDITY (\d+)/.exec(lines)![1]];
}

/** How often each message's token is in INBOX, by its own bytes. */
async function copies(imap: Imap): Promise<Map<string, number>> {
  await imap.ok('SELECT INBOX');
  const rows = await imap.ok('FETCH 1:* (BODY.PEEK[])');
  const found = rows.map((row) => /^token (.*)\.\r$/m.exec(row)?.[1] ?? 'none').sort();
  const counted = new Map<string, number>();
  for (const token of found) counted.set(token, (counted.get(token) ?? 0) + 1);
  return counted;
}
