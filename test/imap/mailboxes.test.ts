import assert from 'node:assert/strict';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

describe('imap: mailboxes', () => {
  let world: World;
  let wire: Wire;
  beforeEach(async () => {
    world = await startWorld();
    wire = await dial(world.port, { login: true });
  });
  afterEach(() => {
    wire.close();
    return world.stop();
  });

  it('LIST: delimiter, patterns, special uses, children', async () => {
    world.user.make('Work/2024/May', null);
    await play(wire, `
      C: a LIST "" ""
      S: * LIST (\\Noselect) "/" ""
      S: a OK LIST completed
      C: b LIST "" %
      S: * LIST (\\HasNoChildren) "/" "INBOX"
      S: * LIST (\\HasNoChildren \\Archive) "/" "Archive"
      S: * LIST (\\HasNoChildren \\Drafts) "/" "Drafts"
      S: * LIST (\\HasNoChildren \\Junk) "/" "Junk"
      S: * LIST (\\HasNoChildren \\Sent) "/" "Sent"
      S: * LIST (\\HasNoChildren \\Trash) "/" "Trash"
      S: * LIST (\\Noselect \\HasChildren) "/" "Work"
      S: b OK LIST completed
      C: c LIST Work/ *
      S: * LIST (\\Noselect \\HasChildren) "/" "Work/2024"
      S: * LIST (\\HasNoChildren) "/" "Work/2024/May"
      S: c OK LIST completed
      C: d LIST "" w*
      S: d OK LIST completed
      C: e LIST "" iNb%
      S: * LIST (\\HasNoChildren) "/" "INBOX"
      S: e OK LIST completed
      C: f LIST "" "%/%/M%y"
      S: * LIST (\\HasNoChildren) "/" "Work/2024/May"
      S: f OK LIST completed
    `);
  });

  it('LIST: INBOX is the same in any case, also above others', async () => {
    world.user.make('INBOX/Plans', null);
    world.user.make('inboxes', null);
    await play(wire, `
      C: a LIST "" iNb*
      S: * LIST (\\HasChildren) "/" "INBOX"
      S: * LIST (\\HasNoChildren) "/" "INBOX/Plans"
      S: a OK LIST completed
      C: b LIST "" "%nbox/Pl*"
      S: * LIST (\\HasNoChildren) "/" "INBOX/Plans"
      S: b OK LIST completed
      C: c LIST "" "inb*/pl*"
      S: c OK LIST completed
      C: d LIST "" "inboxe%"
      S: * LIST (\\HasNoChildren) "/" "inboxes"
      S: d OK LIST completed
    `);
  });

  it('LIST: selection and return options (RFC 5258, 5819, 6154)', async () => {
    world.user.make('a', null);
    world.user.make('a/b', null);
    world.user.make('a/b/c', null);
    world.user.subscriptions.add('a/b/c').add('gone/too').add('INBOX');
    await play(wire, `
      C: a LIST (SUBSCRIBED) "" *
      S: * LIST (\\Subscribed \\HasNoChildren) "/" "INBOX"
      S: * LIST (\\Subscribed \\HasNoChildren) "/" "a/b/c"
      S: * LIST (\\NonExistent \\Subscribed \\HasNoChildren) "/" "gone/too"
      S: a OK LIST completed
      C: b LIST (SUBSCRIBED RECURSIVEMATCH) "" %
      S: * LIST (\\Subscribed \\HasNoChildren) "/" "INBOX"
      S: * LIST (\\HasChildren) "/" "a" ("CHILDINFO" ("SUBSCRIBED"))
      S: * LIST (\\NonExistent \\HasNoChildren) "/" "gone" ("CHILDINFO" ("SUBSCRIBED"))
      S: b OK LIST completed
      C: c LIST (SPECIAL-USE) "" * RETURN (SUBSCRIBED)
      S: * LIST (\\HasNoChildren \\Archive) "/" "Archive"
      S: * LIST (\\HasNoChildren \\Drafts) "/" "Drafts"
      S: * LIST (\\HasNoChildren \\Junk) "/" "Junk"
      S: * LIST (\\HasNoChildren \\Sent) "/" "Sent"
      S: * LIST (\\HasNoChildren \\Trash) "/" "Trash"
      S: c OK LIST completed
      C: d LIST "" (INBOX "a/%" nothing) RETURN (CHILDREN SUBSCRIBED STATUS (MESSAGES SIZE))
      S: * LIST (\\Subscribed \\HasNoChildren) "/" "INBOX"
      S: * STATUS "INBOX" (MESSAGES 0 SIZE 0)
      S: * LIST (\\HasChildren) "/" "a/b"
      S: * STATUS "a/b" (MESSAGES 0 SIZE 0)
      S: d OK LIST completed
      C: e LIST (RECURSIVEMATCH) "" *
      S: e BAD …
      C: f LIST (FUNNY) "" *
      S: f BAD …
      C: g LIST "" () RETURN ()
      S: g BAD …
      C: h LIST () "" (a) RETURN (MYRIGHTS)
      S: h BAD …
      C: i LIST (REMOTE) "" a
      S: * LIST (\\HasChildren) "/" "a"
      S: i OK LIST completed
      C: j LSUB "" *
      S: * LSUB () "/" "INBOX"
      S: * LSUB () "/" "a/b/c"
      S: * LSUB (\\Noselect) "/" "gone/too"
      S: j OK LSUB completed
      C: k LSUB "" %
      S: * LSUB () "/" "INBOX"
      S: * LSUB (\\Noselect) "/" "a"
      S: * LSUB (\\Noselect) "/" "gone"
      S: k OK LSUB completed
    `);
  });

  it('CREATE, RENAME, DELETE, SUBSCRIBE', async () => {
    await play(wire, `
      C: a CREATE Projects/Colombier/
      S: a OK [MAILBOXID (m…)] CREATE completed
      C: a CREATE Projects
      S: a NO [ALREADYEXISTS] …
      C: a CREATE inbox
      S: a NO [ALREADYEXISTS] …
      C: a CREATE Old (USE (\\Archive))
      S: a OK [MAILBOXID …] CREATE completed
      C: a CREATE All (USE (\\All))
      S: a NO [USEATTR] …
      C: a CREATE Two (USE (\\Sent \\Trash))
      S: a NO [USEATTR] …
      C: a CREATE a//b
      S: a NO [CANNOT] …
      C: a CREATE "a*"
      S: a NO [CANNOT] …
      C: a CREATE ""
      S: a BAD …
      C: a CREATE ${'d/'.repeat(40)}x
      S: a NO [LIMIT] …
      C: a CREATE ${'x'.repeat(1001)}
      S: a NO [LIMIT] …
      C: a RENAME Projects Plans
      S: a OK RENAME completed
      C: a STATUS Plans/Colombier (MESSAGES)
      S: * STATUS "Plans/Colombier" (MESSAGES 0)
      S: a OK STATUS completed
      C: a RENAME Plans Plans/x
      S: a NO [CANNOT] …
      C: a RENAME nothing y
      S: a NO [NONEXISTENT] …
      C: a RENAME Plans INBOX
      S: a NO [ALREADYEXISTS] …
      C: a DELETE INBOX
      S: a NO [CANNOT] …
      C: a DELETE nothing
      S: a NO [NONEXISTENT] …
      C: a DELETE Plans
      S: a OK DELETE completed
      C: a SUBSCRIBE Later
      S: a OK SUBSCRIBE completed
      C: a UNSUBSCRIBE Later
      S: a OK UNSUBSCRIBE completed
      C: a NAMESPACE
      S: * NAMESPACE (("" "/")) NIL NIL
      S: a OK NAMESPACE completed
      C: a ID ("name" "tester" "version" NIL)
      S: * ID ("name" "Colombier")
      S: a OK ID completed
      C: a ID NIL
      S: * ID …
      S: a OK ID completed
      C: a ID ("name")
      S: a BAD …
    `);
  });

  it('names in modified UTF-7, and in UTF-8 after ENABLE', async () => {
    await play(wire, `
      C: a CREATE "Entw&APw-rfe & Co"
      S: a BAD mailbox name is not valid modified UTF-7…
      C: a CREATE "Entw&APw-rfe &- Co"
      S: a OK …
      C: a CREATE Entw\xc3\xbcrfe
      S: a BAD …
      C: a CREATE "Entw\xc3\xbcrfe"
      S: a BAD …UTF8=ACCEPT…
      C: a CREATE &AOk
      S: a BAD …
      C: a CREATE &AGE-
      S: a BAD …
      C: a CREATE &2D0-
      S: a BAD …
      C: a LIST "" Ent*
      S: * LIST (\\HasNoChildren) "/" "Entw&APw-rfe &- Co"
      S: a OK LIST completed
      C: a ENABLE UTF8=ACCEPT X-UNKNOWN
      S: * ENABLED UTF8=ACCEPT
      S: a OK ENABLE completed
      C: a LIST "" Ent*
      S: * LIST (\\HasNoChildren) "/" "Entw\xc3\xbcrfe & Co"
      S: a OK LIST completed
      C: a CREATE "u\xcc\x88"
      S: a OK …
      C: a STATUS "\xc3\xbc" (MESSAGES)
      S: * STATUS "\xc3\xbc" (MESSAGES 0)
      S: a OK STATUS completed
      C: a ID ("name" "\xff")
      S: a BAD text is not valid UTF-8
      C: a CREATE "\xff"
      S: a BAD text is not valid UTF-8
    `);
  });

  it('STATUS gives every item', async () => {
    const inbox = world.user.mailbox('INBOX');
    inbox.add('12345', ['\\Seen']);
    inbox.add('123', ['\\Deleted']);
    await play(wire, `
      C: a STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MAILBOXID APPENDLIMIT)
      S: * STATUS "INBOX" (MESSAGES 2 RECENT 0 UIDNEXT 129 UIDVALIDITY 1048577 UNSEEN 1 DELETED 1 SIZE 8 HIGHESTMODSEQ 128 MAILBOXID (m000000000000001) APPENDLIMIT 52428800)
      S: a OK STATUS completed
      C: a STATUS INBOX (MESSAGES CONSTRUCTOR)
      S: a BAD …
      C: a STATUS INBOX ()
      S: a BAD …
      C: a STATUS nothing (MESSAGES)
      S: a NO [NONEXISTENT] …
    `);
  });

  it('a LIST of hostile patterns ends soon', async () => {
    for (let i = 0; i < 300; i++) world.user.make(`${'a'.repeat(200)}${i}`, null);
    assert.deepEqual(await wire.command('a', `LIST "" "${'*a%a'.repeat(60)}b"`), ['a OK LIST completed']);
    assert.deepEqual(await wire.command('b', `LIST "" "${'%a'.repeat(3000)}"`), ['b NO [LIMIT] the patterns are too long']);
    assert.deepEqual(await wire.command('c', `LIST "" "${'%a'.repeat(5000)}"`), ['c NO [LIMIT] a name or pattern is too long']);
    // Exponential matching would run into the test's time-out.
  });
});
