// A disk store whose disk is full: nobody is told that something was stored, what is there is still read, and all goes on
// when there is room again.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { message } from './mail.ts';
import { Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';
import { skip } from './tools.ts';

const DISK = '24m';

describe('real: a full disk', function () {
  this.timeout(60_000);
  let site: Site | null = null;
  let disk = '';
  let mounted = false;
  let ann: Person;
  let replica: Replica;
  before(async function () {
    if (process.getuid?.() !== 0 || process.platform !== 'linux') skip(this, 'needs root on Linux, to mount a small file system (run the tests as root)');
    site = new Site();
    disk = join(site.folder, 'disk');
    mkdirSync(disk);
    const made = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', disk], { encoding: 'utf8' });
    if (made.status !== 0) skip(this, `a small file system can not be mounted here (${made.stderr?.trim() || made.error})`);
    mounted = true;
    site.settings.COLOMBIER_STORE = `disk:${disk}/store`;
    ({ ann } = await site.people('ann'));
    replica = await site.start();
  });
  after(async () => {
    await replica?.stop('SIGKILL');
    if (mounted) spawnSync('umount', [disk]);
    await site?.end();
  });

  const ballast = () => join(disk, 'ballast');
  /** Takes all room, to the last block and the last inode's worth. */
  function fill(): void {
    const fd = openSync(ballast(), 'a');
    try {
      for (let bytes = 1 << 20; bytes >= 512; ) {
        try {
          if (writeSync(fd, Buffer.alloc(bytes, 1)) < bytes) bytes >>= 1;
        } catch {
          bytes >>= 1;
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  it('SMTP and LMTP say 451 or 452, IMAP says NO [UNAVAILABLE], reading goes on, and with room all goes on', async () => {
    const [smtp, lmtp, imap] = [await replica.sender('smtp'), await replica.sender(), await replica.client(ann)];
    await smtp.stored(ann.address, message('before', 50_000));
    await imap.ok('SELECT INBOX');
    fill();
    const late = message('late', 40_000);
    for (const mail of [smtp, lmtp]) {
      assert.match(String(await mail.deliver(ann.address, late)), /^45[12] 4\./);
      assert.match(String(await mail.deliver(ann.address, message('tiny', 1))), /^45[12] 4\./);
    }
    const refused = async (command: string | Buffer) => {
      const { status, text } = await imap.command(command);
      assert.match(`${status} ${text}`, /^NO \[UNAVAILABLE\] /, String(command).slice(0, 50));
    };
    await refused('STORE 1 +FLAGS (\\Seen)');
    await refused('CREATE Later');
    await refused('COPY 1 Archive');
    const append = message('append', 30_000);
    await refused(Buffer.concat([Buffer.from(`APPEND INBOX {${append.length}+}\r\n`), append]));
    // What is there is shown, and what was refused isn't.
    await imap.ok('EXAMINE INBOX');
    const rows = await imap.ok('FETCH 1:* (FLAGS BODY.PEEK[])');
    assert.equal(rows.length, 1);
    assert.match(rows[0], /token before\./);
    assert.doesNotMatch(rows[0], /\\Seen/);
    assert.equal(readdirSync(join(disk, 'store', 'tmp')).length, 0);

    // Another replica can't start, and says why.
    const other = await site!.command(['serve'], '', { COLOMBIER_SMTP_PORT: '0', COLOMBIER_LMTP_PORT: '0', COLOMBIER_IMAP_PORT: '0', COLOMBIER_IMAPS_PORT: '0', COLOMBIER_HTTP_PORT: '0', COLOMBIER_SUBMISSION_PORT: '0', COLOMBIER_SUBMISSIONS_PORT: '0' });
    assert.equal(other.status, 1);
    assert.match(other.err, /^colombier: store not available: .*disk is full/m);
    assert.doesNotMatch(other.err, /\n\s+at /);

    rmSync(ballast());
    await until(async () => String(await smtp.deliver(ann.address, late)).startsWith('250'), 10_000, () => `not stored: ${replica.log}`);
    await imap.ok('SELECT INBOX');
    await imap.ok('STORE 1 +FLAGS (\\Seen)');
    await imap.append('INBOX', append);
    await imap.ok('CREATE Later');
    const all = (await imap.ok('FETCH 1:* (BODY.PEEK[])')).map((row) => /^token (.*)\.\r$/m.exec(row)![1]);
    assert.deepEqual(all.sort(), ['append', 'before', 'late']);
    assert.doesNotMatch(replica.log, / - bug |\n\s+at /);
    assert.match(replica.log, /disk is full/);
    for (const talk of [smtp, lmtp, imap]) talk.close();
    assert.equal(await replica.stop(), 0);
    const ended = await site!.command(['check', ann.address, '--password-stdin'], `${ann.password}\n`);
    assert.equal(ended.status, 0, ended.out + ended.err);
  });
});
