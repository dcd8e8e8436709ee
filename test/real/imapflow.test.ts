// imapflow, as mail programs written in JavaScript use it, against a replica.
import assert from 'node:assert/strict';
import { ImapFlow } from 'imapflow';
import { line, serverShelf } from './agreement.ts';
import { message } from './mail.ts';
import { Site } from './site.ts';
import type { Person, Replica } from './site.ts';

const MIXED = Buffer.from(
  [
    'From: =?utf-8?q?J=C3=BCrgen?= <j@elsewhere.example>',
    'To: ann@real.example',
    'Subject: =?utf-8?b?R3LDvMOfZQ==?=',
    'Message-ID: <mixed@elsewhere.example>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b1',
    '',
    '--b1',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'Gr=C3=BC=C3=9Fe aus K=C3=B6ln',
    '--b1',
    'Content-Type: application/octet-stream; name=x.bin',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment; filename=x.bin',
    '',
    Buffer.alloc(3000, 7).toString('base64').match(/.{1,76}/g)!.join('\r\n'),
    '--b1--',
    '',
  ].join('\r\n'),
);

describe('real: imapflow', () => {
  let site: Site;
  let ann: Person;
  let replica: Replica;
  const open: ImapFlow[] = [];
  before(async function () {
    this.timeout(60_000);
    site = new Site();
    ({ ann } = await site.people('ann'));
    replica = await site.start();
  });
  after(async () => {
    for (const client of open) client.close();
    await site.end();
  });

  async function client(secure: boolean, pass = ann.password): Promise<ImapFlow> {
    const made = new ImapFlow({ host: '127.0.0.1', port: secure ? replica.imaps : replica.imap, secure, doSTARTTLS: secure ? undefined : true, tls: { rejectUnauthorized: false }, auth: { user: ann.address, pass }, logger: false, qresync: true });
    made.on('error', () => {});
    open.push(made);
    await made.connect();
    return made;
  }

  for (const secure of [false, true]) {
    it(`makes the full round over ${secure ? 'IMAPS' : 'STARTTLS'}`, async function () {
      this.timeout(30_000);
      const c = await client(secure);
      assert.ok(c.secureConnection);
      const folder = secure ? 'Ordner/Übersee' : 'Ordner/Köln';
      await c.mailboxCreate(folder);
      const listed = (await c.list()).map((m) => `${m.path}${m.specialUse ?? ''}`);
      for (const name of ['INBOX\\Inbox', 'Sent\\Sent', 'Drafts\\Drafts', 'Trash\\Trash', 'Junk\\Junk', 'Archive\\Archive', folder]) assert.ok(listed.includes(name), `${name} in ${listed}`);
      const date = new Date('2020-02-03T04:05:06Z');
      const appended = await c.append(folder, MIXED, ['\\Seen', '$Label1'], date);
      assert.ok(appended && appended.uid);
      const mailbox = await c.mailboxOpen(folder);
      assert.equal(mailbox.exists, 1);
      const one = await c.fetchOne('*', { uid: true, flags: true, envelope: true, internalDate: true, size: true, bodyStructure: true, source: true, bodyParts: ['1', '2.mime', 'header'], threadId: true });
      assert.ok(one);
      assert.deepEqual(one.source, MIXED);
      assert.deepEqual([one.uid, [...one.flags!].sort(), one.size, one.internalDate!.valueOf()], [appended.uid, ['$Label1', '\\Seen'], MIXED.length, date.valueOf()]);
      assert.deepEqual([one.envelope!.subject, one.envelope!.from![0].name], ['Grüße', 'Jürgen']);
      assert.equal(one.bodyParts!.get('1')!.toString(), 'Gr=C3=BC=C3=9Fe aus K=C3=B6ln');
      assert.match(one.bodyParts!.get('2.mime')!.toString(), /filename=x\.bin/);
      assert.equal(one.bodyStructure!.childNodes![1].type, 'application/octet-stream');
      const { content } = await c.download('*', '2');
      const pieces: Buffer[] = [];
      for await (const piece of content!) pieces.push(piece as Buffer);
      assert.deepEqual(Buffer.concat(pieces), Buffer.alloc(3000, 7));
      const uid = String(appended.uid);
      assert.deepEqual(await c.search({ body: 'grüße aus köln' }, { uid: true }), [appended.uid]);
      assert.deepEqual(await c.search({ header: { 'message-id': 'mixed@' }, seen: true, larger: 1000 }, { uid: true }), [appended.uid]);
      assert.deepEqual(await c.search({ subject: 'nothing' }, { uid: true }), []);
      await c.messageFlagsRemove(uid, ['\\Seen'], { uid: true });
      await c.messageFlagsAdd(uid, ['\\Flagged'], { uid: true });
      const flags = await c.fetchOne(uid, { flags: true }, { uid: true });
      assert.deepEqual(flags && [...flags.flags!].sort(), ['$Label1', '\\Flagged']);
      const copied = await c.messageCopy(uid, 'Archive', { uid: true });
      assert.ok(copied && copied.uidMap!.get(appended.uid));
      const moved = await c.messageMove(uid, 'Trash', { uid: true });
      assert.ok(moved && moved.uidMap!.get(appended.uid));
      assert.deepEqual(await c.fetchAll('1:*', { uid: true }).catch(() => []), []);
      await c.mailboxOpen('Trash');
      const gone = String(moved.uidMap!.get(appended.uid));
      assert.ok(await c.messageDelete(gone, { uid: true }));
      assert.deepEqual(await c.search({ uid: gone }, { uid: true }), []);
      await c.mailboxRename(folder, `${folder}2`);
      await c.mailboxDelete(`${folder}2`);
      const status = await c.status('Archive', { messages: true, unseen: true, uidNext: true });
      assert.ok(status && status.messages === (secure ? 2 : 1));
      const read: Record<string, string[]> = {};
      for (const { path, flags: attributes } of await c.list()) {
        if (attributes.has('\\Noselect')) continue;
        await c.mailboxOpen(path, { readOnly: true });
        const rows = await c.fetchAll('1:*', { flags: true, source: true }).catch(() => []);
        if (rows.length > 0) read[path] = rows.map((row) => line(row.source!.toString('latin1'), [...row.flags!])).sort();
      }
      assert.deepEqual(read, await serverShelf(await replica.client(ann)));
      assert.deepEqual(Object.keys(read), ['Archive']);
      await c.logout();
    });
  }

  it('hears of new mail and of flags of another connection while it idles', async function () {
    this.timeout(30_000);
    const c = await client(true);
    await c.mailboxOpen('INBOX');
    const exists = new Promise<number>((resolve) => c.once('exists', ({ count }) => resolve(count)));
    void c.idle();
    const sender = await replica.sender('smtp');
    await sender.stored(ann.address, message('while-idle'));
    assert.equal(await exists, 1);
    const flags = new Promise<string[]>((resolve) => c.once('flags', (e) => resolve([...e.flags])));
    const other = await replica.client(ann);
    await other.ok('SELECT INBOX');
    await other.ok('STORE 1 +FLAGS (\\Answered)');
    assert.ok((await flags).includes('\\Answered'));
    sender.close();
    other.close();
  });

  it('is told that a password is wrong', async () => {
    await assert.rejects(client(true, 'wrong'), (e: { authenticationFailed?: boolean }) => e.authenticationFailed === true);
  });
});
