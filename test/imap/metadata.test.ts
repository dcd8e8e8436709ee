import { limits } from '../../src/base/index.ts';
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
