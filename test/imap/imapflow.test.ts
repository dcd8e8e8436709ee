// A client that people use, against the fake mail: round trips.
import assert from 'node:assert/strict';
import { ImapFlow } from 'imapflow';
import { startWorld } from './dialogue.ts';
import type { World } from './dialogue.ts';

describe('imap: imapflow', () => {
  let world: World;
  let client: ImapFlow;
  beforeEach(async () => {
    world = await startWorld();
    client = new ImapFlow({
      host: '127.0.0.1', port: world.port, secure: false, tls: { rejectUnauthorized: false }, auth: { user: 'ann@example.org', pass: 'secret' }, logger: false, qresync: true,
    });
    await client.connect();
  });
  afterEach(async () => {
    client.close();
    await world.stop();
  });

  it('lists, makes, appends, fetches, searches, flags, moves, deletes', async () => {
    assert.ok(client.secureConnection, 'STARTTLS');
    const made = await client.mailboxCreate('Bücher/Neu');
    assert.equal(made.path, 'Bücher/Neu');
    const names = (await client.list()).map((mailbox) => `${mailbox.path} ${mailbox.specialUse ?? ''}`.trim());
    for (const name of ['INBOX \\Inbox', 'Sent \\Sent', 'Bücher', 'Bücher/Neu']) assert.ok(names.includes(name), names.join());
    const message = Buffer.from('From: a@example.org\r\nTo: b@example.org\r\nSubject: Gru=?utf-8?q?=C3=9F?=\r\n\r\nHallo\r\n');
    const first = await client.append('INBOX', message, ['\\Seen'], new Date('2020-01-02T03:04:05Z'));
    assert.ok(first && first.uid === 64);
    await client.append('INBOX', Buffer.from('Subject: second\r\n\r\nyes\r\n'));
    const lock = await client.getMailboxLock('INBOX');
    try {
      const all = await client.fetchAll('1:*', { uid: true, flags: true, envelope: true, internalDate: true, size: true, bodyStructure: true });
      assert.deepEqual(all.map((m) => [m.uid, [...m.flags!], m.size]), [[64, ['\\Seen'], message.length], [128, [], 24]]);
      assert.equal(all[1].envelope!.subject, 'second');
      assert.equal(all[0].internalDate!.toString(), new Date('2020-01-02T03:04:05Z').toString());
      const whole = await client.fetchOne('64', { source: true }, { uid: true });
      assert.deepEqual(whole && whole.source, message);
      assert.deepEqual(await client.search({ seen: false }, { uid: true }), [128]);
      assert.ok(await client.messageFlagsAdd('128', ['\\Flagged', 'work'], { uid: true }));
      assert.deepEqual(world.user.mailbox('INBOX').messages[1].flags, ['\\Flagged', 'work']);
      const moved = await client.messageMove('64', 'Bücher/Neu', { uid: true });
      assert.ok(moved && moved.uidMap!.has(64));
      assert.ok(await client.messageDelete('128', { uid: true }));
      assert.equal(world.user.mailbox('INBOX').count, 0);
    } finally {
      lock.release();
    }
    const status = await client.status('Bücher/Neu', { messages: true, uidNext: true, highestModseq: true });
    assert.ok(status && status.messages === 1);
    await client.mailboxRename('Bücher', 'Books');
    await client.mailboxDelete('Books/Neu');
    assert.ok(!world.user.mailboxes.has('Books/Neu'));
    await client.logout();
  });

  it('hears of new mail while it idles', async () => {
    await client.mailboxOpen('INBOX');
    const heard = new Promise<number>((resolve) => client.on('exists', ({ count }) => resolve(count)));
    void client.idle();
    await new Promise((resolve) => setTimeout(resolve, 50));
    world.user.mailbox('INBOX').add('Subject: new\r\n\r\n');
    assert.equal(await heard, 1);
  });
});
