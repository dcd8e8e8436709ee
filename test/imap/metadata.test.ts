import assert from 'node:assert/strict';
import { Unavailable, limits } from '../../src/base/index.ts';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

describe('imap: METADATA', () => {
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

  it('keeps annotations of mailboxes and of the user', async () => {
    await play(wire, `
      C: A1 SETMETADATA INBOX (/private/Comment "My \\"own\\"" /shared/comment {5+}
      C: words)
      S: A1 OK SETMETADATA completed
      C: A2 GETMETADATA INBOX (/private/comment /shared/comment /private/none)
      S: * METADATA "INBOX" (/private/comment "My \\"own\\"" /shared/comment "words" /private/none NIL)
      S: A2 OK GETMETADATA completed
      C: A3 SETMETADATA INBOX (/private/comment NIL)
      S: A3 OK SETMETADATA completed
      C: A4 GETMETADATA INBOX /private/comment
      S: * METADATA "INBOX" (/private/comment NIL)
      S: A4 OK GETMETADATA completed
      C: A5 SETMETADATA "" (/private/vendor/x ~{3+}
    `);
    wire.send('a\0b)\r\n');
    await play(wire, `
      S: A5 OK SETMETADATA completed
      C: A6 GETMETADATA "" /private/vendor/x
      S: * METADATA "" (/private/vendor/x ~{3}
      S: a\0b)
      S: A6 OK GETMETADATA completed
      C: A7 GETMETADATA Nowhere /private/x
      S: A7 NO [NONEXISTENT] …
    `);
  });

  it('looks deeper, and leaves out what is long (DEPTH, MAXSIZE)', async () => {
    await play(wire, `
      C: A1 SETMETADATA INBOX (/private/f "1" /private/f/a "22" /private/f/a/b "333" /private/g "4444")
      S: A1 OK SETMETADATA completed
      C: A2 GETMETADATA (DEPTH 1) INBOX (/private/f)
      S: * METADATA "INBOX" (/private/f "1" /private/f/a "22")
      S: A2 OK GETMETADATA completed
      C: A3 GETMETADATA (DEPTH infinity MAXSIZE 2) INBOX (/private/f /private/g)
      S: * METADATA "INBOX" (/private/f "1" /private/f/a "22")
      S: A3 OK [METADATA LONGENTRIES 4] GETMETADATA completed
      C: A4 GETMETADATA INBOX (DEPTH infinity) /private
      S: * METADATA "INBOX" (/private/f "1" /private/f/a "22" /private/f/a/b "333" /private/g "4444")
      S: A4 OK GETMETADATA completed
    `);
  });

  it('comes with LIST (LIST-METADATA)', async () => {
    await play(wire, `
      C: A1 SETMETADATA Archive (/private/colour "grey")
      S: A1 OK SETMETADATA completed
      C: A2 LIST "" (INBOX Archive) RETURN (METADATA (/private/colour))
      S: * LIST (\\HasNoChildren) "/" "INBOX"
      S: * METADATA "INBOX" (/private/colour NIL)
      S: * LIST (\\HasNoChildren \\Archive) "/" "Archive"
      S: * METADATA "Archive" (/private/colour "grey")
      S: A2 OK LIST completed
    `);
  });

  it('tells the special use of a mailbox, and lets nobody change it (RFC 6154 §4)', async () => {
    await play(wire, `
      C: A1 GETMETADATA Sent (/private/specialuse)
      S: * METADATA "Sent" (/private/specialuse "\\\\Sent")
      S: A1 OK GETMETADATA completed
      C: A2 GETMETADATA INBOX (/private/specialuse)
      S: * METADATA "INBOX" (/private/specialuse NIL)
      S: A2 OK GETMETADATA completed
      C: A3 SETMETADATA INBOX (/private/specialuse "\\\\Sent")
      S: A3 NO [CANNOT] …
      C: A4 SETMETADATA Sent (/private/comment "x" /private/specialuse NIL)
      S: A4 NO [CANNOT] …
      C: A5 LIST "" (INBOX Sent) RETURN (METADATA (DEPTH 1) (/private))
      S: * LIST (\\HasNoChildren) "/" "INBOX"
      S: * LIST (\\HasNoChildren \\Sent) "/" "Sent"
      S: * METADATA "Sent" (/private/specialuse "\\\\Sent")
      S: A5 OK LIST completed
      C: A6 SETMETADATA "" (/private/specialuse "mine")
      S: A6 NO [CANNOT] …
    `);
  });

  describe('ENABLE METADATA', () => {
    let other: Wire;
    beforeEach(async () => {
      other = await dial(world.port, { login: true });
    });
    afterEach(() => other.close());
    const others = async (...texts: string[]) => {
      for (const text of texts) assert.match((await other.command('o', text)).at(-1)!, /^o OK/, text);
    };

    it('tells what others set and removed, with the next command, and nothing before it was asked for', async () => {
      await others('SETMETADATA INBOX (/private/comment "x")');
      assert.deepEqual(await wire.command('a', 'NOOP'), ['a OK NOOP completed']);
      assert.deepEqual(await wire.command('b', 'ENABLE METADATA METADATA-SERVER'), ['* ENABLED METADATA', 'b OK ENABLE completed']);
      await others('SETMETADATA INBOX (/private/comment "y" /private/b "z")', 'SETMETADATA "" (/private/comment "x")', 'SETMETADATA Sent (/private/comment NIL)');
      await others('CREATE New', 'SETMETADATA New (/private/comment "x")', 'RENAME New "R&AOQ-"', 'CREATE Gone', 'SETMETADATA Gone (/private/comment "x")', 'DELETE Gone');
      wire.assertQuiet();
      await play(wire, `
        C: c CAPABILITY
        S: * CAPABILITY …
        S: * METADATA "INBOX" /private/comment /private/b
        S: * METADATA "" /private/comment
        S: * METADATA "R&AOQ-" /private/comment
        S: c OK CAPABILITY completed
      `);
      await others('SETMETADATA INBOX (/private/b NIL)');
      assert.deepEqual(await wire.command('d', 'NOOP'), ['* METADATA "INBOX" /private/b', 'd OK NOOP completed']);
      assert.deepEqual(await wire.command('e', 'NOOP'), ['e OK NOOP completed']);
    });

    it('says nothing of what the client did itself, unless others did too', async () => {
      await wire.command('a', 'ENABLE METADATA');
      await play(wire, `
        C: b SETMETADATA INBOX (/private/comment "x" /private/b "y")
        S: b OK SETMETADATA completed
        C: c CREATE New
        S: c OK …
        C: d SETMETADATA New (/private/comment "x")
        S: d OK SETMETADATA completed
      `);
      await others('SETMETADATA INBOX (/private/comment "z")');
      await play(wire, `
        C: e SETMETADATA INBOX (/private/comment "x" /private/b "z")
        S: * METADATA "INBOX" /private/comment
        S: e OK SETMETADATA completed
      `);
      // As many as one may hear of at once, all its own.
      const names = Array.from({ length: 99 }, (_, n) => `/private/${n}`);
      for (let round = 0; round <= limits.imap_notify_entries_max / 99; round++) await wire.command('f', `SETMETADATA INBOX (${names.map((name) => `${name} "${round}"`).join(' ')})`);
      assert.deepEqual(await wire.command('g', 'NOOP'), ['g OK NOOP completed']);
    });

    it('tells it at once in IDLE', async () => {
      await wire.command('a', 'ENABLE METADATA');
      wire.send('b IDLE\r\n');
      assert.equal(await wire.line(), '+ idling');
      await others('SETMETADATA INBOX (/private/comment "x")');
      assert.equal(await wire.line(), '* METADATA "INBOX" /private/comment');
      wire.send('DONE\r\n');
      assert.deepEqual(await wire.until('b'), ['b OK IDLE completed']);
    });

    it('is told once where NOTIFY asks for it, and not where NOTIFY does not', async () => {
      await wire.command('a', 'ENABLE METADATA');
      await wire.command('b', 'NOTIFY SET (mailboxes Sent (MailboxMetadataChange))');
      await others('SETMETADATA INBOX (/private/comment "x")', 'SETMETADATA Sent (/private/comment "x")');
      assert.deepEqual(await wire.command('c', 'NOOP'), ['* METADATA "Sent" /private/comment', 'c OK NOOP completed']);
      await wire.command('d', 'NOTIFY NONE');
      await wire.command('e', 'ENABLE METADATA');
      await others('SETMETADATA INBOX (/private/comment "y")');
      assert.deepEqual(await wire.command('f', 'NOOP'), ['f OK NOOP completed']);
    });

    it('ends with UNAUTHENTICATE', async () => {
      await wire.command('a', 'ENABLE METADATA');
      await wire.command('b', 'UNAUTHENTICATE');
      await wire.command('c', 'LOGIN ann@example.org secret');
      await others('SETMETADATA INBOX (/private/comment "x")');
      assert.deepEqual(await wire.command('d', 'NOOP'), ['d OK NOOP completed']);
    });

    it('loses nothing while the store is away, and says BYE when there is more than can be kept', async () => {
      await wire.command('a', 'ENABLE METADATA');
      await others('SETMETADATA INBOX (/private/comment "x")');
      world.user.failures.set('mailboxes', new Unavailable('away'));
      assert.deepEqual(await wire.command('b', 'NOOP'), ['b OK NOOP completed']);
      world.user.failures.clear();
      assert.deepEqual(await wire.command('c', 'NOOP'), ['* METADATA "INBOX" /private/comment', 'c OK NOOP completed']);
      const metadata = Array.from({ length: limits.imap_notify_entries_max + 1 }, (_, n) => ({ mailbox: null, entry: `/private/${n}` }));
      world.user.tell({ metadata });
      wire.assertQuiet();
      assert.match((await wire.command('d', 'NOOP'))[0], /^\* BYE /);
      await wire.rest();
    });
  });

  it('has limits, and refuses what is no entry', async () => {
    await play(wire, `
      C: A1 SETMETADATA "" (/shared/comment "x")
      S: A1 NO [NOPERM] …
      C: A2 SETMETADATA INBOX (/private/x {${limits.metadata_value_bytes_max + 1}+}
      C: ${'x'.repeat(limits.metadata_value_bytes_max + 1)})
      S: A2 NO [METADATA MAXSIZE ${limits.metadata_value_bytes_max}] …
      C: A3 SETMETADATA INBOX (/private "x")
      S: A3 NO [CANNOT] …
      C: B1 SETMETADATA INBOX (/other/x "x")
      S: B1 BAD …
      C: B2 SETMETADATA INBOX (/private//x "x")
      S: B2 BAD …
      C: B3 SETMETADATA INBOX ("/private/*" "x")
      S: B3 BAD …
      C: B4 SETMETADATA INBOX ()
      S: B4 BAD …
      C: B5 GETMETADATA INBOX ()
      S: B5 BAD …
      C: B6 GETMETADATA (DEPTH 2) INBOX /private/x
      S: B6 BAD …
    `);
  });
});
