// Python's imaplib, curl and mbsync against replicas.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { line, maildirs, serverShelf } from './agreement.ts';
import type { Shelf } from './agreement.ts';
import { message } from './mail.ts';
import { Relay } from './relay.ts';
import { DOMAIN, Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';
import { needs, run } from './tools.ts';

describe('real: programs', function () {
  this.timeout(60_000);
  let site: Site;
  let people: Record<'ann' | 'bob' | 'cyd', Person>;
  let replica: Replica;
  before(async () => {
    site = new Site();
    people = await site.people('ann', 'bob', 'cyd');
    replica = await site.start();
  });
  after(() => site.end());

  /** What a program has read, in the words of the server's. */
  const shelfOf = (read: Record<string, [string, string[]][]>): Shelf =>
    Object.fromEntries(Object.entries(read).filter(([, rows]) => rows.length > 0).map(([mailbox, rows]) => [mailbox, rows.map(([text, flags]) => line(text, flags)).sort()]));

  it('imaplib makes the full round over STARTTLS and IMAPS', async function () {
    needs(this, 'python3', ['--version'], 'apt install python3');
    const script = fileURLToPath(new URL('imaplib_round.py', import.meta.url));
    const ran = await run('python3', [script, String(replica.imap), String(replica.imaps), people.ann.address], { input: `${people.ann.password}\n` });
    assert.equal(ran.status, 0, ran.err);
    const shelf = await serverShelf(await replica.client(people.ann));
    assert.deepEqual(shelfOf(JSON.parse(ran.out)), shelf);
    assert.deepEqual(Object.entries(shelf).map(([mailbox, lines]) => [mailbox, lines.length]), [['Archive', 2], ['Trash', 2]]);
  });

  describe('curl', () => {
    const password = (person: Person) => `user = "${person.address}:${person.password}"\n`;
    const curl = (person: Person | null, ...words: string[]) => run('curl', ['-s', '-S', '-k', '--max-time', '20', ...(person ? ['-K', '-'] : []), ...words], { input: person ? password(person) : '' });
    before(function () {
      needs(this, 'curl', ['--version'], 'apt install curl');
    });

    it('brings mail by SMTP with STARTTLS and by APPEND, and reads it', async () => {
      const bob = people.bob;
      const file = join(site.folder, 'one.eml');
      writeFileSync(file, message('curl-smtp', 20_000));
      const sent = await curl(null, `smtp://127.0.0.1:${replica.smtp}`, '--ssl-reqd', '--mail-from', 'you@elsewhere.example', '--mail-rcpt', bob.address, '-T', file);
      assert.equal(sent.status, 0, sent.err);
      const base = `imap://127.0.0.1:${replica.imap}`;
      const got = await curl(bob, '--ssl-reqd', `${base}/INBOX;MAILINDEX=1`);
      assert.equal(got.status, 0, got.err);
      assert.match(got.out, new RegExp(`^Return-Path: <you@elsewhere\\.example>\r\n(Delivered-To: .*\r\n)?Received: from `));
      assert.ok(got.out.endsWith(message('curl-smtp', 20_000).toString('latin1')));
      assert.equal((await curl(bob, '-T', file, `imaps://127.0.0.1:${replica.imaps}/Drafts`)).status, 0);
      assert.equal((await curl(bob, `${base}/Drafts;MAILINDEX=1;SECTION=TEXT`)).out, message('curl-smtp', 20_000).toString('latin1').split('\r\n\r\n').slice(1).join('\r\n\r\n'));
      assert.match((await curl(bob, base)).out, /\* LIST \(.*\\Sent.*\) "\/" "?Sent"?/);
      assert.equal((await curl(bob, `${base}/INBOX?SUBJECT%20curl-smtp`)).out, '* SEARCH 1\r\n');
      assert.match((await curl(bob, '-X', 'STATUS INBOX (MESSAGES)', base)).out, /MESSAGES 1/);
      const read: Record<string, [string, string[]][]> = {};
      for (const [, mailbox] of (await curl(bob, base)).out.matchAll(/ "\/" "?([^"\r]*)"?\r$/gm)) {
        // The flags of all messages first: to fetch one by its address is to see it.
        const flags = [...(await curl(bob, '-X', 'FETCH 1:* (FLAGS)', `${base}/${mailbox}`)).out.matchAll(/FLAGS \(([^)]*)\)/g)].map((m) => m[1].split(' '));
        read[mailbox] = [];
        for (const [i, those] of flags.entries()) read[mailbox].push([(await curl(bob, `${base}/${mailbox};MAILINDEX=${i + 1};SECTION=`)).out, [...new Set([...those, '\\Seen'])]]);
      }
      const shelf = await serverShelf(await replica.client(bob));
      assert.deepEqual(shelfOf(read), shelf);
      assert.deepEqual([shelf.INBOX.length, shelf.Drafts.length], [1, 1]);
    });

    it('is told of an unknown user, of relaying and of a wrong password', async () => {
      const file = join(site.folder, 'two.eml');
      writeFileSync(file, message('curl-no'));
      const refused = (to: string) => curl(null, '-v', `smtp://127.0.0.1:${replica.smtp}`, '--mail-from', 'you@elsewhere.example', '--mail-rcpt', to, '-T', file);
      assert.match((await refused(`nobody@${DOMAIN}`)).err, /550 5\.1\.1/);
      assert.match((await refused('x@other.example')).err, /550 5\.7\.1/);
      assert.equal((await curl({ ...people.bob, password: 'wrong' }, `imap://127.0.0.1:${replica.imap}`)).status, 67);
    });
  });

  describe('mbsync', () => {
    before(function () {
      needs(this, 'mbsync', ['--version'], 'apt install isync');
    });
    const folder = () => join(site.folder, 'local');

    /** Two-way, with full state; gives what it has transferred: counted in its own record of the talk. */
    async function sync(at: { imap: number }): Promise<{ fetched: number; appended: number; stored: number }> {
      const rc = join(site.folder, 'mbsyncrc');
      const lines = [
        'IMAPAccount cyd', 'Host 127.0.0.1', `Port ${at.imap}`, 'SSLType None', 'AuthMechs LOGIN', `User ${people.cyd.address}`, `PassCmd "cat ${join(site.folder, 'password')}"`, '',
        'IMAPStore far', 'Account cyd', '', 'MaildirStore near', `Path ${folder()}/`, `Inbox ${folder()}/INBOX`, 'SubFolders Verbatim', '',
        'Channel all', 'Far :far:', 'Near :near:', 'Patterns *', 'Create Both', 'Remove Both', 'Expunge Both', 'SyncState *', 'Sync All', '',
      ];
      writeFileSync(rc, lines.join('\n'), { mode: 0o600 });
      writeFileSync(join(site.folder, 'password'), people.cyd.password, { mode: 0o600 });
      mkdirSync(folder(), { recursive: true });
      const ran = await run('mbsync', ['-Dn', '-c', rc, 'all']);
      const text = ran.out + ran.err;
      assert.equal(ran.status, 0, text);
      const count = (what: RegExp) => text.split('\n').filter((line) => />>> \d+ /.test(line) && what.test(line)).length;
      assert.ok(count(/ SELECT /) >= 2, text);
      return { fetched: count(/FETCH .*BODY\.PEEK\[\]/), appended: count(/ APPEND /), stored: count(/ STORE /) };
    }
    const nothing = { fetched: 0, appended: 0, stored: 0 };
    const files = (mailbox: string) => ['new', 'cur'].flatMap((d) => readdirSync(join(folder(), mailbox, d)).map((f) => join(folder(), mailbox, d, f)));

    it('syncs both ways, then transfers nothing, also not at another replica after a kill', async () => {
      const imap = await replica.client(people.cyd);
      for (let i = 0; i < 30; i++) await imap.append(i % 3 === 0 ? 'Archive' : 'INBOX', message(`mb-${i}`, 300 + 400 * i), i % 2 === 0 ? '\\Seen' : '');
      assert.deepEqual(await sync(replica), { ...nothing, fetched: 30 });
      assert.equal(files('INBOX').length, 20);
      assert.ok(files('Archive').some((f) => readFileSync(f, 'latin1').includes('token mb-3.')));
      assert.deepEqual(maildirs(folder()), await serverShelf(imap));
      assert.deepEqual(await sync(replica), nothing);

      // Both sides change: a flag and a new message here, a flag, a removal and a new message there.
      const [one] = files('INBOX').filter((f) => f.endsWith(':2,S'));
      renameSync(one, one.replace(/:2,S$/, ':2,FS'));
      writeFileSync(join(folder(), 'Archive', 'new', '1600000000.1_1.localhost'), message('from-near').toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
      await imap.append('INBOX', message('from-far'));
      await imap.ok('SELECT INBOX');
      await imap.ok('STORE 1 +FLAGS (\\Deleted)');
      await imap.ok('EXPUNGE');
      await imap.ok('STORE 3 +FLAGS (\\Answered)');
      assert.deepEqual(await sync(replica), { fetched: 1, appended: 1, stored: 1 });
      const flagged = await imap.ok('SEARCH FLAGGED');
      assert.match(flagged.join('\n'), /^SEARCH \d+$/m);
      await imap.ok('EXAMINE Archive');
      assert.match((await imap.ok('SEARCH TEXT "token from-near."')).join(), /SEARCH \d+/);
      const agreed = await serverShelf(imap);
      assert.deepEqual([agreed.INBOX.length, agreed.Archive.length], [20, 11]);
      assert.deepEqual(maildirs(folder()), agreed);
      assert.deepEqual(await sync(replica), nothing);

      const other = await site.start();
      await replica.stop('SIGKILL');
      assert.deepEqual(await sync(other), nothing);
      const late = await other.sender();
      await late.stored(people.cyd.address, message('after-kill'));
      assert.deepEqual(await sync(other), { ...nothing, fetched: 1 });
      assert.deepEqual(maildirs(folder()), await serverShelf(await other.client(people.cyd)));
      replica = other;
    });

    it('goes on at the other replica when its own is killed in the middle, and nothing is there twice', async () => {
      const COUNT = 100;
      const before = files('INBOX').length;
      const other = await site.start();
      const imap = await other.client(people.cyd);
      for (let i = 0; i < COUNT; i++) {
        await imap.append('INBOX', message(`far-${i}`, 20_000));
        writeFileSync(join(folder(), 'Archive', 'new', `1600000001.${i}_1.localhost`), message(`near-${i}`, 5000).toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
      }
      const relay = await Relay.start(replica.imap);
      try {
        // It ends without its server, in the middle of what it carries.
        const cut = sync({ imap: relay.port }).then(() => true, () => false);
        await until(() => files('INBOX').length > before, 20_000, () => 'it carries nothing');
        await replica.stop('SIGKILL');
        assert.equal(await cut, false, 'it was killed too late');
        relay.to = other.imap;
        const { fetched, appended } = await sync({ imap: relay.port });
        assert.ok(fetched < COUNT && appended <= COUNT, `${fetched} ${appended}`);
        const shelf = await serverShelf(imap);
        assert.deepEqual(maildirs(folder()), shelf);
        for (const [mailbox, name] of [['INBOX', 'far'], ['Archive', 'near']] as const) {
          const ids = shelf[mailbox].map((text) => text.split(' ')[0]);
          assert.deepEqual(ids.filter((id) => id.startsWith(`<${name}-`)).length, COUNT);
          assert.equal(new Set(ids).size, ids.length);
        }
        assert.deepEqual(await sync({ imap: relay.port }), nothing);
      } finally {
        await relay.end();
        replica = other;
      }
    });
  });
});
