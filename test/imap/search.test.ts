import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fold, foldLong } from '../../src/imap/search/fold.ts';
import { limits } from '../../src/base/index.ts';
import { Client, Mailbox, mail } from './fetch-mailbox.ts';

const DAY = 86_400_000;

/** Five messages, each different in everything that can be searched for. */
function five(): { mailbox: Mailbox; client: Client; uids: number[] } {
  const mailbox = new Mailbox();
  const at = (day: number, hour = 12) => Date.UTC(2024, 1, day, hour);
  const uids = [
    mailbox.add(mail({ From: 'Ann <ann@example.org>', To: 'bob@example.org', Subject: 'Nests', Date: 'Mon, 05 Feb 2024 23:30:00 -0500', 'X-Colour': 'grey' }, 'Three eggs.\r\n'), {
      flags: ['\\Seen'], internalDate: at(5, 23), zone: 120, saveDate: at(1), threadId: 't1',
    }),
    mailbox.add(mail({ From: 'carol@example.net', Cc: 'ann@example.org', Subject: '=?utf-8?q?R=C3=A9sum=C3=A9?=', Date: 'Tue, 06 Feb 2024 10:00:00 +0000' }, 'Nothing here.\r\n'), {
      flags: ['\\Answered', '\\Flagged'], internalDate: at(6), saveDate: at(2),
    }),
    mailbox.add(
      mail({ From: 'dave@example.net', Bcc: 'eve@example.org', 'Content-Type': 'text/plain; charset=iso-8859-1', 'Content-Transfer-Encoding': 'quoted-printable' }, 'Stra=DFe und =\r\nWald\r\n'),
      { flags: ['work', '\\Draft'], internalDate: at(7), saveDate: at(3) },
    ),
    mailbox.add(
      mail(
        { Subject: 'Parts', 'Content-Type': 'multipart/mixed; boundary=b' },
        '--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
          `${Buffer.from('<p>Zürich & needle</p>').toString('base64')}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner secret\r\n\r\ninner words\r\n` +
          '--b\r\nContent-Type: application/pdf; name="invoice.pdf"\r\n\r\nrawbytes\r\n--b--\r\n',
      ),
      { flags: ['\\Deleted'], internalDate: at(8), saveDate: at(4) },
    ),
    mailbox.add(mail({ Subject: 'big', Received: 'from somewhere' }, 'x'.repeat(5000)), { internalDate: at(9), saveDate: at(5) }),
  ];
  return { mailbox, client: new Client(mailbox), uids };
}

const found = async (client: Client, keys: string, literals: string[] = []) => {
  const text = await client.send(`SEARCH ${keys}`, literals);
  const answer = /^\* SEARCH((?: \d+)*)\r\nA1 OK/.exec(text);
  assert.ok(answer, `${keys}: ${text}`);
  return answer[1].trim();
};

describe('imap SEARCH', () => {
  it('finds header texts however a program folded their lines', async () => {
    const mailbox = new Mailbox();
    mailbox.add(mail({ Subject: 'the long way\r\n\tto the harbour', To: '"Ann \t of  Far" <ann@far.test>', 'X-Note': 'one \r\n  two' }, 'x\r\n'), {});
    mailbox.add(mail({ Subject: 'outside', 'Content-Type': 'message/rfc822' }, 'Subject: the long way\r\n\tto the harbour\r\n\r\nthe  tide\r\n'), {});
    for (const [keys, numbers] of [
      ['SUBJECT "way to the"', '1'], ['SUBJECT {7}', '1'], ['TO "ann of far"', '1'], ['HEADER X-Note "one two"', '1'], ['TEXT "way to the"', '1 2'], ['BODY "way to the"', '2'],
      ['TEXT "note:  one two"', '1'], ['FUZZY SUBJECT "way  to"', '1'], ['BODY "the tide"', ''], ['BODY "the  tide"', '2'],
    ]) assert.equal(await found(new Client(mailbox), keys, keys.endsWith('{7}') ? ['way\t to'] : []), numbers, keys);
  });

  it('looks into what says why a message came back, and into other parts of messages', async () => {
    const mailbox = new Mailbox();
    const parts = ['delivery-status', 'global-delivery-status', 'disposition-notification', 'external-body', 'partial'];
    for (const part of parts) mailbox.add(mail({ 'Content-Type': 'multipart/report; boundary=b' }, `--b\r\nContent-Type: message/${part}\r\n\r\nReporting-MTA: dns; mx.far.test\r\n\r\nFinal-Recipient: rfc822; gone@far.test\r\n--b--\r\n`), {});
    assert.equal(await found(new Client(mailbox), 'BODY "; gone@far"'), '1 2 3 4 5');
    assert.equal(await found(new Client(mailbox), 'TEXT "dns; mx.far"'), '1 2 3 4 5');
  });

  const CASES: [keys: string, numbers: string][] = [
    ['ALL', '1 2 3 4 5'],
    ['OLD', '1 2 3 4 5'],
    ['NEW', ''],
    ['RECENT', ''],
    ['SEEN', '1'],
    ['UNSEEN', '2 3 4 5'],
    ['ANSWERED', '2'],
    ['UNANSWERED', '1 3 4 5'],
    ['FLAGGED', '2'],
    ['UNFLAGGED', '1 3 4 5'],
    ['DELETED', '4'],
    ['UNDELETED', '1 2 3 5'],
    ['DRAFT', '3'],
    ['UNDRAFT', '1 2 4 5'],
    ['KEYWORD Work', '3'],
    ['UNKEYWORD work', '1 2 4 5'],
    ['KEYWORD nowhere', ''],
    ['2:3', '2 3'],
    ['4:*', '4 5'],
    ['9', ''],
    ['2,4:9', '2 4 5'],
    ['LARGER 5000', '5'],
    ['SMALLER 5000', '1 2 3 4'],
    // 23:00 UTC on the 5th is the 6th where it arrived.
    ['ON 6-Feb-2024', '1 2'],
    ['BEFORE 6-Feb-2024', ''],
    ['SINCE 8-Feb-2024', '4 5'],
    ['SENTON 5-Feb-2024', '1'],
    ['SENTBEFORE 6-Feb-2024', '1'],
    ['SENTSINCE 6-Feb-2024', '2'],
    ['SAVEDON 2-Feb-2024', '2'],
    ['SAVEDBEFORE 3-Feb-2024', '1 2'],
    ['SAVEDSINCE "4-Feb-2024"', '4 5'],
    ['SAVEDATESUPPORTED', '1 2 3 4 5'],
    ['FROM ann', '1'],
    ['FROM EXAMPLE.NET', '2 3'],
    ['TO bob', '1'],
    ['CC ann', '2'],
    ['BCC eve', '3'],
    ['SUBJECT nest', '1'],
    ['SUBJECT ""', '1 2 4 5'],
    ['HEADER X-Colour gr', '1'],
    ['HEADER x-colour ""', '1'],
    ['HEADER Received somewhere', '5'],
    ['HEADER Nothing ""', ''],
    ['BODY eggs', '1'],
    ['BODY nests', ''],
    ['TEXT nests', '1'],
    ['TEXT colour', '1'],
    ['BODY "inner secret"', '4'],
    ['BODY invoice', '4'],
    ['BODY rawbytes', ''],
    ['BODY needle', '4'],
    ['BODY "und Wald"', '3'],
    ['BODY STRASSE', '3'],
    ['BODY ""', '1 2 3 4 5'],
    ['THREADID t1', '1'],
    ['OR SEEN FLAGGED', '1 2'],
    ['OR OR SEEN FLAGGED DRAFT', '1 2 3'],
    ['OR SEEN OR FLAGGED OR DRAFT DELETED', '1 2 3 4'],
    ['NOT NOT SEEN', '1'],
    ['NOT NOT NOT SEEN', '2 3 4 5'],
    ['NOT (SEEN)', '2 3 4 5'],
    ['(UNSEEN (2:4 NOT DELETED)) UNDRAFT', '2'],
    ['NOT OR SEEN NOT SUBJECT parts', '4'],
    ['NOT BODY eggs UNSEEN', '2 3 4 5'],
    ['OR BODY eggs SUBJECT parts', '1 4'],
    ['CHARSET US-ASCII SUBJECT nest', '1'],
  ];
  for (const [keys, numbers] of CASES) {
    it(`${keys} → ${numbers || 'none'}`, async () => {
      assert.equal(await found(five().client, keys), numbers);
    });
  }

  it('finds text in any charset, encoding and case', async () => {
    const { client } = five();
    assert.equal(await found(client, 'SUBJECT {10}', ['RÉSUMÉ'.normalize('NFC')]), '2');
    assert.equal(await found(client, 'CHARSET UTF-8 BODY {7}', ['zÜRICH']), '4');
    assert.equal(fold('Straße ΟΔΟΣ e\u0301'), fold('STRASSE οδος É'));
    const latin = Buffer.from('r\xe9sum\xe9', 'latin1');
    const byLatin = await client.send('SEARCH CHARSET ISO-8859-1 SUBJECT {6}', [latin as unknown as string]);
    assert.match(byLatin, /^\* SEARCH 2\r\n/);
    assert.equal(await client.send('SEARCH CHARSET x-none SUBJECT a'), 'A1 NO [BADCHARSET (US-ASCII UTF-8)]\r\n');
  });

  it('folds long texts as short ones', async () => {
    const line = 'Grüße e\u0301\r\n';
    for (const text of [line.repeat(60_000), 'ß'.repeat(600_000), '']) assert.equal(await foldLong(text), fold(text));
    const mailbox = new Mailbox();
    mailbox.add(mail({ 'Content-Type': 'text/plain; charset=utf-8' }, `${'Sm\xc3\xb8rrebr\xc3\xb8d\r\n'.repeat(60_000)}the needle\r\n`));
    assert.equal(await found(new Client(mailbox), 'BODY "the needle"'), '1');
  });

  it('reads no message for what index and record know, and none twice', async () => {
    const { client } = five();
    await found(client, 'SEEN LARGER 3');
    assert.equal(client.selected.asked.length, 0);
    await found(client, 'SUBJECT parts FROM nobody SENTSINCE 1-Jan-2020 HEADER Message-ID x');
    assert.ok(!client.selected.asked.some((call) => call.startsWith('read')));
    client.selected.asked = [];
    await found(client, 'UNSEEN BODY needle SUBJECT parts TEXT inner');
    assert.equal(client.selected.asked.filter((call) => call.startsWith('read')).length, 1, 'message 4 alone, once');
    client.selected.asked = [];
    await found(client, 'OR SEEN BODY needle');
    assert.equal(client.selected.asked.filter((call) => call.startsWith('read')).length, 4);
  });

  it('does not fetch attachments to search', async () => {
    const mailbox = new Mailbox();
    const body = `--b\r\nContent-Type: text/plain\r\n\r\nthe needle\r\n--b\r\nContent-Type: image/png; name=cat.png\r\n\r\n${'A'.repeat(2_000_000)}\r\n--b--\r\n`;
    mailbox.add(mail({ 'Content-Type': 'multipart/mixed; boundary=b' }, body));
    const client = new Client(mailbox);
    assert.equal(await found(client, 'TEXT needle TEXT cat.png'), '1');
    const bytes = client.selected.asked.filter((call) => call.startsWith('read')).map((call) => Number(call.split(' ')[3]) - Number(call.split(' ')[2]));
    assert.ok(bytes.reduce((a, b) => a + b) < 5000, `${bytes}`);
  });

  it('searches by UID and by age', async () => {
    const { client, uids, mailbox } = five();
    assert.equal(await client.send('UID SEARCH UNSEEN 1:2'), `* SEARCH ${uids[1]}\r\nA1 OK UID SEARCH completed\r\n`);
    assert.equal(await found(client, `UID ${uids[2]}:*`), '3 4 5');
    assert.equal(await found(client, `NOT UID ${uids[2]},4000000`), '1 2 4 5');
    assert.equal(await found(client, `EMAILID e${uids[3]}`), '4');
    mailbox.mails[2].internalDate = Date.now() - DAY;
    assert.equal(await found(client, 'YOUNGER 90000'), '3');
    assert.equal(await found(client, 'OLDER 90000'), '1 2 4 5');
  });

  it('tells the greatest MODSEQ of what it found', async () => {
    const { client, uids, mailbox } = five();
    mailbox.setFlags(uids[1], ['\\Seen']);
    const { modSeq } = mailbox.mails[1];
    assert.equal(await client.send(`SEARCH MODSEQ ${modSeq}`), `* SEARCH 2 (MODSEQ ${modSeq})\r\n* 2 FETCH (UID ${uids[1]} FLAGS (\\Seen) MODSEQ (${modSeq}))\r\nA1 OK SEARCH completed\r\n`);
    assert.equal(client.enabled.condstore, true);
    assert.equal(await client.send(`SEARCH MODSEQ "/flags/\\\\draft" all ${modSeq + 1}`), '* SEARCH\r\nA1 OK SEARCH completed\r\n');
    assert.equal(await client.send('SEARCH RETURN (MIN) MODSEQ 1'), `* ESEARCH (TAG "A1") MIN 1 MODSEQ ${mailbox.mails[0].modSeq}\r\nA1 OK SEARCH completed\r\n`);
    assert.equal(await client.send('SEARCH RETURN (COUNT) MODSEQ 1'), `* ESEARCH (TAG "A1") COUNT 5 MODSEQ ${modSeq}\r\nA1 OK SEARCH completed\r\n`);
  });

  it('answers ESEARCH', async () => {
    const { client, uids } = five();
    assert.equal(await client.send('SEARCH RETURN () 2:4'), '* ESEARCH (TAG "A1") ALL 2:4\r\nA1 OK SEARCH completed\r\n');
    assert.equal(await client.send('SEARCH RETURN (COUNT MAX ALL MIN) UNSEEN'), '* ESEARCH (TAG "A1") MIN 2 MAX 5 ALL 2:5 COUNT 4\r\nA1 OK SEARCH completed\r\n');
    assert.equal(await client.send('UID SEARCH RETURN (MIN MAX) ALL'), `* ESEARCH (TAG "A1") UID MIN ${uids[0]} MAX ${uids[4]}\r\nA1 OK UID SEARCH completed\r\n`);
    assert.equal(await client.send('SEARCH RETURN (ALL COUNT) KEYWORD none'), '* ESEARCH (TAG "A1") COUNT 0\r\nA1 OK SEARCH completed\r\n');
  });

  it('keeps results for later commands (SEARCHRES)', async () => {
    const { client, uids, mailbox } = five();
    assert.equal(await client.send('SEARCH RETURN (SAVE) UNSEEN'), 'A1 OK SEARCH completed\r\n');
    assert.deepEqual([...client.view.saved], uids.slice(1));
    assert.equal(await found(client, '$ 1:3'), '2 3');
    assert.equal(await found(client, 'UID $ NOT DRAFT'), '2 4 5');
    assert.equal(await found(client, 'NOT $'), '1');
    assert.equal(await client.send('SEARCH RETURN (SAVE MIN) $'), '* ESEARCH (TAG "A1") MIN 2\r\nA1 OK SEARCH completed\r\n');
    assert.equal(await client.send('FETCH $ FLAGS'), '* 2 FETCH (FLAGS (\\Answered \\Flagged))\r\nA1 OK FETCH completed\r\n');
    await client.send('SEARCH RETURN (SAVE COUNT) ALL');
    mailbox.remove(uids[0]);
    client.poll();
    assert.equal(await found(client, '$'), '1 2 3 4');
    assert.equal(await client.send('SEARCH RETURN (SAVE) NONSENSE'), 'A1 BAD\r\n');
    assert.equal(client.view.saved.length, 5, 'BAD changes nothing');
    assert.match(await client.send('SEARCH CHARSET X-NONE ALL'), /^A1 NO /);
    assert.equal(client.view.saved.length, 5, 'nor a NO to what would save nothing');
    for (const text of ['SEARCH RETURN (SAVE) CHARSET X-NONE ALL', 'SORT RETURN (SAVE) (DATE) X-NONE ALL']) {
      await client.send('SEARCH RETURN (SAVE) ALL');
      assert.match(await client.send(text), /^A1 NO /);
      assert.equal(client.view.saved.length, 0, text);
    }
    await client.send('SEARCH RETURN (SAVE) ALL');
    client.selected.records = async () => {
      throw new Error('away');
    };
    await assert.rejects(client.send('SEARCH RETURN (SAVE) SUBJECT a'));
    assert.equal(client.view.saved.length, 0, 'a search that fails leaves nothing');
  });

  it('passes over what vanishes meanwhile', async () => {
    const { client, uids, mailbox } = five();
    client.selected.meanwhile = () => {
      if (mailbox.find(uids[3]) >= 0) mailbox.remove(uids[3]);
    };
    assert.equal(await found(client, 'NOT BODY nowhere'), '1 2 3 5');
    assert.equal(client.poll(), '* 4 EXPUNGE\r\n');
  });

  it('agrees with a naive reading of any tree of keys', async () => {
    const { client } = five();
    const leaves: [string, string][] = CASES.filter(([keys]) => !/^(OR|NOT|\(|CHARSET)/.test(keys) && !/ (NOT|BODY) .* /.test(keys));
    type Tree = { text: string; numbers: Set<number> };
    const all = [1, 2, 3, 4, 5];
    const set = (numbers: string) => new Set(numbers === '' ? [] : numbers.split(' ').map(Number));
    const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom(...leaves).map(([text, numbers]) => ({ text: text.includes(' UNSEEN') ? `(${text})` : text, numbers: set(numbers) })),
        tie('tree').map(({ text, numbers }) => ({ text: `NOT ${text}`, numbers: new Set(all.filter((n) => !numbers.has(n))) })),
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => ({ text: `OR ${a.text} ${b.text}`, numbers: new Set(all.filter((n) => a.numbers.has(n) || b.numbers.has(n))) })),
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => ({ text: `(${a.text} ${b.text})`, numbers: new Set(all.filter((n) => a.numbers.has(n) && b.numbers.has(n))) })),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(tree, async ({ text, numbers }) => {
        assert.equal(await found(client, text), all.filter((n) => numbers.has(n)).join(' '), text);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps what it worked out, and brings it in line', async () => {
    const { client, mailbox, uids } = five();
    assert.equal(await found(client, 'SUBJECT a'), '4');
    assert.equal(await found(client, 'SENTON 5-Feb-2024'), '1');
    client.selected.asked = [];
    assert.equal(await found(client, 'SUBJECT ne'), '1');
    assert.equal(await found(client, 'SUBJECT ""'), '1 2 4 5');
    assert.equal(await found(client, 'OR SENTSINCE 6-Feb-2024 NOT SUBJECT b'), '1 2 3 4');
    assert.deepEqual(client.selected.asked, [], 'no record is read again');
    mailbox.remove(uids[0]);
    mailbox.add(mail({ Subject: 'new nest' }));
    client.poll();
    assert.equal(await found(client, 'SUBJECT ne'), '5');
    assert.deepEqual(client.selected.asked, ['records 1'], 'only the new one');
    // A field that is too long for the record is looked up in the message, whatever is kept of it.
    mailbox.add(mail({ Subject: `${'long '.repeat(20_000)}end` }));
    client.poll();
    for (let again = 0; again < 2; again++) {
      assert.equal(await found(client, 'SUBJECT "long end"'), '6');
      assert.equal(await found(client, 'NOT SUBJECT end'), '1 2 3 4 5');
    }
  });

  it('bounds nesting, keys and texts, and takes a megabyte', async () => {
    const { client } = five();
    assert.equal(await client.send(`SEARCH ${'('.repeat(100)}ALL${')'.repeat(100)}`), 'A1 BAD\r\n');
    assert.equal(await client.send(`SEARCH ${'OR SEEN (NOT '.repeat(100)}ALL${')'.repeat(100)}`), 'A1 BAD\r\n');
    assert.equal(await client.send(`SEARCH ${'ALL '.repeat(limits.search_keys_max)}ALL`), 'A1 NO [LIMIT]\r\n');
    assert.equal(await client.send(`SEARCH ${'TEXT a '.repeat(limits.search_text_keys_max)}TEXT a`), 'A1 NO [LIMIT]\r\n');
    assert.equal(await client.send(`SEARCH ${'NOT '.repeat(250_000)}SEEN`), 'A1 BAD\r\n');
    assert.equal(await found(client, `${'OR HEADER Message-ID <a@b> '.repeat(15_000)}SEEN`), '1');
    assert.equal(await found(client, `${'OR '.repeat(15_000)}${'SEEN '.repeat(15_000)}FLAGGED`), '1 2');
    assert.equal(await found(client, Array.from({ length: 300_000 }, (_, k) => (k % 5) + 3).join(',')), '3 4 5');
  });

  it('refuses what is no search', async () => {
    const { client } = five();
    for (const text of ['SEARCH', 'SEARCH NONSENSE', 'SEARCH OR SEEN', 'SEARCH NOT', 'SEARCH ()', 'SEARCH (SEEN', 'SEARCH LARGER x', 'SEARCH ON 99-Feb-2024', 'SEARCH RETURN (NONE) ALL', 'SEARCH RETURN () ', 'SEARCH 0', 'SEARCH FROM', 'SEARCH ALL ', 'SEARCH KEYWORD \\Odd', 'SEARCH YOUNGER 0']) {
      assert.equal(await client.send(text), 'A1 BAD\r\n', text);
    }
  });
});

describe('imap SEARCH: PARTIAL and FUZZY', () => {
  const esearch = async (client: Client, text: string) => (await client.send(text)).replace(/\r\nA1 OK [\s\S]*$/, '');

  it('gives a part of the result (PARTIAL)', async () => {
    const { client, uids } = five();
    assert.equal(await esearch(client, 'SEARCH RETURN (PARTIAL 1:2) ALL'), '* ESEARCH (TAG "A1") PARTIAL (1:2 1:2)');
    assert.equal(await esearch(client, 'SEARCH RETURN (PARTIAL 4:9 COUNT) ALL'), '* ESEARCH (TAG "A1") COUNT 5 PARTIAL (4:9 4:5)');
    assert.equal(await esearch(client, 'SEARCH RETURN (PARTIAL 9:6) ALL'), '* ESEARCH (TAG "A1") PARTIAL (9:6 NIL)');
    assert.equal(await esearch(client, 'UID SEARCH RETURN (PARTIAL -1:-2) ALL'), `* ESEARCH (TAG "A1") UID PARTIAL (-1:-2 ${uids[3]},${uids[4]})`);
    assert.equal(await esearch(client, 'SEARCH RETURN (PARTIAL -9:-5) ALL'), '* ESEARCH (TAG "A1") PARTIAL (-9:-5 1)');
    await client.send('SEARCH RETURN (SAVE PARTIAL 2:3) ALL');
    assert.deepEqual([...client.view.saved], [uids[1], uids[2]]);
    for (const text of ['PARTIAL', 'PARTIAL 1', 'PARTIAL 0:2', 'PARTIAL -1:2', 'PARTIAL 1:2 ALL', 'PARTIAL 1:2 PARTIAL 3:4']) {
      assert.equal(await client.send(`SEARCH RETURN (${text}) ALL`), 'A1 BAD\r\n', text);
    }
  });

  it('finds whatever the accents are (FUZZY)', async () => {
    const { client } = five();
    assert.equal(await found(client, 'SUBJECT resume'), '');
    assert.equal(await found(client, 'FUZZY SUBJECT resume'), '2');
    assert.equal(await found(client, 'FUZZY BODY zurich'), '4');
    assert.equal(await found(client, 'BODY zurich'), '');
    assert.equal(await found(client, 'FUZZY (OR SUBJECT resume BODY zurich)'), '2 4');
    assert.equal(await found(client, 'NOT FUZZY SUBJECT resume'), '1 3 4 5');
    assert.equal(await found(client, 'FUZZY SUBJECT {7}', ['résumé'.slice(0, 5)]), '2');
    // What matches as it is written comes first, unless it is asked otherwise.
    assert.equal(await esearch(client, 'SORT RETURN (ALL RELEVANCY) (RELEVANCY) UTF-8 FUZZY OR SUBJECT resume SUBJECT nest'), '* ESEARCH (TAG "A1") ALL 1:2 RELEVANCY (100 50)');
    assert.equal(await esearch(client, 'SORT RETURN (ALL RELEVANCY) (REVERSE RELEVANCY) UTF-8 FUZZY OR SUBJECT resume SUBJECT nest'), '* ESEARCH (TAG "A1") ALL 2,1 RELEVANCY (50 100)');
    assert.equal(await esearch(client, 'SEARCH RETURN (RELEVANCY ALL) FUZZY OR SUBJECT resume SUBJECT nest'), '* ESEARCH (TAG "A1") ALL 1:2 RELEVANCY (100 50)');
    const mailbox = new Mailbox();
    mailbox.add(mail({ Subject: Buffer.from('Smørrebrød æble Łódź').toString('latin1') }));
    assert.equal(await found(new Client(mailbox), 'FUZZY SUBJECT "smorrebrod aeble lodz"'), '1');
  });
});
