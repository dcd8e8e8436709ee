// NOTIFY (RFC 5465): what a client hears unasked of the selected mailbox and of the others.
import assert from 'node:assert/strict';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

describe('imap: NOTIFY', () => {
  let world: World;
  let wire: Wire;
  beforeEach(async () => {
    world = await startWorld({ tls: false });
    wire = await dial(world.port, { login: true });
  });
  afterEach(async () => {
    wire.close();
    await world.stop();
  });
  const inbox = () => world.user.mailbox('INBOX');

  it('tells of the selected mailbox at once, outside of commands too', async () => {
    inbox().add('Subject: 0\r\n\r\n');
    await wire.command('s', 'SELECT INBOX');
    await play(wire, `
      C: a NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))
      S: a OK NOTIFY completed
    `);
    const uid = inbox().add('Subject: 1\r\n\r\n1');
    await play(wire, 'S: * 2 EXISTS');
    inbox().setFlags(uid, ['\\Flagged']);
    await play(wire, `S: * 2 FETCH (UID ${uid} FLAGS (\\Flagged))`);
    inbox().remove([inbox().uids[0]]);
    await play(wire, 'S: * 1 EXPUNGE');
    wire.assertQuiet();
  });

  it('selected-delayed: expunges wait for a command that allows them', async () => {
    inbox().add('Subject: 0\r\n\r\n');
    inbox().add('Subject: 1\r\n\r\n');
    await wire.command('s', 'SELECT INBOX');
    await wire.command('a', 'NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))');
    inbox().remove([inbox().uids[0]]);
    inbox().add('Subject: 2\r\n\r\n');
    await play(wire, `
      S: * 3 EXISTS
      C: b FETCH 2 (RFC822.SIZE)
      S: * 2 FETCH (RFC822.SIZE 14)
      S: b OK FETCH completed
      C: c NOOP
      S: * 1 EXPUNGE
      S: c OK NOOP completed
    `);
  });

  it('gives of new messages what was asked for, and marks nothing', async () => {
    await wire.command('s', 'SELECT INBOX');
    await wire.command('a', 'NOTIFY SET (selected (MessageNew (FLAGS BODY[HEADER.FIELDS (SUBJECT)]) MessageExpunge))');
    const uid = inbox().add('Subject: hello\r\nTo: x\r\n\r\n1');
    assert.equal(await wire.line(), '* 1 EXISTS');
    assert.equal(await wire.line(), `* 1 FETCH (UID ${uid} FLAGS () BODY[HEADER.FIELDS (SUBJECT)] {18}`);
    assert.deepEqual([await wire.line(), await wire.line(), await wire.line()], ['Subject: hello', '', ')']);
    assert.deepEqual(inbox().messages[0].flags, []);
    // Also of what a command found.
    world.user.before = (operation) => {
      if (operation !== 'refresh') return;
      world.user.before = null;
      inbox().add('Subject: two\r\n\r\n');
    };
    const lines = await wire.command('b', 'NOOP');
    assert.equal(lines[0], '* 2 EXISTS');
    assert.match(lines[1], /^\* 2 FETCH \(UID \d+ FLAGS \(\) BODY/);
    // What was there before another mailbox was selected is not new.
    await wire.command('c', 'SELECT Sent');
    await wire.command('d', 'SELECT INBOX');
    assert.deepEqual(await wire.command('e', 'NOOP'), ['e OK NOOP completed']);
  });

  it('NOTIFY NONE: nothing unasked, but the answers to own commands; later all comes that was missed', async () => {
    const first = inbox().add('Subject: 0\r\n\r\n');
    inbox().add('Subject: 1\r\n\r\n', ['\\Deleted']);
    await wire.command('s', 'SELECT INBOX');
    await wire.command('a', 'NOTIFY NONE');
    inbox().add('Subject: 2\r\n\r\n', ['\\Deleted']);
    inbox().setFlags(first, ['\\Flagged']);
    await play(wire, `
      C: b NOOP
      S: b OK NOOP completed
      C: c STORE 1 +FLAGS (\\Seen)
      S: * 1 FETCH (FLAGS (…))
      S: c OK STORE completed
      C: d EXPUNGE
      S: * 2 EXPUNGE
      S: d OK EXPUNGE completed
    `);
    assert.equal(inbox().count, 2, 'what the client never heard of stays');
    await play(wire, `
      C: e NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))
      S: * 2 EXISTS
      S: * 1 FETCH (FLAGS (\\Flagged \\Seen))
      S: e OK NOTIFY completed
    `);
    await wire.command('f', 'NOTIFY NONE');
    inbox().add('Subject: 3\r\n\r\n');
    wire.send('g IDLE\r\n');
    assert.equal(await wire.line(), '+ idling');
    inbox().add('Subject: 4\r\n\r\n');
    wire.send('DONE\r\n');
    assert.deepEqual(await wire.until('g'), ['g OK IDLE completed']);
  });

  it('tells of other mailboxes by STATUS, and of none that a group says NONE of', async () => {
    await wire.command('s', 'SELECT INBOX');
    world.user.make('Lists', null);
    const deep = world.user.make('Lists/deep', null);
    assert.deepEqual(await wire.command('a', 'NOTIFY SET STATUS (mailboxes (Sent) (MessageNew MessageExpunge)) (mailboxes "Junk" NONE) (mailboxes (Junk) (MessageNew MessageExpunge)) (subtree Lists (MessageNew MessageExpunge FlagChange))'), [
      `* STATUS "Lists" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ${world.user.mailbox('Lists').uidValidity} UNSEEN 0 HIGHESTMODSEQ 1)`,
      `* STATUS "Lists/deep" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ${deep.uidValidity} UNSEEN 0 HIGHESTMODSEQ 1)`,
      `* STATUS "Sent" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ${world.user.mailbox('Sent').uidValidity} UNSEEN 0)`,
      'a OK NOTIFY completed',
    ]);
    const uid = deep.add('Subject: 1\r\n\r\n');
    await play(wire, `S: * STATUS "Lists/deep" (MESSAGES 1 UIDNEXT ${uid + 1} UIDVALIDITY ${deep.uidValidity} UNSEEN 1)`);
    deep.setFlags(uid, ['\\Seen']);
    await play(wire, `S: * STATUS "Lists/deep" (UIDVALIDITY ${deep.uidValidity} UNSEEN 0)`);
    await wire.command('c', 'ENABLE CONDSTORE');
    deep.remove([uid]);
    await play(wire, `S: * STATUS "Lists/deep" (MESSAGES 0 UIDNEXT ${uid + 1} UIDVALIDITY ${deep.uidValidity} UNSEEN 0 HIGHESTMODSEQ ${deep.highestModSeq})`);
    // Flags of Sent were not asked for, nothing of Junk and Trash, and nothing of the selected mailbox.
    const sent = world.user.mailbox('Sent').add('Subject: 1\r\n\r\n');
    assert.match(await wire.line(), /^\* STATUS "Sent" \(MESSAGES 1 /);
    world.user.mailbox('Sent').setFlags(sent, ['\\Seen']);
    world.user.mailbox('Junk').add('Subject: 1\r\n\r\n');
    world.user.mailbox('Trash').add('Subject: 1\r\n\r\n');
    inbox().add('Subject: 1\r\n\r\n');
    assert.deepEqual(await wire.command('d', 'NOOP'), ['d OK NOOP completed']);
    // While a command runs, and in IDLE.
    wire.send('e IDLE\r\n');
    assert.equal(await wire.line(), '+ idling');
    deep.add('Subject: 2\r\n\r\n');
    assert.match(await wire.line(), /^\* STATUS "Lists\/deep" \(MESSAGES 1 /);
    wire.send('DONE\r\n');
    assert.deepEqual(await wire.until('e'), ['e OK IDLE completed']);
    const lines = await wire.command('f', 'COPY 1 Sent').then(() => wire.command('g', 'NOTIFY NONE'));
    assert.equal(lines.at(-1), 'g OK NOTIFY completed');
    deep.add('Subject: 3\r\n\r\n');
    assert.deepEqual(await wire.command('h', 'NOOP'), ['h OK NOOP completed']);
  });

  it('tells names and subscriptions by LIST, annotations by METADATA', async () => {
    await wire.command('a', 'NOTIFY SET (personal (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))');
    const other = await dial(world.port, { login: true });
    await other.command('1', 'CREATE a/b');
    await play(wire, `
      S: * LIST (\\HasChildren) "/" "a"
      S: * LIST (\\HasNoChildren) "/" "a/b"
    `);
    // Its parent is not new, but affected.
    await other.command('2', 'CREATE a/c');
    await play(wire, `
      S: * LIST (\\HasNoChildren) "/" "a/c"
      S: * LIST (\\HasChildren) "/" "a"
    `);
    await other.command('3', 'DELETE a/c');
    await play(wire, `
      S: * LIST (\\NonExistent \\HasNoChildren) "/" "a/c"
      S: * LIST (\\HasChildren) "/" "a"
    `);
    // Of what is renamed with its parent nothing is said.
    await other.command('4', 'RENAME a c');
    assert.equal(await wire.line(), '* LIST (\\HasChildren) "/" "c" ("OLDNAME" ("a"))');
    await other.command('5', 'SUBSCRIBE c/b');
    assert.equal(await wire.line(), '* LIST (\\Subscribed \\HasNoChildren) "/" "c/b"');
    await other.command('51', 'SUBSCRIBE Sent');
    assert.equal(await wire.line(), '* LIST (\\Subscribed \\HasNoChildren \\Sent) "/" "Sent"');
    await other.command('52', 'DELETE c/b');
    await play(wire, `
      S: * LIST (\\NonExistent \\Subscribed \\HasNoChildren) "/" "c/b"
      S: * LIST (\\HasNoChildren) "/" "c"
    `);
    await other.command('53', 'UNSUBSCRIBE c/b');
    assert.equal(await wire.line(), '* LIST (\\NonExistent \\HasNoChildren) "/" "c/b"');
    await other.command('6', 'SETMETADATA INBOX (/private/comment "x" /shared/comment "y")');
    assert.equal(await wire.line(), '* METADATA "INBOX" /private/comment /shared/comment');
    await other.command('7', 'SETMETADATA "" (/private/comment "x")');
    assert.equal(await wire.line(), '* METADATA "" /private/comment');
    // Not of mailboxes that are in no group, and only the events that were asked for.
    await wire.command('b', 'NOTIFY SET (subtree c (SubscriptionChange))');
    await other.command('8', 'CREATE d');
    await other.command('9', 'SUBSCRIBE d');
    await other.command('10', 'CREATE c/x');
    await other.command('11', 'SUBSCRIBE c/x');
    assert.deepEqual(await wire.command('e', 'NOOP'), ['* LIST (\\Subscribed \\HasNoChildren) "/" "c/x"', 'e OK NOOP completed']);
    other.close();
  });

  it('ends with UNAUTHENTICATE, and tells a client that does not keep up that it has missed something', async () => {
    await wire.command('a', 'NOTIFY SET (personal (MessageNew MessageExpunge MailboxName SubscriptionChange MailboxMetadataChange))');
    const metadata = Array.from({ length: 10_001 }, (_, n) => ({ mailbox: inbox().id, entry: `/private/${n}` }));
    world.user.tell({ metadata });
    assert.equal(await wire.line(), '* OK [NOTIFICATIONOVERFLOW] nothing more is told unasked');
    inbox().add('Subject: 1\r\n\r\n');
    assert.deepEqual(await wire.command('b', 'NOOP'), ['b OK NOOP completed']);
    // As behind NOTIFY NONE: of the selected mailbox nothing either.
    await wire.command('b1', 'SELECT INBOX');
    await wire.command('b2', 'NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MailboxName MailboxMetadataChange))');
    world.user.tell({ metadata });
    assert.equal(await wire.line(), '* OK [NOTIFICATIONOVERFLOW] nothing more is told unasked');
    inbox().add('Subject: 1\r\n\r\n');
    assert.deepEqual(await wire.command('b3', 'NOOP'), ['b3 OK NOOP completed']);
    await wire.command('b4', 'CLOSE');
    await wire.command('c', 'NOTIFY SET (personal (MessageNew MessageExpunge))');
    assert.deepEqual(await wire.command('d', 'UNAUTHENTICATE'), ['d OK UNAUTHENTICATE completed']);
    inbox().add('Subject: 2\r\n\r\n');
    assert.match((await wire.command('e', 'LOGIN ann@example.org secret')).join(), /^e OK/);
    assert.deepEqual(await wire.command('f', 'NOOP'), ['f OK NOOP completed']);
  });

  it('takes together what several groups ask of one mailbox', async () => {
    await wire.command('a', 'NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge)) (personal (SubscriptionChange)) (inboxes (MailboxMetadataChange))');
    inbox().add('Subject: 1\r\n\r\n');
    assert.match(await wire.line(), /^\* STATUS "INBOX" \(MESSAGES 1 /);
    const other = await dial(world.port, { login: true });
    await other.command('1', 'SUBSCRIBE INBOX');
    assert.equal(await wire.line(), '* LIST (\\Subscribed \\HasNoChildren) "/" "INBOX"');
    // Mail comes into INBOX and Junk.
    for (const [n, name] of ['Sent', 'Junk', 'INBOX'].entries()) await other.command(`m${n}`, `SETMETADATA ${name} (/private/comment "x")`);
    await play(wire, `
      S: * METADATA "Junk" /private/comment
      S: * METADATA "INBOX" /private/comment
    `);
    wire.assertQuiet();
    other.close();
  });

  it('NOTIFY SET is a NOOP too: what happened before is told, whatever is asked for from now on', async () => {
    const first = inbox().add('Subject: 0\r\n\r\n');
    await wire.command('s', 'SELECT INBOX');
    await wire.command('n', 'NOTIFY NONE');
    inbox().setFlags(first, ['\\Flagged']);
    await wire.command('n2', 'NOOP');
    // Only the store knows of this one, until it is asked.
    world.user.before = (operation) => {
      if (operation !== 'refresh') return;
      world.user.before = null;
      inbox().add('Subject: 1\r\n\r\n');
    };
    await play(wire, `
      C: a NOTIFY SET (personal (MailboxName))
      S: * 2 EXISTS
      S: * 1 FETCH (FLAGS (\\Flagged))
      S: a OK NOTIFY completed
    `);
    inbox().setFlags(first, []);
    assert.deepEqual(await wire.command('b', 'NOOP'), ['b OK NOOP completed']);
  });

  it('does not tell a client what it did itself', async () => {
    await wire.command('s', 'SELECT INBOX');
    await wire.command('a', 'NOTIFY SET (selected (MessageNew (FLAGS) MessageExpunge)) (personal (MailboxName SubscriptionChange MailboxMetadataChange))');
    for (const text of ['CREATE a/b/c', 'SUBSCRIBE a', 'UNSUBSCRIBE a', 'RENAME a/b d', 'DELETE d/c', 'SETMETADATA INBOX (/private/comment "x")']) {
      assert.match((await wire.command('b', text)).join('|'), /^b OK [^|]*$/, text);
    }
    assert.deepEqual(await wire.command('c', 'NOOP'), ['c OK NOOP completed']);
    // What others do to a name of which its own command changed nothing.
    const other = await dial(world.port, { login: true });
    await other.command('1', 'SUBSCRIBE Sent');
    assert.equal(await wire.line(), '* LIST (\\Subscribed \\HasNoChildren \\Sent) "/" "Sent"');
    await wire.command('c1', 'SUBSCRIBE Sent');
    await other.command('2', 'UNSUBSCRIBE Sent');
    assert.equal(await wire.line(), '* LIST (\\HasNoChildren \\Sent) "/" "Sent"');
    other.close();
    // That the message is there is told, but not what is in it.
    const lines = await wire.command('d', 'APPEND INBOX {3+}\r\nabc');
    assert.equal(lines.length, 2);
    assert.equal(lines[0], '* 1 EXISTS');
    assert.equal((await wire.command('e', 'COPY 1 INBOX'))[0], '* 2 EXISTS');
    const uid = inbox().add('Subject: 1\r\n\r\n');
    await play(wire, `
      S: * 3 EXISTS
      S: * 3 FETCH (UID ${uid} FLAGS ())
    `);
    // Of the own message it hears even when it wants to hear of none.
    await wire.command('f', 'NOTIFY NONE');
    assert.equal((await wire.command('g', 'APPEND INBOX {3+}\r\nabc'))[0], '* 4 EXISTS');
    wire.assertQuiet();
  });

  it('says no STATUS of what the client did itself in other mailboxes, but of what others do there meanwhile', async () => {
    for (const n of [1, 2, 3, 4, 5]) inbox().add(`Subject: ${n}\r\n\r\n`);
    const sent = world.user.mailbox('Sent');
    await wire.command('a', 'NOTIFY SET (personal (MessageNew MessageExpunge FlagChange))');
    await wire.command('s', 'SELECT INBOX');
    const own = [
      'COPY 1 Sent',
      'MOVE 1:2 Sent',
      'APPEND Sent {3+}\r\nabc',
      'REPLACE 1 Sent {3+}\r\nabc',
      'STORE 1 +FLAGS.SILENT (\\Deleted)',
      'CLOSE',
      'RENAME INBOX Old',
      'COPY 1 Sent',
      'CREATE New',
      'DELETE Old',
    ];
    /** Whatever asks the mail next finds that others did this. */
    const meanwhile = (operation: string, run: () => void): void => {
      world.user.before = (asked) => {
        if (asked !== operation) return;
        world.user.before = null;
        run();
      };
    };
    for (const text of own.slice(0, 6)) assert.doesNotMatch((await wire.command('b', text)).join('|'), /STATUS| (NO|BAD) /, text);
    assert.equal(inbox().count, 1);
    assert.doesNotMatch((await wire.command('c', own[6])).join('|'), /STATUS| (NO|BAD) /);
    assert.equal(world.user.mailbox('Old').count, 1);
    for (const text of ['SELECT Old', ...own.slice(7)]) assert.doesNotMatch((await wire.command('d', text)).join('|'), /STATUS| (NO|BAD) /, text);
    // Once each: what comes from others in the same moment is not the client's own.
    await wire.command('e', 'SELECT Drafts');
    const count = sent.count;
    meanwhile('commit', () => sent.add('Subject: x\r\n\r\n'));
    assert.deepEqual((await wire.command('f', 'APPEND Sent {3+}\r\nabc'))[0], `* STATUS "Sent" (MESSAGES ${count + 2} UIDNEXT ${sent.uidNext} UIDVALIDITY ${sent.uidValidity} UNSEEN ${count + 2})`);
    meanwhile('commit', () => sent.remove([sent.uids[0]]));
    assert.match((await wire.command('g', 'APPEND Sent {3+}\r\nabc'))[0], new RegExp(`^\\* STATUS "Sent" \\(MESSAGES ${count + 2} `));
    meanwhile('commit', () => sent.setFlags(sent.uids[0], ['\\Seen']));
    assert.match((await wire.command('h', 'APPEND Sent {3+}\r\nabc'))[0], /^\* STATUS "Sent" \(UIDVALIDITY \d+ UNSEEN \d+\)$/);
    const drafts = world.user.mailbox('Drafts');
    const uids = [drafts.add('Subject: 1\r\n\r\n', ['\\Deleted']), drafts.add('Subject: 2\r\n\r\n')];
    await wire.command('i', 'SELECT Drafts');
    meanwhile('expunge', () => drafts.remove([uids[1]]));
    assert.match((await wire.command('j', 'CLOSE'))[0], /^\* STATUS "Drafts" \(MESSAGES 0 /);
    inbox().add('Subject: 1\r\n\r\n');
    assert.match(await wire.line(), /^\* STATUS "INBOX" \(MESSAGES 1 /);
    // The own doing of before hides nothing later.
    sent.add('Subject: y\r\n\r\n');
    assert.match(await wire.line(), /^\* STATUS "Sent" /);
    wire.assertQuiet();
  });

  it('NOTIFY SET STATUS: HIGHESTMODSEQ for who hears of flags; CONDSTORE does not begin with it', async () => {
    inbox().add('Subject: 0\r\n\r\n');
    const lines = await wire.command('a', 'NOTIFY SET STATUS (mailboxes INBOX (MessageNew MessageExpunge FlagChange)) (mailboxes Sent (MessageNew MessageExpunge))');
    assert.match(lines[0], / HIGHESTMODSEQ \d+\)$/);
    assert.doesNotMatch(lines[1], /HIGHESTMODSEQ/);
    await wire.command('s', 'SELECT INBOX');
    assert.deepEqual(await wire.command('b', 'STORE 1 +FLAGS (\\Seen)'), ['* 1 FETCH (FLAGS (\\Seen))', 'b OK STORE completed']);
  });

  it('refuses events that are not there (BADEVENT) and those that mean nothing alone', async () => {
    const refused = async (text: string) => (await wire.command('x', text)).at(-1)!;
    assert.match(await refused('NOTIFY SET (personal (MessageNew MessageExpunge AnnotationChange))'), /^x NO \[BADEVENT \(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange\)\]/);
    for (const text of [
      'NOTIFY',
      'NOTIFY SET',
      'NOTIFY SOME (personal NONE)',
      'NOTIFY SET (personal)',
      'NOTIFY SET (personal ())',
      'NOTIFY SET (personal (MessageNew))',
      'NOTIFY SET (personal (MessageExpunge))',
      'NOTIFY SET (personal (FlagChange))',
      'NOTIFY SET (selected (MailboxName))',
      'NOTIFY SET (personal (MessageNew (UID) MessageExpunge))',
      'NOTIFY SET (selected (MessageNew MessageExpunge)) (selected-delayed NONE)',
      'NOTIFY SET (subtree-one a NONE)',
      'NOTIFY SET (mailboxes () NONE)',
      'NOTIFY SET (elsewhere NONE)',
    ]) {
      assert.match(await refused(text), /^x BAD /, text);
    }
    assert.match(await refused('ESEARCH IN (selected-delayed) ALL'), /^x BAD /);
    assert.match(await refused(`NOTIFY SET${' (personal NONE)'.repeat(101)}`), /^x NO \[NOTIFICATIONOVERFLOW\] /);
    assert.match(await refused(`NOTIFY SET (mailboxes (${`${'x'.repeat(900)} `.repeat(150)}y) NONE)`), /^x NO \[NOTIFICATIONOVERFLOW\] /);
  });
});
