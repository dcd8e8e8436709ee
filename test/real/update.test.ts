// Moving to a new release: each release's store is read by every later one, and during a rolling update old and new
// replicas work side by side.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { frozen, releases, root, seenBy, thaw } from './release.ts';
import type { Frozen } from './release.ts';
import { message } from './mail.ts';
import { Site, until } from './site.ts';
import type { Replica } from './site.ts';

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
