import assert from 'node:assert/strict';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

const MESSAGE = 'Subject: one\r\nX-Other: y\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst part\r\n--b\r\nContent-Type: text/html\r\n\r\nsecond part\r\n--b--\r\n';

describe('imap: CATENATE', () => {
  let world: World;
  let wire: Wire;
  let uid: number;
  let url: string;
  beforeEach(async () => {
    world = await startWorld({ tls: false });
    const inbox = world.user.mailbox('INBOX');
    uid = inbox.add(MESSAGE);
    url = `/INBOX;UIDVALIDITY=${inbox.uidValidity}/;UID=${uid}`;
    wire = await dial(world.port, { login: true });
  });
  afterEach(async () => {
    wire.close();
    await world.stop();
  });
  const drafts = () => world.user.mailbox('Drafts').messages;

  it('makes a message of texts and of pieces of others', async () => {
    await play(wire, `
      C: A1 APPEND Drafts (\\Draft) "17-Jul-1996 02:44:25 -0700" CATENATE (URL "${url}/;SECTION=HEADER" TEXT {6}
      S: + go on
      C: hello, URL "${url}/;SECTION=1" TEXT {3+}
      C: end)
      S: A1 OK [APPENDUID … …] APPEND completed
    `);
    assert.equal(drafts()[0].bytes.toString(), `${MESSAGE.slice(0, MESSAGE.indexOf('\r\n\r\n') + 4)}hello,first partend`);
    assert.deepEqual(drafts()[0].flags, ['\\Draft']);
  });

  it('takes URLs alone, whole messages and parts of them (URL-PARTIAL)', async () => {
    await play(wire, `
      C: A1 APPEND Drafts CATENATE (URL "${url}" URL "imap://ann%40example.org@imap.example.org/INBOX/;UID=${uid}/;SECTION=HEADER.FIELDS%20(Subject)")
      S: A1 OK [APPENDUID … …] APPEND completed
      C: A2 APPEND Drafts CATENATE (URL "${url}/;PARTIAL=9.3" URL "${url}/;SECTION=2.MIME/;PARTIAL=14" URL "${url}/;SECTION=HEADER.FIELDS%20(Subject)/;PARTIAL=0.7")
      S: A2 OK [APPENDUID … …] APPEND completed
      C: A3 APPEND Drafts CATENATE (URL "${url}/;PARTIAL=0.7") (\\Seen) {3+}
      C: abc CATENATE (TEXT {2+}
      C: de)
      S: A3 OK [APPENDUID … …] APPEND completed
    `);
    assert.deepEqual(drafts().map(({ bytes }) => bytes.toString()), [`${MESSAGE}Subject: one\r\n\r\n`, 'onetext/html\r\n\r\nSubject', 'Subject', 'abc', 'de']);
    assert.equal(world.user.mailbox('INBOX').listeners.size, 0);
  });

  it('refuses what is not there or not the own (BADURL), and leaves nothing', async () => {
    for (const bad of [`/INBOX;UIDVALIDITY=1/;UID=${uid}`, '/INBOX/;UID=9999', '/Nowhere/;UID=1', `${url}/;SECTION=9`, `${url}/;SECTION=ODD`, 'http://example.org/', `imap://bob@imap.example.org/INBOX/;UID=${uid}`, `imap://ann%40example.org@other.example/INBOX/;UID=${uid}`, '/%zz/;UID=1']) {
      assert.match((await wire.command('A1', `APPEND Drafts CATENATE (URL "${bad}")`))[0], /^A1 NO \[BADURL "/, bad);
    }
    await play(wire, `
      C: A2 APPEND Drafts CATENATE (TEXT {3+}
      C: abc URL "/INBOX/;UID=9999")
      S: A2 NO [BADURL "/INBOX/;UID=9999"] …
      C: A3 APPEND Drafts CATENATE ()
      S: A3 BAD …
      C: A4 APPEND Drafts CATENATE (URL "${url}"
      S: A4 BAD …
      C: A5 APPEND Drafts CATENATE (TEXT "x")
      S: A5 BAD …
      C: A6 APPEND Nowhere CATENATE (URL "${url}")
      S: A6 NO [TRYCREATE] …
      C: A7 APPEND Drafts CATENATE (TEXT {3}
      S: + go on
      C: abc XURL)
      S: A7 BAD …
    `);
    assert.equal(drafts().length, 0);
    assert.equal(world.user.appending, 0);
  });
});
