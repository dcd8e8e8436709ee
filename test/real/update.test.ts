// Moving to a new release: each release's store is read by every later one, and during a rolling update old and new
// replicas work side by side.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { frozen, releases, root, seenBy, thaw } from './release.ts';
import type { Frozen } from './release.ts';
import { message } from './mail.ts';
import { freePorts } from '../ports.ts';
import { Sink, submit } from './sink.ts';
import { Site, until } from './site.ts';
import type { Person, Replica, Settings } from './site.ts';

describe('real: the store of a release', () => {
  it('is kept of every release since the first', () => assert.ok(releases().includes('0.1.0')));

  for (const version of releases()) {
    describe(version, () => {
      let site: Site;
      let release: Frozen;
      beforeEach(() => {
        site = new Site();
        release = frozen(version);
        thaw(release, site);
      });
      afterEach(() => site.end());

      it('is opened: the same mail under the same UIDs, by password and app password, and it goes on', async function () {
        this.timeout(60_000);
        const { person } = release;
        const replica = await site.start();
        const imap = await replica.client(person);
        assert.deepEqual(await seenBy(imap), release.seen);
        const phone = await replica.client({ address: person.address, password: release.appPassword });
        await phone.ok('SELECT INBOX');
        const messages = Number(/^(\d+) EXISTS/.exec(release.seen.INBOX.find((line) => / EXISTS$/.test(line))!)![1]);
        const uidNext = Number(/UIDNEXT (\d+)/.exec(release.seen.INBOX.join('\n'))![1]);
        await (await replica.sender()).stored(person.address, message('after the update'));
        await phone.ok('NOOP');
        const uids = (await phone.ok('UID SEARCH ALL'))[0].split(' ').slice(1).map(Number);
        assert.equal(uids.length, messages + 1);
        assert.ok(uids.at(-1)! >= uidNext, `UID ${uids.at(-1)} after UIDNEXT ${uidNext}`);
        await phone.ok(`UID STORE ${uids[0]} +FLAGS (\\Answered)`);
        const list = await site.command(['check', person.address, '--password-stdin'], `${person.password}\n`);
        assert.match(list.out, /all is well/);
        assert.equal(await replica.stop(), 0);
      });

      it('is worked on by old and new replicas side by side', async function () {
        this.timeout(90_000);
        const old = oldRelease(release);
        if (old === null) return this.skip();
        try {
          const { person } = release;
          const [before, after] = [await site.start({ main: join(old, 'bin/colombier.mjs') }), await site.start()];
          const pair: Replica[] = [before, after];
          const clients = [await before.client(person), await after.client(person)];
          for (const c of clients) await c.ok('SELECT INBOX');
          for (let i = 0; i < 10; i++) {
            await (await pair[i % 2].sender()).stored(person.address, message(`side by side ${i}`));
            await clients[(i + 1) % 2].ok('NOOP');
            const [row] = await clients[(i + 1) % 2].ok('UID SEARCH ALL');
            const last = Number(row.split(' ').at(-1));
            await clients[(i + 1) % 2].ok(`UID STORE ${last} +FLAGS (\\Seen)`);
          }
          await clients[0].ok('CREATE Both');
          await clients[1].ok('COPY 1 Both');
          const same = async () => {
            const [a, b] = [await seenBy(clients[0]), await seenBy(clients[1])];
            return JSON.stringify(a) === JSON.stringify(b) ? a : false;
          };
          const seen = await until(same, 20_000, () => 'they never show the same');
          assert.equal(seen.INBOX.filter((line) => /side by side|FETCH \(/.test(line)).length >= 10, true);
          // The old one goes, the next new one comes, and nothing has changed.
          assert.equal(await before.stop(), 0);
          const next = await site.start();
          assert.deepEqual(await seenBy(await next.client(person)), seen);
        } finally {
          rmSync(old, { recursive: true, force: true });
        }
      });

      it('has its queue and its directory worked on by old and new replicas side by side', async function () {
        this.timeout(120_000);
        const old = oldRelease(release);
        if (old === null) return this.skip();
        const sink = await Sink.start();
        const talks: { close(): void }[] = [];
        try {
          const ports = await freePorts(2);
          const settings = (i: number) => ({ COLOMBIER_SMARTHOST: sink.smarthost, COLOMBIER_SUBMISSION_PORT: String(ports[i]) });
          const main = join(old, 'bin/colombier.mjs');
          const [before, after] = [await site.start({ main, ...settings(0) }), await site.start(settings(1))];
          // Each one's command line makes users and addresses, and both know them at once.
          const { person } = release;
          const domain = person.address.split('@')[1];
          const made: Person[] = [];
          for (const [i, command] of [main, undefined].entries()) {
            const who = { address: `made${i}@${domain}`, password: `a long password ${i}` };
            const added = await site.command(['user', 'add', who.address, '--password-stdin'], `${who.password}\n`, {}, command);
            assert.equal(added.status, 0, added.err);
            const alias = await site.command(['address', 'add', `also${i}@${domain}`, who.address], '', {}, command);
            assert.equal(alias.status, 0, alias.err);
            made.push(who);
          }
          for (const replica of [before, after]) {
            const mail = await replica.sender();
            for (const [i, who] of made.entries()) {
              await mail.stored(`also${i}@${domain}`, message(`to also${i}`));
              const imap = await replica.client({ ...who, password: `"${who.password}"` });
              await imap.ok('SELECT INBOX');
              talks.push(imap);
            }
            talks.push(mail);
          }
          const removed = await site.command(['address', 'remove', `also0@${domain}`]);
          assert.equal(removed.status, 0, removed.err);
          for (const replica of [before, after]) {
            const mail = await replica.sender();
            await mail.say('MAIL FROM:<x@elsewhere.example>');
            assert.match((await mail.say(`RCPT TO:<also0@${domain}>`))!, /^550 /);
            mail.close();
          }
          // What each takes, and puts off at first, goes out once: by whichever is there.
          const expected: string[] = [];
          for (let i = 0; i < 6; i++) {
            expected.push(`side by side ${i}`);
            await submit(ports[i % 2], made[i % 2], expected[i]);
          }
          await until(() => sink.came.length === 6, 30_000, () => sink.came.join());
          sink.answer = '451 4.2.0 not now';
          for (const i of [0, 1]) {
            expected.push(`put off ${i}`);
            await submit(ports[i], made[i], `put off ${i}`);
          }
          const listed = () => site.command(['queue', 'list']);
          await until(async () => (await listed()).out.split('\n').filter((line) => /not now/.test(line)).length === 2, 30_000, () => before.log + after.log);
          sink.answer = null;
          assert.equal(await before.stop(), 0);
          const retried = await site.command(['queue', 'retry', 'all']);
          assert.equal(retried.status, 0, retried.err);
          await until(() => sink.came.length === 8, 30_000, () => sink.came.join() + after.log);
          assert.deepEqual([...sink.came].sort(), expected.sort());
          // The queue is empty for one that comes anew, old or new, and nothing goes out again.
          assert.equal(await after.stop(), 0);
          for (const more of [{ main }, {}] as Settings[]) {
            const next = await site.start({ ...more, ...settings(0) });
            assert.match((await listed()).out, /nothing waits/);
            assert.equal(await next.stop(), 0);
          }
          assert.equal(sink.came.length, 8);
        } finally {
          for (const talk of talks) talk.close();
          await sink.close();
          rmSync(old, { recursive: true, force: true });
        }
      });

      it('has snapshots of old and new replicas, which both read', async function () {
        this.timeout(120_000);
        const old = oldRelease(release);
        if (old === null) return this.skip();
        try {
          const { person } = release;
          const main = join(old, 'bin/colombier.mjs');
          const snapshots = () => readdirSync(site.store, { recursive: true }).filter((f) => /users\/[^/]+\/snapshots\/[^/]+$/.test(String(f))).map(String);
          for (const more of [{ main }, {}, { main }, {}] as Settings[]) {
            const replica = await site.start(more);
            const imap = await replica.client(person);
            await imap.ok('SELECT INBOX');
            const had = snapshots();
            for (let i = 0; i < 210; i++) await imap.ok(`STORE 1 ${i % 2 === 0 ? '+' : '-'}FLAGS (k)`);
            await until(() => snapshots().some((name) => !had.includes(name)), 20_000, () => `no snapshot: ${replica.log}`);
            assert.equal(await replica.stop(), 0);
          }
          const seen: unknown[] = [];
          for (const more of [{ main }, {}] as Settings[]) {
            const replica = await site.start(more);
            seen.push(await seenBy(await replica.client(person)));
            assert.equal(await replica.stop(), 0);
          }
          assert.deepEqual(seen[1], seen[0]);
        } finally {
          rmSync(old, { recursive: true, force: true });
        }
      });
    });
  }
});

/** The release's own code in a folder, or null (said why) where this clone does not have it. */
function oldRelease(release: Frozen): string | null {
  const has = spawnSync('git', ['cat-file', '-e', `${release.commit}^{commit}`], { cwd: root });
  if (has.status !== 0) {
    console.log(`        without the code of ${release.version} (git fetch --unshallow has it): skipped`);
    return null;
  }
  const folder = mkdtempSync(join(tmpdir(), 'colombier-old-'));
  mkdirSync(folder, { recursive: true });
  const tar = execFileSync('git', ['archive', release.commit, 'src', 'bin', 'package.json'], { cwd: root, maxBuffer: 1 << 28 });
  execFileSync('tar', ['-x', '-C', folder], { input: tar });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
