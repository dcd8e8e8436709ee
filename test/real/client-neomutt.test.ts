// neomutt, at a terminal, with keys that are pressed for it: reads, searches, flags, copies, moves, deletes, writes.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { line, mbox, serverShelf } from './agreement.ts';
import { message } from './mail.ts';
import { Relay } from './relay.ts';
import { Site } from './site.ts';
import type { Person, Replica } from './site.ts';
import { needs, run } from './tools.ts';

describe('real: neomutt', function () {
  this.timeout(120_000);
  let site: Site;
  let ann: Person;
  let replica: Replica;
  let relay: Relay;
  before(async function () {
    needs(this, 'neomutt', ['-v'], 'apt install neomutt');
    needs(this, 'script', ['--version'], 'apt install bsdutils');
    site = new Site();
    ({ ann } = await site.people('ann'));
    replica = await site.start();
    relay = await Relay.start(replica.imap);
  });
  after(async () => {
    await relay?.end();
    await site?.end();
  });

  /** Opens a mailbox, presses these keys, leaves. */
  async function press(mailbox: string, ...keys: string[]): Promise<void> {
    const folder = join(site.folder, 'neomutt');
    for (const part of ['headers', 'bodies']) mkdirSync(join(folder, part), { recursive: true });
    const editor = join(folder, 'editor');
    writeFileSync(editor, '#!/bin/sh\necho "Written at a terminal." >> "$1"\n');
    chmodSync(editor, 0o755);
    const rc = [
      `set folder = "imap://127.0.0.1:${relay.port}/"`, `set imap_user = "${ann.address}"`, `set imap_pass = "${ann.password}"`, 'set imap_authenticators = "login"',
      `set spool_file = "+${mailbox}"`, 'set ssl_starttls = no', 'set ssl_force_tls = no', 'set imap_condstore = yes', 'set imap_qresync = yes', 'set imap_idle = yes',
      `set header_cache = "${folder}/headers"`, `set message_cachedir = "${folder}/bodies"`, `set tmpdir = "${folder}"`,
      `set from = "${ann.address}"`, 'set sendmail = "/bin/true"', 'set record = "+Sent"', 'set postponed = "+Drafts"', 'set copy = yes', 'set postpone = yes',
      `set editor = "${editor}"`, 'set fast_reply = yes', 'set abort_nosubject = no', 'set abort_unmodified = no', 'set autoedit = yes', 'set edit_headers = no',
      'set quit = yes', 'set delete = yes', 'set confirm_append = no', 'set confirm_create = no', 'set wait_key = no', 'set mark_old = no', 'set move = no', 'set help = no',
      'set mbox_type = mbox', 'set sleep_time = 0', 'set pager = builtin', 'unset resolve', 'set delete_untag = yes', 'set beep = no',
      `push '${[...keys, '<sync-mailbox>', '<quit>'].join('')}'`, '',
    ];
    writeFileSync(join(folder, 'rc'), rc.join('\n'), { mode: 0o600 });
    const ran = await run('script', ['-qec', `neomutt -F ${join(folder, 'rc')}`, '/dev/null'], { env: { HOME: folder, TERM: 'vt100', LINES: '40', COLUMNS: '120' } });
    assert.equal(ran.status, 0, ran.out.slice(-3000));
  }

  /** All messages of the mailbox as neomutt has them. */
  async function had(mailbox: string): Promise<string[]> {
    const file = join(site.folder, 'neomutt.mbox');
    rmSync(file, { force: true });
    await press(mailbox, '<tag-pattern>~A<enter>', `<tag-prefix><copy-message><kill-line>${file}<enter>`);
    return mbox(file);
  }
  const chosen = (pattern: string, key: string) => `<untag-pattern>~A<enter><tag-pattern>${pattern}<enter><tag-prefix>${key}`;

  it('makes the full round, and after it has what the server has, also at another replica', async () => {
    const imap = await replica.client(ann);
    for (let i = 0; i < 10; i++) await imap.append('INBOX', message(`nm-${i}`, 200 + 2000 * i), i % 2 === 0 ? '\\Seen' : '');
    assert.deepEqual(await had('INBOX'), (await serverShelf(imap)).INBOX);

    await press('INBOX', chosen('=b "token nm-3."', '<flag-message>'), chosen('~s "about nm-1$"', '<clear-flag>N'), chosen('~s "nm-[45]$"', '<save-message><kill-line>=Archive<enter>'));
    await press('INBOX', chosen('~s nm-6', '<copy-message><kill-line>=Archive<enter>'), chosen('~s nm-7', '<delete-message>'));
    await press('INBOX', `<mail>you@elsewhere.example<enter>written<enter>`, '<send-message>', '<mail>me@elsewhere.example<enter>draft<enter>', '<postpone-message>');
    const shelf = await serverShelf(imap);
    const row = (n: number, ...flags: string[]) => line(message(`nm-${n}`, 200 + 2000 * n).toString('latin1'), flags);
    assert.deepEqual(shelf.INBOX, [row(0, '\\Seen'), row(1, '\\Seen'), row(2, '\\Seen'), row(3, '\\Flagged'), row(6, '\\Seen'), row(8, '\\Seen'), row(9)]);
    assert.deepEqual(shelf.Archive, [row(4, '\\Seen'), row(5), row(6, '\\Seen')]);
    assert.deepEqual([shelf.Sent.length, shelf.Drafts.length], [1, 1]);

    // The server changes behind its caches: what went and what came is learnt by QRESYNC.
    await imap.ok('SELECT INBOX');
    await imap.ok('STORE 1 +FLAGS (\\Answered)');
    await imap.ok('STORE 2 +FLAGS (\\Deleted)');
    await imap.ok('EXPUNGE');
    await imap.append('INBOX', message('nm-new'));
    for (const mailbox of ['INBOX', 'Archive']) assert.deepEqual(await had(mailbox), (await serverShelf(imap))[mailbox]);

    const other = await site.start();
    await replica.stop('SIGKILL');
    relay.to = other.imap;
    await (await other.sender()).stored(ann.address, message('nm-late'));
    assert.deepEqual(await had('INBOX'), (await serverShelf(await other.client(ann))).INBOX);
    await press('INBOX', chosen('~A', '<delete-message>'));
    assert.equal((await serverShelf(await other.client(ann))).INBOX, undefined);
  });
});
