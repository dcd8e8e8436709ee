// Thunderbird under Xvfb: two profiles at two replicas do what people do; at each end both have what the server has.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import tls from 'node:tls';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { freePorts } from '../ports.ts';
import { Authority } from '../queue/authority.ts';
import { message } from './mail.ts';
import { Relay } from './relay.ts';
import { DOMAIN, Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';
import { Display, Thunderbird } from './thunderbird.ts';
import { needs, skip } from './tools.ts';
import { Postfix, worldMissing } from './world.ts';

interface Row {
  uid: number;
  id: string;
  flags: string[];
}

const WAIT_MS = 60_000;

/** What the server has, in the words of Thunderbird, which knows drafts by their folder. */
async function rowsAt(replica: Replica, person: Person, mailbox: string): Promise<Row[]> {
  const imap = await replica.client(person);
  await imap.ok(`EXAMINE "${mailbox}"`);
  const rows = await imap.ok('UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])');
  imap.close();
  return rows.filter((row) => / FETCH \(.*UID /.test(row)).map((row) => ({ uid: Number(/UID (\d+)/.exec(row)![1]), id: /<[^>]*>/.exec(row)![0], flags: /FLAGS \(([^)]*)\)/.exec(row)![1].split(' ').filter((flag) => flag !== '' && flag !== '\\Draft').sort() }));
}

const certificateOf = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().raw.toString('base64'));
      socket.destroy();
    });
    socket.once('error', reject);
  });

const id = (...tokens: (string | number)[]) => tokens.map((token) => `<tb-${token}@elsewhere.example>`);

describe('real: Thunderbird', function () {
  this.timeout(300_000);
  const MAILBOXES = ['INBOX', 'Archive', 'Drafts', 'Sent', 'Trash', 'Neu'];
  let site: Site;
  let ann: Person;
  let replicas: Replica[];
  let relays: Relay[] = [];
  let display: Display | null = null;
  let clients: Thunderbird[] = [];
  /** Who still serves: what the server has is asked there. */
  let alive: Replica;
  /** Where mail for others goes; null where Postfix is not installed. */
  let postfix: Postfix | null = null;

  before(async function () {
    needs(this, 'thunderbird', ['--version'], 'apt install thunderbird');
    needs(this, 'Xvfb', ['-help'], 'apt install xvfb');
    site = new Site();
    ({ ann } = await site.people('ann'));
    const submission = await freePorts(2);
    replicas = [];
    const authority = await Authority.create();
    if (worldMissing() === null) postfix = await Postfix.start({ folder: join(site.folder, 'postfix'), hostname: 'mx.away.example', domains: ['away.example'], routes: {}, tls: authority.chain(await authority.issue(['mx.away.example'])) });
    for (const port of submission) replicas.push(await site.start({ COLOMBIER_SUBMISSION_PORT: String(port), COLOMBIER_SMARTHOST: postfix === null ? '' : `127.0.0.1:${postfix.port}` }));
    relays = await Promise.all(replicas.map((replica) => Relay.start(replica.imap)));
    alive = replicas[0];
    const imap = await alive.client(ann);
    for (let i = 0; i < 8; i++) await imap.append('INBOX', message(`tb-${i}`, 300 + 2000 * i), i % 2 === 0 ? '\\Seen' : '');
    display = await Display.start();
    const shown = display;
    const started = await Promise.allSettled(['one', 'two'].map((name) => Thunderbird.start(join(site.folder, name), shown)));
    clients = started.filter((one) => one.status === 'fulfilled').map((one) => one.value);
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    await Promise.all(clients.map(async (client, i) => client.call('addAccount', ann.address, ann.password, relays[i].port, submission[i], await certificateOf(replicas[i].imaps))));
  });
  after(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await display?.end();
    for (const relay of relays) await relay.end();
    await postfix?.stop();
    await site?.end();
  });

  const serverRows = (mailbox: string) => rowsAt(alive, ann, mailbox);

  /** Waits until Thunderbird has in these mailboxes what the server has, and gives that. */
  async function agree(client: Thunderbird, mailboxes: readonly string[], refresh = true): Promise<Record<string, Row[]>> {
    const all: Record<string, Row[]> = {};
    for (const mailbox of mailboxes) {
      let difference: unknown;
      all[mailbox] = await until(async () => {
        if (refresh) await client.call('getMail', mailbox);
        const [there, here] = [await serverRows(mailbox), await client.call<Row[]>('rows', mailbox)];
        try {
          assert.deepEqual(here, there);
          return there;
        } catch (e) {
          difference = e;
          return undefined;
        }
      }, WAIT_MS, () => `${mailbox}: ${difference}`);
    }
    return all;
  }

  it('an account is added, its folders have their roles, and messages are read byte for byte', async () => {
    const [one, two] = clients;
    assert.deepEqual(await one.call('roles'), { Inbox: 'INBOX', Drafts: 'Drafts', SentMail: 'Sent', Trash: 'Trash', Junk: 'Junk', Archive: 'Archive' });
    const [first] = await Promise.all([agree(one, ['INBOX']), agree(two, ['INBOX'])]);
    assert.equal(first.INBOX.length, 8);
    for (const n of [1, 7]) {
      const text = await one.call<string>('source', 'INBOX', id(n)[0]);
      assert.ok(text.endsWith(message(`tb-${n}`, 300 + 2000 * n).toString('latin1')), text.slice(0, 300));
    }
  });

  it('flags, tags, copies, moves and removals of one profile reach the other, at the other replica', async () => {
    const [one, two] = clients;
    await one.call('makeFolder', 'Neu');
    await one.call('read', 'INBOX', id(1));
    await one.call('read', 'INBOX', id(0), false);
    await one.call('star', 'INBOX', id(2));
    await one.call('tag', 'INBOX', id(3), '$label1');
    await one.call('copy', 'INBOX', id(4), 'Neu');
    await one.call('copy', 'INBOX', id(5), 'Archive', true);
    await one.call('remove', 'INBOX', id(6));
    const seen = await agree(one, MAILBOXES);
    const flags = (mailbox: string) => Object.fromEntries(seen[mailbox].map((row) => [/tb-([^@]*)/.exec(row.id)?.[1] ?? '?', row.flags.join(' ')]));
    assert.deepEqual(flags('INBOX'), { 0: '', 1: '\\Seen', 2: '\\Flagged \\Seen', 3: '$label1', 4: '\\Seen', 7: '' });
    assert.deepEqual([flags('Neu'), flags('Archive'), flags('Trash')], [{ 4: '\\Seen' }, { 5: '' }, { 6: '\\Seen' }]);
    await two.call('discover');
    assert.deepEqual(await agree(two, MAILBOXES), seen);
    await two.call('star', 'INBOX', id(2), false);
    await two.call('remove', 'Trash', id(6), true);
    await two.call('compact', 'Trash');
    const after = await agree(two, MAILBOXES);
    assert.deepEqual(await agree(one, MAILBOXES), after);
    assert.equal(after.Trash.length, 0);
  });

  it('searches at the server: text, subject, sender', async () => {
    const [one] = clients;
    assert.deepEqual(await one.call('search', 'INBOX', 'Body', 'token tb-3.'), id(3));
    assert.deepEqual(await one.call('search', 'INBOX', 'Subject', 'tb-7'), id(7));
    assert.deepEqual(await one.call('search', 'INBOX', 'Sender', 'nobody'), []);
  });

  it('what it writes is in Drafts and Sent, and what it sends arrives', async () => {
    const [one, two] = clients;
    await one.call('write', 'you@elsewhere.example', 'a draft', 'not yet', true);
    await until(async () => (await serverRows('Drafts')).length === 1, WAIT_MS, () => 'no draft');
    await one.call('write', ann.address, 'to myself', 'Grüße, sent.');
    await until(async () => (await serverRows('Sent')).length === 1, WAIT_MS, () => 'nothing in Sent');
    // Both hear of the new mail while they wait.
    await until(async () => (await serverRows('INBOX')).length === 7, WAIT_MS, () => 'it does not arrive');
    const [a, b] = await Promise.all([agree(one, ['INBOX'], false), agree(two, ['INBOX'], false)]);
    assert.deepEqual(a, b);
    const [sent] = await serverRows('Sent');
    const text = Buffer.from(await one.call<string>('source', 'INBOX', sent.id), 'latin1').toString('utf8');
    assert.match(text, /Subject: to myself\r\n[^]*Grüße, sent\./u);
    assert.deepEqual(await agree(two, MAILBOXES), await agree(one, MAILBOXES));
  });

  it('what it sends to others is in their Postfix, signed so that the records of the domain verify it', async function () {
    if (postfix === null) return skip(this, worldMissing()!);
    const outside = postfix;
    const [, two] = clients;
    await two.call('write', 'cleo@away.example', 'to somebody else', 'Grüße nach draußen.\n.\n..\n');
    await until(() => outside.mails.length === 1, WAIT_MS, () => outside.log.slice(-2000) + replicas[1].log.slice(-2000));
    const [mail] = outside.mails;
    assert.match(Buffer.from(mail, 'latin1').toString('utf8'), /Subject: to somebody else\r?\n[^]*Grüße nach draußen\./u);
    const { out } = await site.command(['domain', 'dns', DOMAIN]);
    const records = new Map([...out.matchAll(/^(\S+)\. IN TXT (.*)$/gm)].map((m) => [m[1], m[2].replace(/" "/g, '').slice(1, -1)]));
    // Postfix's own fields stand above what was sent.
    const sent = Buffer.from(mail.slice(mail.indexOf('DKIM-Signature')).replace(/\r?\n/g, '\r\n'), 'latin1');
    const { results } = await dkimVerify(sent, { resolver: async (name: string) => [[records.get(name) ?? assert.fail(name)]] });
    assert.deepEqual(results.map((r: { status: { result: string } }) => r.status.result), ['pass', 'pass']);
  });

  it('what is done offline is done at the server afterwards, beside what others did meanwhile', async () => {
    const [one, two] = clients;
    await one.call('download', 'INBOX');
    // Thunderbird plays back one kind of change at a time, so it is offline once for each.
    const journeys: (() => Promise<void>)[] = [
      async () => {
        await one.call('star', 'INBOX', id(7));
        await one.call('read', 'INBOX', id(3));
      },
      () => one.call('copy', 'INBOX', id(4), 'Archive', true),
      () => one.call('remove', 'INBOX', id(1)),
    ];
    for (const [i, journey] of journeys.entries()) {
      await one.call('goOffline');
      const before = await serverRows('INBOX');
      assert.ok((await one.call<string>('source', 'INBOX', id(7)[0])).endsWith(message('tb-7', 300 + 2000 * 7).toString('latin1')));
      await journey();
      assert.deepEqual(await serverRows('INBOX'), before);
      if (i === 0) await two.call('tag', 'INBOX', id(7), '$label2');
      if (i === 1) await two.call('remove', 'INBOX', id(0));
      await one.call('goOnline');
      await agree(one, ['INBOX']);
    }
    // What one of them did may reach the server after the other was asked.
    let both = await agree(one, MAILBOXES);
    for (const end = Date.now() + WAIT_MS; !isDeepStrictEqual(await agree(two, MAILBOXES), both) && Date.now() < end; ) both = await agree(one, MAILBOXES);
    assert.deepEqual(await agree(two, MAILBOXES), both);
    assert.deepEqual(both.INBOX.map((row) => `${/tb-([^@]*)/.exec(row.id)?.[1] ?? '?'} ${row.flags.join(' ')}`).slice(0, 3), ['2 \\Seen', '3 $MDNSent $label1 \\Seen', '7 $MDNSent $label2 \\Flagged']);
    assert.deepEqual([both.Archive.length, both.Trash.length], [2, 2]);
  });

  it('goes on at the other replica when its own is killed, with the same UIDs', async () => {
    const [one, two] = clients;
    alive = replicas[1];
    const before = await agree(one, ['INBOX', 'Archive']);
    await replicas[0].stop('SIGKILL');
    relays[0].to = replicas[1].imap;
    await (await replicas[1].sender()).stored(ann.address, message('tb-late'));
    const after = await agree(one, ['INBOX', 'Archive']);
    assert.deepEqual(after.INBOX.slice(0, -1), before.INBOX);
    assert.deepEqual([after.INBOX.at(-1)!.id, after.Archive], [id('late')[0], before.Archive]);
    await one.call('star', 'INBOX', id('late'));
    assert.deepEqual(await agree(two, ['INBOX']), await agree(one, ['INBOX']));
  });
});
