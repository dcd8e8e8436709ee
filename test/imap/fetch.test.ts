import assert from 'node:assert/strict';
import { Unavailable } from '../../src/base/index.ts';
import { CutOff } from '../../src/imap/fetch/answer.ts';
import { fetchChanged } from '../../src/imap/fetch/changed.ts';
import { parseSequenceSet } from '../../src/imap/wire/index.ts';
import { Client, Mailbox, mail } from './fetch-mailbox.ts';

const PLAIN = mail(
  { Date: 'Mon, 05 Feb 2024 10:00:00 +0100', From: 'Ann <ann@example.org>', To: 'bob@example.org', Subject: 'Nests', 'Message-ID': '<1@example.org>', 'X-Colour': 'grey' },
  'Three eggs.\r\n',
);
const PREFIX = Buffer.from('Return-Path: <ann@example.org>\r\nReceived: from here\r\n');
const MIXED = mail(
  { From: 'ann@example.org', Subject: 'Parts', 'Content-Type': 'multipart/mixed; boundary=b' },
  [
    'preamble',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'sm=C3=B8rrebr=C3=B8d',
    '--b',
    'Content-Type: message/rfc822',
    '',
    'From: inner@example.org',
    'Subject: Inside',
    '',
    'inner body',
    '--b',
    'Content-Type: application/octet-stream; name=x.bin',
    'Content-Transfer-Encoding: base64',
    '',
    'AAEC',
    '--b--',
    '',
  ].join('\r\n'),
);

function one(bytes = PLAIN, given: Parameters<Mailbox['add']>[1] = {}): { mailbox: Mailbox; client: Client; uid: number } {
  const mailbox = new Mailbox();
  const uid = mailbox.add(bytes, given);
  return { mailbox, client: new Client(mailbox), uid };
}

const literal = (text: string) => `{${text.length}}\r\n${text}`;
const ENVELOPE =
  'ENVELOPE ("Mon, 05 Feb 2024 10:00:00 +0100" "Nests" (("Ann" NIL "ann" "example.org")) (("Ann" NIL "ann" "example.org")) (("Ann" NIL "ann" "example.org")) ((NIL NIL "bob" "example.org")) NIL NIL NIL "<1@example.org>")';

describe('imap FETCH', () => {
  it('answers what the index knows without asking for records', async () => {
    const { client, uid } = one(PLAIN, { flags: ['\\Seen', 'work'], zone: 90, threadId: 't1', prefix: PREFIX });
    assert.equal(
      await client.send('FETCH 1 (FLAGS UID INTERNALDATE RFC822.SIZE EMAILID THREADID SAVEDATE)'),
      `* 1 FETCH (FLAGS (\\Seen work) UID ${uid} INTERNALDATE " 3-Feb-2024 05:35:06 +0130" RFC822.SIZE ${PLAIN.length + PREFIX.length} ` +
        `EMAILID (e${uid}) THREADID (t1) SAVEDATE " 3-Feb-2024 04:05:06 +0000")\r\nA1 OK FETCH completed\r\n`,
    );
    assert.deepEqual(client.selected.asked, []);
    assert.equal(await one().client.send('FETCH 1 THREADID'), '* 1 FETCH (THREADID NIL)\r\nA1 OK FETCH completed\r\n');
  });

  it('knows the macros', async () => {
    const { client } = one();
    const fast = `FLAGS () INTERNALDATE " 3-Feb-2024 04:05:06 +0000" RFC822.SIZE ${PLAIN.length}`;
    assert.equal(await client.send('FETCH 1 FAST'), `* 1 FETCH (${fast})\r\nA1 OK FETCH completed\r\n`);
    assert.equal(await client.send('FETCH 1 ALL'), `* 1 FETCH (${fast} ${ENVELOPE})\r\nA1 OK FETCH completed\r\n`);
    assert.equal(await client.send('FETCH 1 FULL'), `* 1 FETCH (${fast} ${ENVELOPE} BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 13 1))\r\nA1 OK FETCH completed\r\n`);
  });

  it('renders envelope and structure once for all sessions', async () => {
    const { mailbox, client } = one();
    await client.send('FETCH 1 (ENVELOPE BODYSTRUCTURE BODY)');
    const { rendered } = mailbox.mails[0].record!;
    assert.ok(rendered?.envelope && rendered.structure && rendered.body);
    assert.equal(
      await one(MIXED).client.send('FETCH 1 BODYSTRUCTURE'),
      '* 1 FETCH (BODYSTRUCTURE (("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 20 0 NIL NIL NIL NIL)' +
        '("message" "rfc822" NIL NIL NIL "7bit" 54 (NIL "Inside" ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) NIL NIL NIL NIL NIL) ' +
        '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 10 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)' +
        '("application" "octet-stream" ("name" "x.bin") NIL NIL "base64" 4 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL))\r\nA1 OK FETCH completed\r\n',
    );
    rendered.envelope = '(cached)';
    assert.equal(await new Client(mailbox).send('FETCH 1 ENVELOPE'), '* 1 FETCH (ENVELOPE (cached))\r\nA1 OK FETCH completed\r\n');
  });

  it('puts the UID first for UID FETCH, and in every answer with QRESYNC', async () => {
    const { client, uid } = one();
    assert.equal(await client.send('UID FETCH 1:* FLAGS'), `* 1 FETCH (UID ${uid} FLAGS ())\r\nA1 OK UID FETCH completed\r\n`);
    assert.equal(await client.send('UID FETCH 1:* (FLAGS UID)'), `* 1 FETCH (FLAGS () UID ${uid})\r\nA1 OK UID FETCH completed\r\n`);
    client.enable(true);
    assert.equal(await client.send('FETCH 1 FLAGS'), `* 1 FETCH (UID ${uid} FLAGS ())\r\nA1 OK FETCH completed\r\n`);
  });

  it('gives the message as clients see it: prefix, then bytes as received', async () => {
    const { client } = one(PLAIN, { prefix: PREFIX, flags: ['\\Seen'] });
    const whole = PREFIX.toString() + PLAIN;
    const headerEnd = whole.indexOf('\r\n\r\n') + 4;
    const cases: [string, string, string][] = [
      ['BODY[]', 'BODY[]', whole],
      ['BODY.PEEK[HEADER]', 'BODY[HEADER]', whole.slice(0, headerEnd)],
      ['BODY.PEEK[TEXT]', 'BODY[TEXT]', whole.slice(headerEnd)],
      ['RFC822', 'RFC822', whole],
      ['RFC822.HEADER', 'RFC822.HEADER', whole.slice(0, headerEnd)],
      ['RFC822.TEXT', 'RFC822.TEXT', whole.slice(headerEnd)],
      ['BODY[]<10.20>', 'BODY[]<10>', whole.slice(10, 30)],
      ['BODY[TEXT]<3.9999>', 'BODY[TEXT]<3>', whole.slice(headerEnd + 3)],
      ['BODY[]<99999.10>', 'BODY[]<99999>', ''],
      ['BODY[1]', 'BODY[1]', 'Three eggs.\r\n'],
    ];
    for (const [asked, label, bytes] of cases) assert.equal(await client.send(`FETCH 1 ${asked}`), `* 1 FETCH (${label} ${literal(bytes)})\r\nA1 OK FETCH completed\r\n`);
  });

  it('answers kept header fields without reading the message', async () => {
    const { client } = one(PLAIN, { prefix: PREFIX });
    const asked = 'BODY.PEEK[HEADER.FIELDS (Subject received "FROM")]';
    const fields = 'Received: from here\r\nFrom: Ann <ann@example.org>\r\nSubject: Nests\r\n\r\n';
    assert.equal(await client.send(`FETCH 1 ${asked}`), `* 1 FETCH (BODY[HEADER.FIELDS (Subject received FROM)] ${literal(fields)})\r\nA1 OK FETCH completed\r\n`);
    assert.deepEqual(client.selected.asked, ['records 1']);
    assert.equal(await client.send('FETCH 1 BODY.PEEK[HEADER.FIELDS (Nothing)]'), '* 1 FETCH (BODY[HEADER.FIELDS (Nothing)] {2}\r\n\r\n)\r\nA1 OK FETCH completed\r\n');
  });

  it('answers other header fields from the header', async () => {
    const { client } = one(PLAIN, { prefix: PREFIX });
    assert.equal(
      await client.send('FETCH 1 BODY.PEEK[HEADER.FIELDS (X-Colour Return-Path)]'),
      `* 1 FETCH (BODY[HEADER.FIELDS (X-Colour Return-Path)] ${literal('Return-Path: <ann@example.org>\r\nX-Colour: grey\r\n\r\n')})\r\nA1 OK FETCH completed\r\n`,
    );
    const not = 'Received: from here\r\nDate: Mon, 05 Feb 2024 10:00:00 +0100\r\nMessage-ID: <1@example.org>\r\nX-Colour: grey\r\n\r\n';
    assert.equal(
      await client.send('FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (Return-Path From To Subject)]<0.500>'),
      `* 1 FETCH (BODY[HEADER.FIELDS.NOT (Return-Path From To Subject)]<0> ${literal(not)})\r\nA1 OK FETCH completed\r\n`,
    );
  });

  it('finds parts, their headers and messages in messages', async () => {
    const { client } = one(MIXED, { prefix: PREFIX });
    const cases: [string, string][] = [
      ['1', 'sm=C3=B8rrebr=C3=B8d'],
      ['1.MIME', 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'],
      ['2', 'From: inner@example.org\r\nSubject: Inside\r\n\r\ninner body'],
      ['2.HEADER', 'From: inner@example.org\r\nSubject: Inside\r\n\r\n'],
      ['2.TEXT', 'inner body'],
      ['2.1', 'inner body'],
      ['2.HEADER.FIELDS (Subject)', 'Subject: Inside\r\n\r\n'],
      ['2.HEADER.FIELDS.NOT (Subject)', 'From: inner@example.org\r\n\r\n'],
      ['3', 'AAEC'],
    ];
    for (const [section, bytes] of cases) assert.equal(await client.send(`FETCH 1 BODY.PEEK[${section}]`), `* 1 FETCH (BODY[${section}] ${literal(bytes)})\r\nA1 OK FETCH completed\r\n`);
    for (const section of ['4', '1.1.1', '1.HEADER', '3.TEXT']) assert.equal(await client.send(`FETCH 1 BODY.PEEK[${section}]`), `* 1 FETCH (BODY[${section}] NIL)\r\nA1 OK FETCH completed\r\n`);
  });

  it('answers in order, whether a message has to be read or not', async () => {
    const mailbox = new Mailbox();
    for (const text of [PLAIN, MIXED, PLAIN, PLAIN, MIXED]) mailbox.add(text);
    const there = (n: number) => `* ${n} FETCH (BODY[3] ${literal('AAEC')} FLAGS ())\r\n`;
    const none = (n: number) => `* ${n} FETCH (BODY[3] NIL FLAGS ())\r\n`;
    assert.equal(await new Client(mailbox).send('FETCH 1:5 (BODY.PEEK[3] FLAGS)'), `${none(1)}${there(2)}${none(3)}${none(4)}${there(5)}A1 OK FETCH completed\r\n`);
  });

  it('undoes transfer encodings for BINARY', async () => {
    const { client } = one(MIXED);
    assert.equal(await client.send('FETCH 1 BINARY.PEEK[1]'), `* 1 FETCH (BINARY[1] ${literal('sm\xc3\xb8rrebr\xc3\xb8d')})\r\nA1 OK FETCH completed\r\n`);
    assert.equal(await client.send('FETCH 1 BINARY.PEEK[3]'), '* 1 FETCH (BINARY[3] ~{3}\r\n\x00\x01\x02)\r\nA1 OK FETCH completed\r\n');
    assert.equal(await client.send('FETCH 1 BINARY.SIZE[3]'), '* 1 FETCH (BINARY.SIZE[3] 3)\r\nA1 OK FETCH completed\r\n');
    assert.equal(await client.send('FETCH 1 BINARY.PEEK[1]<2.2>'), '* 1 FETCH (BINARY[1]<2> {2}\r\n\xc3\xb8)\r\nA1 OK FETCH completed\r\n');
    const empty = one('Subject: nothing\r\n\r\n').client;
    assert.equal(await empty.send('FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])'), '* 1 FETCH (BINARY.SIZE[1] 0 BINARY[1] {0}\r\n)\r\nA1 OK FETCH completed\r\n');
    const odd = one(mail({ 'Content-Transfer-Encoding': 'x-odd' })).client;
    assert.equal(await odd.send('FETCH 1 BINARY.PEEK[1]'), 'A1 NO [UNKNOWN-CTE]\r\n');
  });

  it('gives a preview, as a literal where it is not ASCII', async () => {
    assert.match(await one().client.send('FETCH 1 (PREVIEW (LAZY))'), /^\* 1 FETCH \(PREVIEW "Three eggs\.?"\)/);
    const { client } = one(MIXED);
    assert.match(await client.send('FETCH 1 PREVIEW'), /PREVIEW \{12\}\r\nsm\xc3\xb8rrebr\xc3\xb8d\)/);
    client.enabled.utf8 = true;
    assert.match(await client.send('FETCH 1 PREVIEW'), /PREVIEW "sm\xc3\xb8rrebr\xc3\xb8d"\)/);
  });

  it('marks messages as seen in one store, and tells the flags with them', async () => {
    const mailbox = new Mailbox();
    for (let n = 0; n < 50; n++) mailbox.add(PLAIN, { flags: n === 0 ? ['\\Seen'] : ['work'] });
    const client = new Client(mailbox);
    const text = await client.send('FETCH 1:* BODY[TEXT]');
    assert.deepEqual(client.selected.asked.filter((call) => call.startsWith('store')), ['store 49 add \\Seen']);
    assert.ok(text.startsWith(`* 1 FETCH (BODY[TEXT] ${literal('Three eggs.\r\n')})\r\n* 2 FETCH (BODY[TEXT] ${literal('Three eggs.\r\n')} FLAGS (work \\Seen))\r\n`));
    assert.equal(text.match(/FLAGS \(/g)!.length, 49, 'flags are told once');
    assert.ok(mailbox.mails.every((mail) => mail.flags.includes('\\Seen')));
    assert.match(await client.send('FETCH 2 (FLAGS BODY[TEXT])'), /^\* 2 FETCH \(FLAGS \(work \\Seen\) BODY\[TEXT\] [^]*\.\r\n\)\r\nA1 OK/);
  });

  it('waits with its answers for a slow store of the mark, and gives the mail without it', async () => {
    const { client } = one();
    const { store } = client.selected;
    client.selected.store = async (...args) => {
      for (let n = 0; n < 20; n++) await new Promise(setImmediate);
      return store.apply(client.selected, args);
    };
    const text = `BODY[TEXT] ${literal('Three eggs.\r\n')}`;
    assert.equal(await client.send('FETCH 1 BODY[TEXT]'), `* 1 FETCH (${text} FLAGS (\\Seen))\r\nA1 OK FETCH completed\r\n`);
    const { client: other, mailbox } = one();
    other.selected.store = async () => {
      throw new Unavailable('no quorum');
    };
    assert.equal(await other.send('FETCH 1 BODY[TEXT]'), `* 1 FETCH (${text})\r\nA1 OK FETCH completed\r\n`);
    assert.deepEqual(mailbox.mails[0].flags, []);
  });

  it('marks nothing when peeking or read-only', async () => {
    const { mailbox, client } = one();
    await client.send('FETCH 1 (BODY.PEEK[] RFC822.HEADER)');
    await new Client(mailbox, true).send('FETCH 1 BODY[]');
    assert.deepEqual(mailbox.mails[0].flags, []);
  });

  it('adds MODSEQ to implicit flags with CONDSTORE', async () => {
    const { mailbox, client } = one();
    client.enable();
    const text = await client.send('FETCH 1 BODY[TEXT]<0.5>');
    assert.equal(text, `* 1 FETCH (BODY[TEXT]<0> ${literal('Three')} UID ${mailbox.mails[0].uid} FLAGS (\\Seen) MODSEQ (${mailbox.mails[0].modSeq}))\r\nA1 OK FETCH completed\r\n`);
  });

  it('limits itself to what changed, and says what vanished (CONDSTORE, QRESYNC)', async () => {
    const mailbox = new Mailbox();
    const uids = Array.from({ length: 6 }, () => mailbox.add(PLAIN));
    const client = new Client(mailbox);
    const since = mailbox.highestModSeq;
    mailbox.setFlags(uids[1], ['\\Seen']);
    mailbox.remove(uids[4]);
    client.poll();
    assert.equal(await client.send(`FETCH 1:* FLAGS (CHANGEDSINCE ${since})`), `* 2 FETCH (FLAGS (\\Seen) MODSEQ (${mailbox.mails[1].modSeq}))\r\nA1 OK FETCH completed\r\n`);
    assert.equal(client.enabled.condstore, true, 'CHANGEDSINCE enables CONDSTORE');
    assert.equal(await client.send(`UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${since} VANISHED)`), 'A1 BAD\r\n');
    client.enable(true);
    assert.equal(
      await client.send(`UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${since} VANISHED)`),
      `* VANISHED (EARLIER) ${uids[4]}\r\n* 2 FETCH (UID ${uids[1]} FLAGS (\\Seen) MODSEQ (${mailbox.mails[1].modSeq}))\r\nA1 OK UID FETCH completed\r\n`,
    );
    assert.equal(await client.send(`UID FETCH ${uids[0]} FLAGS (CHANGEDSINCE ${since} VANISHED)`), 'A1 OK UID FETCH completed\r\n');
    assert.equal(await client.send('FETCH 2 MODSEQ'), `* 2 FETCH (UID ${uids[1]} MODSEQ (${mailbox.mails[1].modSeq}))\r\nA1 OK FETCH completed\r\n`);

    const behind = new Client(mailbox);
    behind.enable(true);
    mailbox.remove(uids[5]);
    assert.equal(
      await behind.send(`UID FETCH ${uids[4]}:${uids[5]} (FLAGS) (CHANGEDSINCE ${since} VANISHED)`),
      `* VANISHED (EARLIER) ${uids[4]}\r\n* VANISHED ${uids[5]}\r\nA1 OK UID FETCH completed\r\n`,
      'what the client still counts vanishes once, and counts',
    );

    await fetchChanged(client.context, since, parseSequenceSet(`1:${uids[5]}`).set);
    assert.equal(client.taken(), `* VANISHED (EARLIER) ${uids[4]}\r\n* 2 FETCH (UID ${uids[1]} FLAGS (\\Seen) MODSEQ (${mailbox.mails[1].modSeq}))\r\n`);
    await fetchChanged(client.context, since, parseSequenceSet(`${uids[0]}`).set);
    assert.equal(client.taken(), '');
    await fetchChanged(client.context, since, null);
    assert.match(client.taken(), /VANISHED \(EARLIER\) \d+\r\n\* 2 FETCH/);
  });

  it('passes over messages that vanish meanwhile', async () => {
    const mailbox = new Mailbox();
    const uids = Array.from({ length: 40 }, () => mailbox.add(PLAIN));
    const client = new Client(mailbox);
    client.selected.meanwhile = () => {
      if (mailbox.find(uids[30]) >= 0) mailbox.remove(uids[30]);
    };
    const text = await client.send('FETCH 1:* BODY.PEEK[]');
    assert.equal(text.match(/FETCH \(BODY/g)!.length, 39);
    assert.match(text, /A1 NO \[EXPUNGEISSUED\]\r\n$/);
    assert.ok(!text.includes('EXPUNGE\r\n'), 'sequence numbers stay while the client may use them');
    assert.equal(client.poll(), '* 31 EXPUNGE\r\n');
    const other = new Client(mailbox);
    mailbox.remove(uids[2]);
    assert.match(await other.send(`UID FETCH ${uids[2]}:${uids[3]} FLAGS`), /^\* 4 FETCH \(UID \d+ FLAGS \(\)\)\r\n\* 3 EXPUNGE\r\nA1 OK/);
  });

  it('sends a large body in pieces, and cuts off rather than lie about its size', async () => {
    const large = mail({ Subject: 'large' }, 'x'.repeat(3 * 1024 * 1024));
    const { client } = one(large);
    const text = await client.send('FETCH 1 BODY.PEEK[]');
    assert.equal(text, `* 1 FETCH (BODY[] ${literal(large)})\r\nA1 OK FETCH completed\r\n`);
    const sizes = client.selected.asked.filter((call) => call.startsWith('read')).map((call) => call.split(' ').slice(2).map(Number));
    assert.ok(sizes.length > 4 && sizes.every(([from, to]) => to - from <= 512 * 1024));
    const { mailbox, client: unlucky, uid } = one(large);
    let reads = 0;
    unlucky.selected.meanwhile = () => {
      if (++reads === 3) mailbox.remove(uid);
    };
    await assert.rejects(unlucky.send('FETCH 1 BODY.PEEK[]'), CutOff);
  });

  it('holds little of a message that is asked for many times', async () => {
    const large = mail({ Subject: 'large' }, 'x'.repeat(1024 * 1024));
    const { client } = one(large);
    let waiting = 0;
    let most = 0;
    const { read } = client.selected;
    client.selected.read = async (...args) => {
      most = Math.max(most, ++waiting);
      await new Promise(setImmediate);
      waiting--;
      return read.apply(client.selected, args);
    };
    const text = await client.send(`FETCH 1 (${Array.from({ length: 40 }, () => 'BODY.PEEK[]').join(' ')})`);
    assert.equal(text, `* 1 FETCH (${Array.from({ length: 40 }, () => `BODY[] ${literal(large)}`).join(' ')})\r\nA1 OK FETCH completed\r\n`);
    assert.ok(most <= 6, `${most} reads at once`);
  });

  it('reads ahead for small messages within its limits', async () => {
    const mailbox = new Mailbox();
    for (let n = 0; n < 100; n++) mailbox.add(PLAIN);
    const client = new Client(mailbox);
    let open = 0;
    let most = 0;
    const { read } = client.selected;
    client.selected.read = async (...args) => {
      most = Math.max(most, ++open);
      await new Promise(setImmediate);
      open--;
      return read.apply(client.selected, args);
    };
    const text = await client.send('FETCH 1:* BODY.PEEK[TEXT]');
    assert.equal(text.match(/FETCH/g)!.length, 101);
    assert.ok(most > 4 && most <= 17, `${most} reads at once`);
  });

  it('keeps NUL out of literals', async () => {
    const { client } = one('Subject: x\r\n\r\na\0b');
    assert.equal(await client.send('FETCH 1 BODY.PEEK[TEXT]'), `* 1 FETCH (BODY[TEXT] ${literal('a\x80b')})\r\nA1 OK FETCH completed\r\n`);
  });

  it('refuses what is no FETCH', async () => {
    const { client } = one();
    for (const text of [
      'FETCH 1', 'FETCH 1 ()', 'FETCH 1 NONSENSE', 'FETCH 1 (FLAGS ALL)', 'FETCH 1 BODY[', 'FETCH 1 BODY[MIME]', 'FETCH 1 BODY[1.]', 'FETCH 1 BODY[0]', 'FETCH 1 BODY[]<1>', 'FETCH 1 BODY[]<1.0>',
      'FETCH 1 BODY[HEADER.FIELDS]', 'FETCH 1 BODY[HEADER.FIELDS ()]', 'FETCH 1 BODY[1TEXT]', 'FETCH 1 BINARY[1.TEXT]', 'FETCH 1 FLAGS (VANISHED)', 'FETCH 1 FLAGS (NONE 1)', 'FETCH 2 FLAGS', 'FETCH 0 FLAGS',
      `FETCH 1 BODY[${'1.'.repeat(1000)}1]`, `FETCH 1 (${'FLAGS '.repeat(2000)}FLAGS)`,
    ]) {
      assert.equal(await client.send(text), 'A1 BAD\r\n', text.slice(0, 50));
    }
  });
});
