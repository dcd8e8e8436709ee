import assert from 'node:assert/strict';
import { formatSet } from '../../src/imap/wire/index.ts';
import { Client, Mailbox } from './fetch-mailbox.ts';

function three(): { mailbox: Mailbox; client: Client; uids: number[] } {
  const mailbox = new Mailbox();
  const uids = [mailbox.add(''), mailbox.add('', { flags: ['\\Seen'] }), mailbox.add('')];
  return { mailbox, client: new Client(mailbox), uids };
}

describe('imap STORE', () => {
  it('adds, removes and replaces flags, and tells the result once', async () => {
    const { client, uids, mailbox } = three();
    assert.equal(
      await client.send('STORE 1:2 +FLAGS (\\Deleted \\seen)'),
      '* 1 FETCH (FLAGS (\\Deleted \\Seen))\r\n* 2 FETCH (FLAGS (\\Deleted \\Seen))\r\nA1 OK STORE completed\r\n',
    );
    assert.equal(await client.send('STORE 1 -FLAGS \\Seen \\Flagged'), '* 1 FETCH (FLAGS (\\Deleted))\r\nA1 OK STORE completed\r\n');
    assert.equal(await client.send(`UID STORE ${uids[2]} FLAGS ()`), `* 3 FETCH (UID ${uids[2]} FLAGS ())\r\nA1 OK UID STORE completed\r\n`);
    assert.equal(await client.send('STORE 3 FLAGS (\\Draft)'), '* 3 FETCH (FLAGS (\\Draft))\r\nA1 OK STORE completed\r\n');
    assert.deepEqual(mailbox.mails.map((mail) => mail.flags), [['\\Deleted'], ['\\Deleted', '\\Seen'], ['\\Draft']]);
    assert.equal(client.poll(), '');
  });

  it('says nothing with .SILENT, unless someone else changed the flags too', async () => {
    const { mailbox, client, uids } = three();
    assert.equal(await client.send('STORE 1:3 +FLAGS.SILENT (\\Flagged)'), 'A1 OK STORE completed\r\n');
    mailbox.setFlags(uids[0], ['\\Answered']);
    client.selected.meanwhile = () => mailbox.setFlags(uids[2], ['\\Draft']);
    assert.equal(
      await client.send('STORE 2:3 +FLAGS.SILENT (\\Flagged)'),
      '* 1 FETCH (FLAGS (\\Answered))\r\n* 3 FETCH (FLAGS (\\Draft \\Flagged))\r\nA1 OK STORE completed\r\n',
    );
    assert.equal(client.poll(), '');
  });

  it('tells others what it did', async () => {
    const { mailbox, client } = three();
    const other = new Client(mailbox);
    await client.send('STORE 1:* +FLAGS.SILENT (\\Flagged)');
    assert.equal(other.poll(), '* 1 FETCH (FLAGS (\\Flagged))\r\n* 2 FETCH (FLAGS (\\Seen \\Flagged))\r\n* 3 FETCH (FLAGS (\\Flagged))\r\n');
  });

  it('gives the new MODSEQ with CONDSTORE, also when silent', async () => {
    const { mailbox, client, uids } = three();
    client.enable();
    const text = await client.send('STORE 1 +FLAGS (\\Flagged)');
    assert.equal(text, `* 1 FETCH (UID ${uids[0]} FLAGS (\\Flagged) MODSEQ (${mailbox.mails[0].modSeq}))\r\nA1 OK STORE completed\r\n`);
    assert.equal(await client.send(`UID STORE ${uids[0]} -FLAGS.SILENT (\\Flagged)`), `* 1 FETCH (UID ${uids[0]} MODSEQ (${mailbox.mails[0].modSeq}))\r\nA1 OK UID STORE completed\r\n`);
  });

  it('leaves what was changed since, and names it (UNCHANGEDSINCE)', async () => {
    const { mailbox, client, uids } = three();
    const since = mailbox.highestModSeq;
    mailbox.setFlags(uids[1], ['work']);
    const told = await client.send(`STORE 1:3 (UNCHANGEDSINCE ${since}) +FLAGS.SILENT (\\Deleted)`);
    assert.match(told, /\* 2 FETCH \(UID \d+ FLAGS \(work\) MODSEQ \(\d+\)\)\r\n\* 1 FETCH \(UID \d+ MODSEQ \(\d+\)\)\r\n\* 3 FETCH \(UID \d+ MODSEQ \(\d+\)\)\r\nA1 OK \[MODIFIED 2\]/);
    assert.deepEqual(mailbox.mails.map((mail) => mail.flags), [['\\Deleted'], ['work'], ['\\Deleted']]);
    assert.match(await client.send(`UID STORE 1:* (UNCHANGEDSINCE ${since}) FLAGS ()`), new RegExp(`A1 OK \\[MODIFIED ${formatSet(uids)}\\]`));
    // A client that has heard of the change before hears of it again: it does not seem to know.
    assert.match(await client.send(`STORE 2 (UNCHANGEDSINCE ${since}) +FLAGS.SILENT (\\Deleted)`), /^\* 2 FETCH \(UID \d+ FLAGS \(work\) MODSEQ \(\d+\)\)\r\nA1 OK \[MODIFIED 2\]/);
  });

  it('knows a keyword in any case, by the spelling that the mailbox has', async () => {
    const { mailbox, client } = three();
    await client.send('STORE 1 +FLAGS Work WORK work');
    assert.deepEqual(mailbox.mails[0].flags, ['Work']);
    await client.send('STORE 2:3 FLAGS (wORK other)');
    assert.deepEqual(mailbox.mails.map((mail) => mail.flags), [['Work'], ['Work', 'other'], ['Work', 'other']]);
    // Others may have made two spellings of it at once.
    mailbox.setFlags(mailbox.mails[2].uid, ['Work', 'WORK']);
    await client.send('STORE 1:3 -FLAGS work');
    assert.deepEqual(mailbox.mails.map((mail) => mail.flags), [[], ['other'], []]);
  });

  it('refuses what cannot be stored', async () => {
    const { mailbox, client, uids } = three();
    for (const text of ['STORE 1 FLAGS (\\Recent)', 'STORE 1 FLAGS (\\Own)', 'STORE 1 FLAG (\\Seen)', 'STORE 9 FLAGS ()', 'STORE 1 FLAGS (a b', 'STORE 1 (NONE 1) FLAGS ()', 'STORE 1 FLAGS', `STORE 1 FLAGS (${'k'.repeat(300)})`]) {
      assert.equal(await client.send(text), 'A1 BAD\r\n', text.slice(0, 40));
    }
    assert.equal(await new Client(mailbox, true).send('STORE 1 FLAGS (\\Seen)'), 'A1 NO [READ-ONLY]\r\n');
    mailbox.remove(uids[0]);
    assert.match(await client.send('STORE 1:2 +FLAGS (\\Seen)'), /^\* 2 FETCH \(FLAGS \(\\Seen\)\)\r\nA1 NO \[EXPUNGEISSUED\]\r\n$/);
  });
});

describe('imap COPY, MOVE, EXPUNGE', () => {
  it('copies, and names what became what', async () => {
    const { client, uids, mailbox } = three();
    assert.equal(await client.send('COPY 1,3 Archive'), `A1 OK [COPYUID 88 ${uids[0]},${uids[2]} 1001,1065] COPY completed\r\n`);
    assert.equal(await client.send('UID COPY 4000000 Archive'), 'A1 OK UID COPY completed\r\n');
    assert.equal(await client.send('COPY 1 Nowhere'), 'A1 NO [TRYCREATE]\r\n');
    mailbox.remove(uids[0]);
    assert.equal(await client.send('COPY 1:2 Archive'), 'A1 NO [EXPUNGEISSUED]\r\n');
  });

  it('moves: COPYUID first, then the messages vanish', async () => {
    const { mailbox, client, uids } = three();
    const other = new Client(mailbox);
    other.enable(true);
    assert.equal(await client.send('MOVE 1:2 Archive'), `* OK [COPYUID 88 ${uids[0]},${uids[1]} 1001,1065] Moved\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\nA1 OK MOVE completed\r\n`);
    assert.equal(other.poll(), `* VANISHED ${uids[0]},${uids[1]}\r\n`);
    const told = await other.send(`UID MOVE ${uids[2]} Archive`);
    assert.equal(told, `* OK [COPYUID 88 ${uids[2]} 1001] Moved\r\n* VANISHED ${uids[2]}\r\nA1 OK [HIGHESTMODSEQ ${mailbox.highestModSeq}] MOVE completed\r\n`);
    assert.equal(await new Client(mailbox, true).send('UID MOVE 1:* Archive'), 'A1 NO [READ-ONLY]\r\n');
  });

  it('expunges all that is deleted, or only some', async () => {
    const mailbox = new Mailbox();
    const uids = Array.from({ length: 6 }, (_, k) => mailbox.add('', { flags: k === 1 ? [] : ['\\Deleted'] }));
    const client = new Client(mailbox);
    assert.equal(await client.send(`UID EXPUNGE ${uids[1]}:${uids[2]}`), '* 3 EXPUNGE\r\nA1 OK UID EXPUNGE completed\r\n');
    assert.equal(await client.send('EXPUNGE'), '* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n* 2 EXPUNGE\r\nA1 OK EXPUNGE completed\r\n');
    client.enable(true);
    assert.equal(await client.send('EXPUNGE'), 'A1 OK EXPUNGE completed\r\n');
    await client.send('STORE 1 +FLAGS.SILENT (\\Deleted)');
    assert.equal(await client.send('EXPUNGE'), `* VANISHED ${uids[1]}\r\nA1 OK [HIGHESTMODSEQ ${mailbox.highestModSeq}] EXPUNGE completed\r\n`);
    const last = mailbox.add('', { flags: ['\\Deleted'] });
    client.poll();
    assert.equal(await client.send(`UID EXPUNGE ${last}`), `* VANISHED ${last}\r\nA1 OK [HIGHESTMODSEQ ${mailbox.highestModSeq}] EXPUNGE completed\r\n`);
    assert.equal(await new Client(mailbox, true).send('EXPUNGE'), 'A1 NO [READ-ONLY]\r\n');
  });

  it('keeps what the client never saw, though it is deleted', async () => {
    const { mailbox, client } = three();
    const late = mailbox.add('', { flags: ['\\Deleted'] });
    assert.equal(await client.send('EXPUNGE'), '* 4 EXISTS\r\nA1 OK EXPUNGE completed\r\n');
    assert.ok(mailbox.find(late) >= 0);
  });
});
