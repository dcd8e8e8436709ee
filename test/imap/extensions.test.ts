import assert from 'node:assert/strict';
import type { Clock } from '../../src/base/index.ts';
import { systemClock } from '../../src/base/index.ts';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

const message = (subject: string, body = 'x') => `Subject: ${subject}\r\n\r\n${body}\r\n`;

describe('imap: extensions', () => {
  let world: World;
  let wire: Wire;
  let uids: number[];
  beforeEach(async () => {
    world = await startWorld({ tls: false });
    const inbox = world.user.mailbox('INBOX');
    uids = ['one', 'two', 'three'].map((subject) => inbox.add(message(subject)));
    wire = await dial(world.port, { login: true });
  });
  afterEach(async () => {
    wire.close();
    await world.stop();
  });

  it('searches many mailboxes (MULTISEARCH)', async () => {
    const archive = world.user.mailbox('Archive');
    const uid = archive.add(message('two again'));
    world.user.make('Work/Deep/er', null).add(message('nothing'));
    const deep = world.user.mailbox('Work/Deep/er').add(message('two'));
    await play(wire, `
      C: A1 ESEARCH IN (personal) RETURN (ALL COUNT) SUBJECT two
      S: * ESEARCH (TAG "A1" MAILBOX "INBOX" UIDVALIDITY ${world.user.mailbox('INBOX').uidValidity}) UID ALL ${uids[1]} COUNT 1
      S: * ESEARCH (TAG "A1" MAILBOX "Archive" UIDVALIDITY ${archive.uidValidity}) UID ALL ${uid} COUNT 1
      S: * ESEARCH (TAG "A1" MAILBOX "Work/Deep/er" UIDVALIDITY …) UID ALL ${deep} COUNT 1
      S: A1 OK ESEARCH completed
      C: A2 ESEARCH IN (mailboxes ("Archive" Gone) subtree-one Work) RETURN (MIN) ALL
      S: * ESEARCH (TAG "A2" MAILBOX "Archive" UIDVALIDITY ${archive.uidValidity}) UID MIN ${uid}
      S: A2 OK ESEARCH completed
      C: A3 ESEARCH IN (subtree Work inboxes) SUBJECT two
      S: * ESEARCH (TAG "A3" MAILBOX "INBOX" UIDVALIDITY …) UID ALL ${uids[1]}
      S: * ESEARCH (TAG "A3" MAILBOX "Work/Deep/er" UIDVALIDITY …) UID ALL ${deep}
      S: A3 OK ESEARCH completed
      C: A4 ESEARCH ALL
      S: A4 BAD …
      C: A5 EXAMINE Archive
    `);
    await wire.until('A5');
    await play(wire, `
      C: A6 ESEARCH IN (selected) RETURN (SAVE COUNT) 1
      S: * ESEARCH (TAG "A6" MAILBOX "Archive" UIDVALIDITY …) UID COUNT 1
      S: A6 OK ESEARCH completed
      C: A7 ESEARCH IN (selected inboxes) UID 1:*
      S: * ESEARCH (TAG "A7" MAILBOX "Archive" UIDVALIDITY …) UID ALL ${uid}
      S: * ESEARCH (TAG "A7" MAILBOX "INBOX" UIDVALIDITY …) UID ALL ${uids.join(',')}
      S: A7 OK ESEARCH completed
      C: A8 ESEARCH IN (inboxes) 1
      S: A8 BAD …
      C: A9 ESEARCH IN (inboxes) RETURN (SAVE) ALL
      S: A9 BAD …
      C: B1 ESEARCH IN () ALL
      S: B1 BAD …
      C: B2 ESEARCH IN (everywhere) ALL
      S: B2 BAD …
      C: B4 ESEARCH IN (${'personal '.repeat(1000)}personal) ALL
      S: B4 NO [LIMIT] …
      C: B3 FETCH 1 UID
      S: * 1 FETCH (UID ${uid})
      S: B3 OK FETCH completed
    `);
    assert.equal([...world.user.mailboxes.values()].reduce((sum, box) => sum + box.listeners.size, 0), 1, 'what was looked into is given back');
  });

  it('keeps a search of the selected mailbox up to date (MULTISEARCH with CONTEXT=SEARCH)', async () => {
    assert.match((await wire.command('A1', 'ESEARCH IN (personal) RETURN (UPDATE ALL) ALL'))[0], /^A1 BAD /);
    await wire.command('s', 'SELECT INBOX');
    const inbox = world.user.mailbox('INBOX');
    const of = (tag: string) => `(TAG "${tag}" MAILBOX "INBOX" UIDVALIDITY ${inbox.uidValidity})`;
    await play(wire, `
      C: A2 ESEARCH IN (personal) RETURN (UPDATE CONTEXT COUNT) FLAGGED
      S: A2 OK ESEARCH completed
      C: A3 ESEARCH RETURN (UPDATE MIN) UNFLAGGED
      S: * ESEARCH ${of('A3')} UID MIN ${uids[0]}
      S: A3 OK ESEARCH completed
      C: A4 STORE 2 +FLAGS.SILENT (\\Flagged)
      S: * ESEARCH ${of('A2')} UID ADDTO (0 ${uids[1]})
      S: * ESEARCH ${of('A3')} UID REMOVEFROM (0 ${uids[1]})
      S: A4 OK STORE completed
      C: A3 ESEARCH RETURN (UPDATE MIN) UNFLAGGED
      S: A3 BAD …
      C: A5 CANCELUPDATE "A2" "A3"
      S: A5 OK CANCELUPDATE completed
      C: A6 ESEARCH IN (mailboxes Archive) RETURN (UPDATE COUNT) ALL
      S: * NO [NOUPDATE "A6"] …
      S: A6 OK ESEARCH completed
      C: A7 ESEARCH IN (personal) RETURN (CONTEXT MAX) ALL
      S: * ESEARCH ${of('A7')} UID MAX ${uids.at(-1)}
      S: A7 OK ESEARCH completed
    `);
  });

  it('knows no sequence numbers once the client says so (UIDONLY)', async () => {
    await play(wire, `
      C: A1 ENABLE UIDONLY
      S: * ENABLED UIDONLY
      S: A1 OK ENABLE completed
      C: A2 SELECT INBOX
    `);
    assert.ok(!(await wire.until('A2')).some((line) => line.includes('[UNSEEN')));
    for (const command of ['FETCH 1 FLAGS', 'STORE 1 +FLAGS (\\Seen)', 'COPY 1 Archive', 'MOVE 1 Archive', 'SEARCH ALL', 'SORT (DATE) UTF-8 ALL', 'THREAD REFERENCES UTF-8 ALL', 'UID SEARCH 1:2']) {
      assert.match((await wire.command('B1', command)).at(-1)!, /^B1 BAD \[UIDREQUIRED\] /, command);
    }
    await play(wire, `
      C: A3 UID FETCH ${uids[0]} (FLAGS)
      S: * ${uids[0]} UIDFETCH (FLAGS ())
      S: A3 OK UID FETCH completed
      C: A4 UID FETCH ${uids[0]} (UID BODY.PEEK[HEADER.FIELDS (Subject)])
      S: * ${uids[0]} UIDFETCH (UID ${uids[0]} BODY[HEADER.FIELDS (Subject)] {16}
      S: Subject: one
      S: 
      S: )
      S: A4 OK UID FETCH completed
      C: A5 UID STORE ${uids[1]} +FLAGS (\\Deleted)
      S: * ${uids[1]} UIDFETCH (FLAGS (\\Deleted))
      S: A5 OK UID STORE completed
      C: A6 EXPUNGE
      S: * VANISHED ${uids[1]}
      S: A6 OK EXPUNGE completed
      C: A7 UID SEARCH UID ${uids[0]}:*
      S: * SEARCH ${uids[0]} ${uids[2]}
      S: A7 OK UID SEARCH completed
    `);
  });

  it('fetches a part of what is named (PARTIAL)', async () => {
    await wire.command('s', 'SELECT INBOX');
    await play(wire, `
      C: A1 UID FETCH 1:* (FLAGS) (PARTIAL -1:-2)
      S: * 2 FETCH (UID ${uids[1]} FLAGS ())
      S: * 3 FETCH (UID ${uids[2]} FLAGS ())
      S: A1 OK UID FETCH completed
      C: A2 UID FETCH 1:* (FLAGS) (PARTIAL 1:1)
      S: * 1 FETCH (UID ${uids[0]} FLAGS ())
      S: A2 OK UID FETCH completed
      C: A3 UID FETCH 1:* (FLAGS) (PARTIAL 9:10)
      S: A3 OK UID FETCH completed
      C: A4 FETCH 1:* (FLAGS) (PARTIAL 1:1)
      S: A4 BAD …
    `);
  });

  it('tells quotas (QUOTA)', async () => {
    world.user.quota = { bytes: 10_000, bytesMax: 1_048_576, messages: 3, messagesMax: 100 };
    await play(wire, `
      C: A1 GETQUOTAROOT INBOX
      S: * QUOTAROOT "INBOX" ""
      S: * QUOTA "" (STORAGE 10 1024 MESSAGE 3 100)
      S: A1 OK GETQUOTAROOT completed
      C: A2 GETQUOTA ""
      S: * QUOTA "" (STORAGE 10 1024 MESSAGE 3 100)
      S: A2 OK GETQUOTA completed
      C: A3 GETQUOTA other
      S: A3 NO [NONEXISTENT] …
      C: A4 SETQUOTA "" (STORAGE 512)
      S: A4 NO [NOPERM] …
    `);
    world.user.quota = { bytes: 0, bytesMax: null, messages: 0, messagesMax: null };
    await play(wire, `
      C: A5 GETQUOTA ""
      S: A5 NO [NONEXISTENT] …
      C: A6 GETQUOTAROOT INBOX
      S: * QUOTAROOT "INBOX"
      S: A6 OK GETQUOTAROOT completed
    `);
  });

  it('tells what EXPUNGE would give back (STATUS=DELETED, DELETED-STORAGE)', async () => {
    const inbox = world.user.mailbox('INBOX');
    inbox.setFlags(uids[0], ['\\Deleted']);
    inbox.setFlags(uids[2], ['\\Deleted', '\\Seen']);
    await play(wire, `
      C: A1 STATUS INBOX (DELETED DELETED-STORAGE)
      S: * STATUS "INBOX" (DELETED 2 DELETED-STORAGE ${message('one').length + message('three').length})
      S: A1 OK STATUS completed
      C: A2 LIST "" INBOX RETURN (STATUS (DELETED-STORAGE DELETED))
      S: * LIST (\\HasNoChildren) "/" "INBOX"
      S: * STATUS "INBOX" (DELETED-STORAGE ${message('one').length + message('three').length} DELETED 2)
      S: A2 OK LIST completed
      C: A3 STATUS Archive (DELETED-STORAGE)
      S: * STATUS "Archive" (DELETED-STORAGE 0)
      S: A3 OK STATUS completed
    `);
    assert.equal(inbox.listeners.size, 0);
  });

  it('forgets who is logged in (UNAUTHENTICATE)', async () => {
    await wire.command('e', 'ENABLE UIDONLY CONDSTORE');
    await wire.command('s', 'SELECT INBOX');
    await play(wire, `
      C: A1 UNAUTHENTICATE
      S: A1 OK UNAUTHENTICATE completed
      C: A2 SELECT INBOX
      S: A2 BAD log in first
      C: A3 UNAUTHENTICATE
      S: A3 BAD log in first
    `);
    assert.equal(world.user.sessions.size, 0);
    assert.equal(world.user.mailbox('INBOX').listeners.size, 0);
    await play(wire, `
      C: A4 LOGIN ann@example.org secret
      S: A4 OK …
      C: A5 EXAMINE INBOX
    `);
    await wire.until('A5');
    await play(wire, `
      C: A6 FETCH 1 (UID)
      S: * 1 FETCH (UID ${uids[0]})
      S: A6 OK FETCH completed
    `);
  });

  it('gives the beginning of the text (PREVIEW)', async () => {
    world.user.mailbox('INBOX').add('Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe aus\r\ndem Wald\r\n');
    await wire.command('s', 'EXAMINE INBOX');
    await play(wire, `
      C: A1 FETCH 1 (PREVIEW)
      S: * 1 FETCH (PREVIEW "x")
      S: A1 OK FETCH completed
      C: A2 FETCH 4 (PREVIEW (LAZY))
      S: * 4 FETCH (PREVIEW {20}
      S: Gr\xc3\xbc\xc3\x9fe aus dem Wald)
      S: A2 OK FETCH completed
    `);
    // RFC 8970 §3.2: a short one of a long text, and an empty one, not NIL, of none.
    world.user.mailbox('INBOX').add(message('long', 'word '.repeat(200)));
    world.user.mailbox('INBOX').add('Subject: nothing\r\n\r\n');
    await wire.command('n', 'NOOP');
    const long = /PREVIEW "([^"]*)"/.exec((await wire.command('A3', 'FETCH 5 (PREVIEW)'))[0])![1];
    assert.ok(long.startsWith('word word') && long.length > 100 && long.length <= 200, long);
    assert.equal((await wire.command('A4', 'FETCH 6 (PREVIEW)'))[0], '* 6 FETCH (PREVIEW "")');
  });

  it('undoes transfer encodings (BINARY)', async () => {
    const body = Buffer.from('a\0b\r\nc').toString('base64');
    world.user.mailbox('INBOX').add(`Content-Type: application/x-thing\r\nContent-Transfer-Encoding: base64\r\n\r\n${body}\r\n`);
    world.user.mailbox('INBOX').add('Content-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\nabc\r\n');
    await wire.command('s', 'EXAMINE INBOX');
    wire.send('A1 FETCH 4 (BINARY.SIZE[1] BINARY.PEEK[1])\r\n');
    assert.equal(await wire.line(), '* 4 FETCH (BINARY.SIZE[1] 6 BINARY[1] ~{6}');
    assert.equal(await wire.line(), 'a\0b');
    assert.equal(await wire.line(), 'c)');
    await play(wire, `
      S: A1 OK FETCH completed
      C: A2 FETCH 4 (BINARY[1]<3.2>)
      S: * 4 FETCH (BINARY[1]<3> {2}
      S: 
      S: )
      S: A2 OK FETCH completed
      C: A3 FETCH 5 BINARY[1]
      S: A3 NO [UNKNOWN-CTE] …
    `);
  });
});

describe('imap: a command that takes long', () => {
  it('says how far it is (INPROGRESS)', async () => {
    let now = 0;
    const clock: Clock = Object.assign(Object.create(systemClock) as Clock, { monotonic: () => (now += 600) });
    const world = await startWorld({ tls: false, clock });
    const inbox = world.user.mailbox('INBOX');
    for (let k = 0; k < 40; k++) inbox.add(message(`m${k}`));
    const wire = await dial(world.port, { login: true });
    await wire.command('s', 'EXAMINE INBOX');
    const lines = await wire.command('A1', 'SEARCH BODY x');
    const told = lines.filter((line) => line.includes('INPROGRESS'));
    assert.ok(told.length >= 2, lines.join('\n'));
    let last = -1;
    for (const line of told) {
      const found = /^\* OK \[INPROGRESS \("A1" (\d+) 40\)\] /.exec(line);
      assert.ok(found, line);
      assert.ok(Number(found[1]) >= last && Number(found[1]) <= 40);
      last = Number(found[1]);
    }
    assert.match(lines.at(-1)!, /^A1 OK/);
    wire.close();
    await world.stop();
  });
});

describe('imap: IMAP4rev2', () => {
  let world: World;
  let wire: Wire;
  let uids: number[];
  beforeEach(async () => {
    world = await startWorld({ tls: false });
    uids = ['one', 'two'].map((subject) => world.user.mailbox('INBOX').add(message(subject)));
    wire = await dial(world.port, { login: true });
    await play(wire, `
      C: E1 ENABLE IMAP4rev2
      S: * ENABLED IMAP4rev2
      S: E1 OK ENABLE completed
    `);
  });
  afterEach(async () => {
    wire.close();
    await world.stop();
  });

  it('answers SELECT with LIST, and says nothing of RECENT or the first UNSEEN', async () => {
    const lines = await wire.command('A1', 'SELECT inbox');
    assert.ok(lines.includes('* LIST () "/" "INBOX" ("OLDNAME" ("inbox"))'));
    assert.ok(!lines.some((line) => /RECENT|\[UNSEEN/.test(line)));
    assert.ok((await wire.command('A2', 'SELECT INBOX')).includes('* LIST () "/" "INBOX"'));
    assert.ok((await wire.command('A2', 'SELECT INBOX')).includes('* OK [CLOSED] the mailbox before is closed'));
  });

  it('names the UID in all that is told of flags unasked', async () => {
    const later = await dial(world.port, { login: true });
    await wire.command('A1', 'SELECT INBOX');
    await later.command('A1', 'SELECT INBOX');
    await later.command('A2', 'ENABLE IMAP4rev2');
    for (const [k, one] of [wire, later].entries()) {
      world.user.mailbox('INBOX').setFlags(uids[1], [`$${k}`]);
      assert.ok((await one.command('A3', 'NOOP')).includes(`* 2 FETCH (UID ${uids[1]} FLAGS ($${k}))`));
      await play(one, 'C: A4 IDLE\nS: + idling');
      world.user.mailbox('INBOX').setFlags(uids[0], []);
      await play(one, `
        S: * 1 FETCH (UID ${uids[0]} FLAGS ())
        C: DONE
        S: A4 OK IDLE completed
      `);
    }
    later.close();
  });

  it('answers SEARCH with ESEARCH', async () => {
    await wire.command('A1', 'SELECT INBOX');
    await play(wire, `
      C: A2 SEARCH SUBJECT two
      S: * ESEARCH (TAG "A2") ALL 2
      S: A2 OK SEARCH completed
      C: A3 UID SEARCH SUBJECT two
      S: * ESEARCH (TAG "A3") UID ALL ${uids[1]}
      S: A3 OK UID SEARCH completed
      C: A4 SEARCH SUBJECT three
      S: * ESEARCH (TAG "A4")
      S: A4 OK SEARCH completed
    `);
  });

  it('names mailboxes in UTF-8, and tells how it spells them', async () => {
    const sent = 'Cafe\xcc\x81';
    await play(wire, `
      C: A1 CREATE "${sent}"
      S: * LIST () "/" "Caf\xc3\xa9" ("OLDNAME" ("${sent}"))
      S: A1 OK [MAILBOXID (…)] CREATE completed
      C: A2 LIST "" Caf*
      S: * LIST (\\HasNoChildren) "/" "Caf\xc3\xa9"
      S: A2 OK LIST completed
      C: A3 STATUS "${sent}" (MESSAGES SIZE DELETED UNSEEN UIDNEXT UIDVALIDITY)
      S: * STATUS "Caf\xc3\xa9" (MESSAGES 0 SIZE 0 DELETED 0 UNSEEN 0 UIDNEXT 1 UIDVALIDITY …)
      S: A3 OK STATUS completed
      C: A31 APPEND "${sent}" {3+}
      C: abc
      S: * LIST () "/" "Caf\xc3\xa9" ("OLDNAME" ("${sent}"))
      S: A31 OK [APPENDUID …] APPEND completed
      C: A32 APPEND "Caf\xc3\xa9" {3+}
      C: abc
      S: A32 OK [APPENDUID …] APPEND completed
      C: A4 CREATE &AOk-
      S: A4 OK …
      C: A5 LIST "" &*
      S: * LIST (\\HasNoChildren) "/" "&AOk-"
      S: A5 OK LIST completed
      C: A6 RENAME "${sent}" Bar
      S: * LIST () "/" "Bar" ("OLDNAME" ("${sent}"))
      S: A6 OK RENAME completed
      C: A7 RENAME Bar "${sent}"
      S: * LIST () "/" "Caf\xc3\xa9" ("OLDNAME" ("Bar"))
      S: A7 OK RENAME completed
      C: A8 DELETE "${sent}"
      S: * LIST (\\NonExistent) "/" "Caf\xc3\xa9" ("OLDNAME" ("${sent}"))
      S: A8 OK DELETE completed
    `);
  });
});
