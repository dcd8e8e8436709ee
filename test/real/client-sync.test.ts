// offlineimap, two ways and through a failover. (mbsync: programs.test.ts.)
import assert from 'node:assert/strict';
import { globSync, mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { maildirs, serverShelf } from './agreement.ts';
import { message } from './mail.ts';
import { Relay } from './relay.ts';
import { Site } from './site.ts';
import type { Person, Replica } from './site.ts';
import { needs, run } from './tools.ts';

describe('real: offlineimap', function () {
  this.timeout(120_000);
  let site: Site;
  let ann: Person;
  let replica: Replica;
  let relay: Relay;
  before(async function () {
    needs(this, 'offlineimap', ['--version'], 'apt install offlineimap3');
    site = new Site();
    ({ ann } = await site.people('ann'));
    replica = await site.start();
    relay = await Relay.start(replica.imap);
  });
  after(async () => {
    await relay?.end();
    await site?.end();
  });
  const folder = () => join(site.folder, 'offline');

  /** One run, to its end; gives how many messages and flags it says that it has carried. */
  async function sync(): Promise<{ down: number; up: number; flags: number; deleted: number }> {
    const rc = join(site.folder, 'offlineimaprc');
    const lines = [
      '[general]', 'accounts = a', `metadata = ${join(site.folder, 'offline-meta')}`, 'socktimeout = 30', '',
      '[Account a]', 'localrepository = near', 'remoterepository = far', '',
      '[Repository near]', 'type = Maildir', `localfolders = ${folder()}`, '',
      '[Repository far]', 'type = IMAP', 'remotehost = 127.0.0.1', `remoteport = ${relay.port}`, `remoteuser = ${ann.address}`,
      `remotepassfile = ${join(site.folder, 'password')}`, 'ssl = no', 'starttls = no', '',
    ];
    writeFileSync(rc, lines.join('\n'), { mode: 0o600 });
    writeFileSync(join(site.folder, 'password'), ann.password, { mode: 0o600 });
    mkdirSync(folder(), { recursive: true });
    const ran = await run('offlineimap', ['-o', '-c', rc, '-u', 'basic'], { env: { HOME: site.folder } });
    const text = ran.out + ran.err;
    assert.equal(ran.status, 0, text);
    assert.doesNotMatch(text, /ERROR|Traceback/, text);
    const count = (what: RegExp) => [...text.matchAll(what)].length;
    const sum = (what: RegExp) => [...text.matchAll(what)].reduce((all, m) => all + Number(m[1] ?? 1), 0);
    return { down: count(/Copy message .* far:.+ -> near:/g), up: count(/Copy message .* near:.+ -> far:/g), flags: sum(/(?:Adding|Deleting) flag .* (?:to|from) (\d+) messages?/g), deleted: sum(/Deleting (\d+) messages?/g) };
  }
  const nothing = { down: 0, up: 0, flags: 0, deleted: 0 };
  const fileOf = (mailbox: string, token: string) => globSync(join(folder(), mailbox, '{new,cur}', '*')).find((file) => readFileSync(file, 'latin1').includes(`token ${token}.`))!;

  it('syncs both ways, and at another replica after a kill it transfers nothing again', async () => {
    const imap = await replica.client(ann);
    await imap.ok('CREATE "Alte Post"');
    for (let i = 0; i < 12; i++) await imap.append(i % 3 === 0 ? '"Alte Post"' : 'INBOX', message(`oi-${i}`, 300 + 900 * i), i % 2 === 0 ? '\\Seen' : '');
    assert.deepEqual(await sync(), { ...nothing, down: 12 });
    assert.deepEqual(maildirs(folder()), await serverShelf(imap));
    assert.deepEqual(await sync(), nothing);

    // Both sides change: flags, a removal and new messages at each.
    const seen = fileOf('INBOX', 'oi-2');
    renameSync(seen, seen.replace(/:2,.*$/, ':2,FS'));
    unlinkSync(fileOf('Alte Post', 'oi-3'));
    writeFileSync(join(folder(), 'Alte Post', 'new', '1600000000.1_1.localhost'), message('oi-near').toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
    await imap.append('INBOX', message('oi-far'), '\\Flagged');
    await imap.ok('SELECT INBOX');
    await imap.ok('STORE 4 +FLAGS (\\Answered)');
    await imap.ok('STORE 1 +FLAGS (\\Deleted)');
    await imap.ok('EXPUNGE');
    await imap.ok('UNSELECT');
    const second = await sync();
    assert.deepEqual([second.down, second.up], [1, 1]);
    assert.ok(second.flags >= 2 && second.deleted >= 2, JSON.stringify(second));
    const agreed = await serverShelf(imap);
    assert.deepEqual([agreed.INBOX.length, agreed['Alte Post'].length], [8, 4]);
    assert.deepEqual(maildirs(folder()), agreed);
    assert.deepEqual(await sync(), nothing);

    const other = await site.start();
    await replica.stop('SIGKILL');
    relay.to = other.imap;
    assert.deepEqual(await sync(), nothing);
    const late = await other.sender();
    await late.stored(ann.address, message('oi-late'));
    assert.deepEqual(await sync(), { ...nothing, down: 1 });
    assert.deepEqual(maildirs(folder()), await serverShelf(await other.client(ann)));
  });
});
