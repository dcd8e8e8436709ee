// A site without quorum: it says so within ten seconds, says BYE to nobody, and goes on by itself. And a stop while the
// store does not answer.
import assert from 'node:assert/strict';
import { garageMissing } from '../real/garage.ts';
import { Imap } from '../real/imap.ts';
import { Mail, message } from '../real/mail.ts';
import { skip } from '../real/tools.ts';
import { Cluster, SITES } from './cluster.ts';
import type { Person, SiteReplica } from './cluster.ts';

/** What is promised, and what a busy machine adds. */
const SOON_MS = 10_000;
const BUSY_MS = 5000;

describe('sites: a site without quorum', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let ann: Person;
  let cut: SiteReplica;
  let whole: SiteReplica;
  before(async function () {
    const missing = garageMissing();
    if (missing) skip(this, missing);
    // Each replica has the Garage node of its site alone: that one answers, and has no quorum.
    cluster = await Cluster.start({ people: ['ann'], endpoints: 'own' });
    [ann] = cluster.people;
    [whole, , cut] = cluster.replicas;
  });
  after(async () => cluster?.end());

  const client = async (at: SiteReplica): Promise<Imap> => {
    const imap = await Imap.connect(at.imap, false, undefined, at.host);
    await imap.ok(`LOGIN ${ann.address} ${ann.password}`, 60_000);
    return imap;
  };
  const sender = (at: SiteReplica): Promise<Mail> => Mail.connect(at.smtp, 'smtp', undefined, at.host);
  const alone = async (mode: 'silent' | 'reset' | 'open') => {
    for (const other of SITES) if (other !== cut.site) await cluster.wires.set(cut.site, other, { mode });
  };

  for (const mode of ['silent', 'reset'] as const) {
    it(`answers NO [UNAVAILABLE] and 451 in time, keeps every session, and goes on when the quorum is back (${mode})`, async () => {
      const open = await Promise.all([client(cut), client(cut), client(cut)]);
      const [idle, busy, clear] = open;
      for (const imap of [idle, busy]) await imap.ok('SELECT INBOX');
      const uid = await busy.append('INBOX', message(`before-${mode}`));
      await busy.ok('NOOP');
      await idle.idle();
      const mail = await sender(cut);
      await mail.stored(ann.address, message(`first-${mode}`, 20_000));
      await alone(mode);
      try {
        // All at once, so that they stand in each other's way as they would.
        const late: string[] = [];
        const inTime = async (what: string, answer: Promise<string>, expected: RegExp) => {
          const began = performance.now();
          const text = await answer;
          const ms = performance.now() - began;
          assert.match(text, expected, what);
          if (ms > SOON_MS + BUSY_MS) late.push(`${what}: ${Math.round(ms)} ms`);
        };
        const said = async (imap: Imap, command: string) => {
          const { status, text } = await imap.command(command, 60_000);
          return `${status} ${text}`;
        };
        const again = await client(cut).catch(() => null);
        for (let round = 0; round < 2; round++) {
          await Promise.all([
            inTime('STORE', said(busy, `UID STORE ${uid} +FLAGS (kw${round})`), /^NO \[UNAVAILABLE\]/),
            inTime('SELECT', said(clear, 'SELECT INBOX'), /^NO \[UNAVAILABLE\]/),
            inTime('delivery', mail.deliver(ann.address, message(`minority-${mode}-${round}`, 20_000), undefined, 60_000).then(String), /^451/),
            sender(cut).then((other) => inTime('another delivery', other.deliver(ann.address, message(`other-${mode}-${round}`), undefined, 60_000).then(String), /^451/)),
          ]);
          await inTime('STATUS', said(clear, 'STATUS INBOX (MESSAGES)'), /^NO \[UNAVAILABLE\]/);
          await inTime('APPEND', said(clear, `APPEND INBOX {${4}+}\r\nx: y`), /^NO \[UNAVAILABLE\]/);
          // What needs no store is answered from memory.
          await inTime('FETCH', said(busy, 'UID FETCH 1:* (FLAGS)'), /^OK/);
        }
        again?.close();
        assert.deepEqual(late, []);
        // The others have a quorum, and mail that comes there, once their Garage nodes ask the silent one no more: its connections are given up after 13 s (deploy/garage.md).
        const there = await sender(whole);
        for (const end = performance.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 500))) {
          const answer = await there.deliver(ann.address, message(`meanwhile-${mode}`), undefined, 60_000);
          if (answer?.startsWith('250')) break;
          assert.ok(performance.now() < end && answer?.startsWith('451'), String(answer));
        }
        there.close();
      } finally {
        await alone('open');
      }
      // Nobody needs to do anything: the idle session hears of what came at the others, the same connection delivers.
      for (const end = performance.now() + 90_000; ; await new Promise((resolve) => setTimeout(resolve, 500))) {
        const answer = await mail.deliver(ann.address, message(`back-${mode}`), undefined, 60_000);
        if (answer?.startsWith('250')) break;
        assert.ok(performance.now() < end && answer?.startsWith('451'), String(answer));
      }
      await idle.hears(/^\d+ EXISTS/, 60_000);
      await busy.ok('NOOP', 60_000);
      await busy.ok(`UID STORE ${uid} +FLAGS (after)`, 60_000);
      const rows = (await busy.ok('UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')).join('\n');
      for (const token of ['meanwhile', 'back', 'first']) assert.match(rows, new RegExp(`about ${token}-${mode}`));
      for (const imap of open) {
        assert.ok(!imap.closed && !imap.heard.some((line) => line.startsWith('BYE')), 'a session was ended');
        imap.close();
      }
      mail.close();
    });
  }

  it('a site without quorum stops in its time, and says what is true', async () => {
    const idle = await client(cut);
    await idle.ok('SELECT INBOX');
    await idle.idle();
    const busy = await client(cut);
    await busy.ok('SELECT INBOX');
    const mail = await sender(cut);
    await alone('silent');
    const answers = [busy.command('UID STORE 1:* +FLAGS (last)', 60_000).then((a) => a.status, () => 'closed'), mail.deliver(ann.address, message('last'), undefined, 60_000).then((a) => a?.slice(0, 3) ?? 'closed')];
    await new Promise((resolve) => setTimeout(resolve, 500));
    const began = performance.now();
    assert.equal(await cut.stop('SIGTERM'), 0, cut.log.slice(-2000));
    assert.ok(performance.now() - began < SOON_MS + BUSY_MS, `it took ${Math.round(performance.now() - began)} ms: ${cut.log.slice(-2000)}`);
    const [stored, delivered] = await Promise.all(answers);
    assert.match(stored, /^(NO|closed)$/);
    assert.match(delivered, /^(4\d\d|closed)$/);
    await idle.hears(/^BYE /, 1000);
    await alone('open');
    await cut.start();
    const imap = await client(cut);
    await imap.ok('SELECT INBOX');
    imap.close();
  });
});
