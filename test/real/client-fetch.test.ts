// Programs that fetch mail and leave: getmail and fetchmail.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { line, serverShelf } from './agreement.ts';
import type { Shelf } from './agreement.ts';
import { message } from './mail.ts';
import { Relay } from './relay.ts';
import { Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';
import { needs, run } from './tools.ts';

describe('real: fetching programs', function () {
  this.timeout(120_000);
  let site: Site;
  let people: Record<'ann' | 'bob', Person>;
  let replica: Replica;
  let relay: Relay;
  before(async () => {
    site = new Site();
    people = await site.people('ann', 'bob');
    replica = await site.start();
    relay = await Relay.start(replica.imap);
  });
  after(async () => {
    await relay.end();
    await site.end();
  });

  /** A folder with a place for mail, and a program that takes one message on its standard input and puts it there when it is whole. */
  function box(folder: string): { mail: string; deliver: string } {
    const [mail, deliver] = [join(folder, 'mail'), join(folder, 'deliver')];
    mkdirSync(mail, { recursive: true });
    writeFileSync(deliver, `#!/bin/sh\nset -e\npart="$(mktemp ${folder}/part-XXXXXXXX)"\ncat > "$part"\nmv "$part" ${mail}/\n`);
    chmodSync(deliver, 0o755);
    return { mail, deliver };
  }
  const texts = (mail: string) => readdirSync(mail).map((name) => readFileSync(join(mail, name), 'latin1'));
  const tokens = (mail: string) => texts(mail).map((text) => /token (\S+)\./.exec(text)![1]).sort();
  const lines = (mail: string) => texts(mail).map((text) => line(text, [])).sort();
  /** What the server has, in lines that know no flags: to fetch a message is to see it. */
  const without = (shelf: Shelf) => Object.values(shelf).flat().map((text) => text.replace(' \\Seen', '')).sort();

  it('getmail takes what is new, once, also at another replica after a kill; then it deletes', async function () {
    needs(this, 'getmail', ['--version'], 'apt install getmail6');
    const folder = join(site.folder, 'getmail');
    const { mail, deliver } = box(folder);
    const fetch = async (remove: boolean): Promise<number> => {
      const rc = [
        '[retriever]', 'type = SimpleIMAPRetriever', 'server = 127.0.0.1', `port = ${relay.port}`, `username = ${people.ann.address}`, `password = ${people.ann.password}`,
        'mailboxes = ("INBOX", "Archive")', '[destination]', 'type = MDA_external', `path = ${deliver}`, 'allow_root_commands = true',
        '[options]', 'read_all = false', `delete = ${remove}`, 'delivered_to = false', 'received = false', '',
      ];
      writeFileSync(join(folder, 'rc'), rc.join('\n'), { mode: 0o600 });
      const ran = await run('getmail', ['--getmaildir', folder, '--rcfile', 'rc'], { env: { HOME: folder } });
      assert.equal(ran.status, 0, ran.out + ran.err);
      return Number(/(\d+) messages \(\d+ bytes\) retrieved/.exec(ran.out)![1]);
    };
    const imap = await replica.client(people.ann);
    for (let i = 0; i < 8; i++) await imap.append(i % 4 === 0 ? 'Archive' : 'INBOX', message(`gm-${i}`, 200 + 3000 * i));
    assert.equal(await fetch(false), 8);
    assert.deepEqual(lines(mail), without(await serverShelf(imap)));
    assert.equal(await fetch(false), 0);

    const other = await site.start();
    await replica.stop('SIGKILL');
    replica = other;
    relay.to = other.imap;
    assert.equal(await fetch(false), 0);
    await (await other.sender()).stored(people.ann.address, message('gm-late'));
    assert.equal(await fetch(true), 1);
    assert.deepEqual(await serverShelf(await other.client(people.ann)), {});
    assert.deepEqual(tokens(mail), [...Array.from({ length: 8 }, (_, i) => `gm-${i}`), 'gm-late'].sort());
  });

  it('fetchmail over STARTTLS takes what is not seen, keeps or empties the mailbox, and waits in IDLE', async function () {
    needs(this, 'fetchmail', ['--version'], 'apt install fetchmail');
    const folder = join(site.folder, 'fetchmail');
    const { mail, deliver } = box(folder);
    relay.to = replica.imap;
    const words = (...more: string[]) => {
      const rc = `set no syslog\npoll 127.0.0.1 protocol IMAP port ${relay.port} user "${people.bob.address}" password "${people.bob.password}" mda "${deliver}" options sslproto "auto" no sslcertck no rewrite ${more.join(' ')}\n`;
      writeFileSync(join(folder, 'rc'), rc, { mode: 0o600 });
      return ['-v', '-f', join(folder, 'rc'), '--pidfile', join(folder, 'pid')];
    };
    const env = { HOME: folder, FETCHMAILHOME: folder };
    const fetch = async (...more: string[]) => {
      const ran = await run('fetchmail', words(...more), { env });
      // 1: there was nothing to fetch.
      assert.ok(ran.status === 0 || ran.status === 1, ran.out + ran.err);
      assert.match(ran.out, /STARTTLS/);
      return readdirSync(mail).length;
    };
    const imap = await replica.client(people.bob);
    for (let i = 0; i < 4; i++) await imap.append('INBOX', message(`fm-${i}`, 200 + 5000 * i), i === 0 ? '\\Seen' : '');
    assert.equal(await fetch('keep'), 3);
    assert.equal(await fetch('keep'), 3);
    const kept = await serverShelf(imap);
    assert.ok(kept.INBOX.length === 4 && kept.INBOX.every((line) => line.endsWith(' \\Seen')), JSON.stringify(kept));
    assert.equal(await fetch('no keep', 'fetchall'), 7);
    assert.deepEqual(await serverShelf(imap), {});
    assert.deepEqual(tokens(mail), ['fm-0', 'fm-1', 'fm-1', 'fm-2', 'fm-2', 'fm-3', 'fm-3']);

    const idling = spawn('fetchmail', words('no keep', 'idle'), { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = new Promise((resolve) => idling.once('close', resolve));
    let said = '';
    idling.stdout.on('data', (d) => (said += d));
    try {
      await until(() => /> \w+ IDLE/.test(said), 20_000, () => said);
      await (await replica.sender()).stored(people.bob.address, message('fm-idle'));
      await until(() => tokens(mail).includes('fm-idle'), 20_000, () => said);
      await until(async () => (await serverShelf(imap)).INBOX === undefined, 20_000, () => said);
    } finally {
      idling.kill('SIGTERM');
      await ended;
    }
  });
});
