// SIGTERM while mail comes in and flags change: every sender gets a true answer, every session a BYE, status 0.
import assert from 'node:assert/strict';
import { Closed } from './imap.ts';
import { message } from './mail.ts';
import { Site, sleep, until } from './site.ts';
import type { Person, Replica } from './site.ts';

describe('real: SIGTERM under load', function () {
  this.timeout(60_000);
  let site: Site;
  let ann: Person;
  let replica: Replica;
  before(async () => {
    site = new Site();
    ({ ann } = await site.people('ann'));
    replica = await site.start();
  });
  after(() => site.end());

  it('gives every transaction a true answer, says BYE and exits 0', async () => {
    const idle = await replica.client(ann);
    await idle.ok('SELECT INBOX');
    await idle.idle();
    const busy = await replica.client(ann);
    const uid = await busy.append('INBOX', message('first'));
    await busy.ok('SELECT INBOX');
    const clear = await replica.client();
    // A sender in the middle of its message: it may end it within the time of the drain.
    const slow = await replica.sender('smtp');
    for (const line of [`MAIL FROM:<slow@elsewhere.example>`, `RCPT TO:<${ann.address}>`]) assert.match((await slow.say(line))!, /^250/);
    assert.match((await slow.say('DATA'))!, /^354/);
    const slowMessage = message('slow', 4000);
    slow.socket.write(slowMessage.subarray(0, 2000));
    const unused = await replica.sender('smtp');

    let stopping = false;
    const answered = new Map<string, string | null>();
    let n = 0;
    const deliver = async (i: number) => {
      const mail = await replica.sender(i % 2 === 0 ? 'smtp' : 'lmtp');
      for (;;) {
        const token = `load-${n++}`;
        const answer = await mail.deliver(ann.address, message(token, 3000));
        answered.set(token, answer);
        if (!answer?.startsWith('250')) return;
      }
    };
    let flags = 0;
    const change = async () => {
      for (;;) {
        const answer = await busy.command(`UID STORE ${uid} +FLAGS (f${flags})`).catch((e) => (e instanceof Closed ? null : Promise.reject(e)));
        if (answer?.status !== 'OK') return;
        flags++;
      }
    };
    const lanes = [0, 1, 2, 3].map(deliver);
    const changing = change();
    await until(() => answered.size > 30 && flags > 10, 20_000);
    stopping = true;
    const stopped = replica.stop('SIGTERM');
    await until(() => / stopping /.test(replica.log));
    slow.socket.write(Buffer.concat([slowMessage.subarray(2000), Buffer.from('.\r\n')]));
    assert.match(String(await slow.reply()), /^250/);
    assert.equal(await stopped, 0, replica.log);
    assert.ok(stopping);
    await Promise.all([...lanes, changing]);
    for (const talk of [idle, busy, clear]) await talk.hears(/^BYE /, 1000);
    assert.match(String(await unused.reply()), /^421 4\.3\.2/);
    assert.doesNotMatch(replica.log, / (error|bug) /);

    // What was answered 250 is there, once; what was answered 4xx isn't; who got no answer had not sent a whole message.
    const next = await site.start();
    const reader = await next.client(ann);
    await reader.ok('SELECT INBOX');
    const rows = await reader.ok('FETCH 1:* (FLAGS BODY.PEEK[])');
    const there = rows.map((row) => /^token (.*)\.\r$/m.exec(row)![1]).sort();
    const stored = ['first', 'slow', ...[...answered].filter(([, answer]) => answer?.startsWith('250')).map(([token]) => token)].sort();
    assert.deepEqual(there, stored);
    const first = rows.find((row) => row.includes('token first.'))!;
    for (let i = 0; i < flags; i++) assert.match(first, new RegExp(`[( ]f${i}[ )]`));
    for (const [token, answer] of answered) assert.ok(answer === null || /^(250|4\d\d)/.test(answer), `${token}: ${answer}`);
    reader.close();
    assert.equal(await next.stop('SIGINT'), 0);
  });

  it('a second SIGTERM ends it at once, and nothing that was acknowledged is lost', async () => {
    const one = await site.start();
    // A sender that never ends its message would hold the first one up.
    const slow = await one.sender('smtp');
    for (const line of ['MAIL FROM:<slow@elsewhere.example>', `RCPT TO:<${ann.address}>`, 'DATA']) await slow.say(line);
    slow.socket.write('Subject: half');
    const answered: string[] = [];
    let n = 0;
    const lanes = [0, 1, 2].map(async (i) => {
      const mail = await one.sender(i === 0 ? 'smtp' : 'lmtp');
      for (;;) {
        const token = `second-${n++}`;
        const answer = await mail.deliver(ann.address, message(token, 3000));
        if (answer?.startsWith('250')) answered.push(token);
        else return;
      }
    });
    await until(() => answered.length > 10, 20_000);
    const ended = one.stop('SIGTERM');
    await until(() => / stopping /.test(one.log));
    await sleep(1200); // one press of Ctrl-C may come twice within a second
    assert.ok(one.running, 'the open transaction was not waited for');
    process.kill(one.pid, 'SIGTERM');
    assert.equal(await ended, 1);
    assert.match(one.log, /ended at once/);
    await Promise.all(lanes);
    const next = await site.start();
    const reader = await next.client(ann);
    await reader.ok('SELECT INBOX');
    const rows = (await reader.ok('FETCH 1:* (BODY.PEEK[TEXT])')).join('\n');
    for (const token of answered) assert.ok(rows.includes(`token ${token}.`), token);
    reader.close();
    assert.equal(await next.stop(), 0);
  });

  it('stop here and start there under load: senders and mail apps go on at the other one, and nobody misses anything', async () => {
    let here = await site.start();
    const stored: string[] = [];
    let over = false;
    let n = 0;
    const deliver = async () => {
      while (!over) {
        const token = `move-${n++}`;
        for (let done = false; !done; ) {
          const answer = await here.sender('lmtp').then((mail) => mail.deliver(ann.address, message(token, 3000)).finally(() => mail.close()), () => null);
          done = answer?.startsWith('250') ?? false;
          if (!done) await sleep(50);
        }
        stored.push(token);
      }
    };
    const lanes = [deliver(), deliver()];
    for (let i = 1; i <= 3; i++) {
      await until(() => stored.length > 8 * i, 30_000);
      const there = await site.start();
      const old = here;
      here = there;
      assert.equal(await old.stop('SIGTERM'), 0, old.log);
    }
    over = true;
    await Promise.all(lanes);
    const reader = await here.client(ann);
    await reader.ok('SELECT INBOX');
    const rows = await reader.ok('FETCH 1:* (BODY.PEEK[TEXT])');
    const times = (token: string) => rows.filter((row) => row.includes(`token ${token}.`)).length;
    assert.deepEqual(stored.filter((token) => times(token) !== 1), []);
    reader.close();
    assert.equal(await here.stop(), 0);
  });
});
