import assert from 'node:assert/strict';
import fc from 'fast-check';
import { splitSubject } from '../../src/message/index.ts';
import { inOrder } from '../../src/imap/sort/order.ts';
import { dense } from '../../src/imap/sort/ranks.ts';
import { threadByReferences } from '../../src/imap/sort/references.ts';
import { numberOf } from '../../src/imap/sort/threads.ts';
import { threadText } from '../../src/imap/sort/tree.ts';
import { keptColumn } from '../../src/imap/kept.ts';
import { Client, Mailbox, mail } from './fetch-mailbox.ts';

const at = (day: number) => Date.UTC(2024, 1, day);

/** Five messages whose order differs by each criterion. */
function five(): { mailbox: Mailbox; client: Client; uids: number[] } {
  const mailbox = new Mailbox();
  const uids = [
    mailbox.add(mail({ From: '"Zoe" <beta@example.org>', To: 'x@example.org', Subject: 'Re: eggs', Date: 'Mon, 05 Feb 2024 12:00:00 +0000' }, 'a'), { internalDate: at(9) }),
    mailbox.add(mail({ From: 'alpha@example.org', To: 'Ab <z@example.org>', Cc: 'm@example.org', Subject: '=?utf-8?q?=C3=89clair?=', Date: 'Mon, 05 Feb 2024 12:30:00 +0100' }, 'bbbb'), { internalDate: at(8) }),
    mailbox.add(mail({ From: '=?utf-8?q?=C3=84nn?= <gamma@example.org>', To: 'y@example.org', Subject: 'apple', Date: 'nonsense' }, 'cc'), { internalDate: at(1) }),
    mailbox.add(mail({ To: 'friends: a@example.org, b@example.org;', Subject: '[list] Fwd: EGGS', Date: 'Sun, 04 Feb 2024 12:00:00 +0000' }, 'dddddd'), { internalDate: at(7) }),
    mailbox.add(mail({ From: 'beta@example.net', Subject: '' }, 'e'), { internalDate: at(6), flags: ['\\Seen'] }),
  ];
  return { mailbox, client: new Client(mailbox), uids };
}

async function order(client: Client, text: string): Promise<string> {
  const answer = await client.send(`SORT ${text}`);
  const found = /^\* SORT((?: \d+)*)\r\nA1 OK SORT completed\r\n$/.exec(answer);
  assert.ok(found, `${text}: ${answer}`);
  return found[1].trim();
}

describe('imap SORT', () => {
  const CASES: [text: string, numbers: string][] = [
    ['(ARRIVAL)', '3 5 4 2 1'],
    ['(REVERSE ARRIVAL)', '1 2 4 5 3'],
    // 12:30 +0100 is before 12:00 UTC; without a date the arrival counts.
    ['(DATE)', '3 4 2 1 5'],
    ['(SUBJECT)', '5 3 1 4 2'],
    ['(SUBJECT REVERSE DATE)', '5 3 1 4 2'],
    ['(REVERSE SUBJECT DATE)', '2 4 1 3 5'],
    ['(FROM)', '4 2 1 5 3'],
    ['(FROM REVERSE ARRIVAL)', '4 2 1 5 3'],
    ['(CC)', '1 3 4 5 2'],
    ['(TO)', '5 4 1 3 2'],
    ['(SIZE)', '5 3 1 4 2'],
    ['(DISPLAYFROM)', '4 2 3 5 1'],
    ['(DISPLAYTO)', '5 2 4 1 3'],
    ['(REVERSE ARRIVAL ARRIVAL)', '1 2 4 5 3'],
  ];
  for (const [text, numbers] of CASES) {
    it(`${text} → ${numbers}`, async () => assert.equal(await order(five().client, `${text} UTF-8 ALL`), numbers));
  }

  it('sorts what a search finds, by UID too', async () => {
    const { client, uids } = five();
    assert.equal(await order(client, '(ARRIVAL) US-ASCII UNSEEN 2:5'), '3 4 2');
    assert.equal(await order(client, '(SUBJECT) UTF-8 KEYWORD nowhere'), '');
    assert.equal(await client.send('UID SORT (SIZE) UTF-8 3:4'), `* SORT ${uids[2]} ${uids[3]}\r\nA1 OK UID SORT completed\r\n`);
    assert.equal(await client.send('SORT (SIZE) x-none ALL'), 'A1 NO [BADCHARSET (US-ASCII UTF-8)]\r\n');
  });

  it('compares text without regard to case and composition, by i;unicode-casemap', async () => {
    const mailbox = new Mailbox();
    for (const subject of ['b', 'A', 'a', 'B', '\u00c9', 'E', 'f', '\uff21b', '\u{1f426}', '\uffee']) mailbox.add(mail({ Subject: Buffer.from(subject).toString('latin1') }));
    // U+FFEE stands below U+1F426 by octets of UTF-8, above it by units of UTF-16.
    assert.equal(await order(new Client(mailbox), '(SUBJECT) UTF-8 ALL'), '2 3 8 1 4 6 5 7 10 9');
  });

  it('answers ESORT', async () => {
    const { client, uids } = five();
    assert.equal(await client.send('SORT RETURN () (ARRIVAL) UTF-8 ALL'), '* ESEARCH (TAG "A1") ALL 3,5,4,2,1\r\nA1 OK SORT completed\r\n');
    assert.equal(await client.send('SORT RETURN (MIN MAX COUNT) (ARRIVAL) UTF-8 ALL'), '* ESEARCH (TAG "A1") MIN 3 MAX 1 COUNT 5\r\nA1 OK SORT completed\r\n');
    assert.equal(await client.send('SORT RETURN (ALL) (REVERSE ARRIVAL) UTF-8 ALL'), '* ESEARCH (TAG "A1") ALL 1:2,4:5,3\r\nA1 OK SORT completed\r\n');
    assert.equal(await client.send('UID SORT RETURN (PARTIAL 2:3) (ARRIVAL) UTF-8 ALL'), `* ESEARCH (TAG "A1") UID PARTIAL (2:3 ${uids[4]},${uids[3]})\r\nA1 OK UID SORT completed\r\n`);
    await client.send('SORT RETURN (SAVE MIN) (ARRIVAL) UTF-8 ALL');
    assert.deepEqual([...client.view.saved], [uids[2]]);
  });

  it('keeps what it worked out, and brings it in line', async () => {
    const { client, mailbox, uids } = five();
    await order(client, '(SUBJECT) UTF-8 ALL');
    client.selected.asked = [];
    assert.equal(await order(client, '(SUBJECT) UTF-8 ALL'), '5 3 1 4 2');
    assert.equal(await order(client, '(SUBJECT) UTF-8 1:3'), '3 1 2');
    assert.deepEqual(client.selected.asked, [], 'no record is read again');
    mailbox.remove(uids[2]);
    client.poll();
    assert.equal(await order(client, '(SUBJECT) UTF-8 ALL'), '4 1 3 2');
    assert.deepEqual(client.selected.asked, []);
    mailbox.add(mail({ Subject: 'about' }));
    client.poll();
    assert.equal(await order(client, '(SUBJECT) UTF-8 ALL'), '4 5 1 3 2');
    assert.deepEqual(client.selected.asked, ['records 1'], 'only the new one');
    mailbox.remove(uids[4]);
    mailbox.add(mail({ Subject: 'bee' }));
    client.poll();
    assert.equal(await order(client, '(SUBJECT) UTF-8 ALL'), '4 5 1 3 2');
    assert.equal(await order(client, '(DATE) UTF-8 ALL'), (await order(new Client(mailbox), '(DATE) UTF-8 ALL')));
  });

  it('reads no message', async () => {
    const { client } = five();
    for (const [text] of CASES) await order(client, `${text} UTF-8 ALL`);
    await client.send('THREAD REFERENCES UTF-8 ALL');
    assert.ok(!client.selected.asked.some((call) => call.startsWith('read')));
  });

  it('orders by columns as a stable sort by comparison does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -1e12, max: 1e12 })), { maxLength: 60 }), fc.boolean(), fc.boolean(), (rows, r0, r1) => {
        const columns = [0, 1].map((c) => ({ ranks: dense(Float64Array.from(rows, (row) => row[c])), reverse: c === 0 ? r0 : r1 }));
        const naive = rows.map((_, k) => k).sort((a, b) => (rows[a][0] - rows[b][0]) * (r0 ? -1 : 1) || (rows[a][1] - rows[b][1]) * (r1 ? -1 : 1) || a - b);
        assert.deepEqual([...inOrder(columns, rows.length)], naive);
      }),
    );
  });

  it('refuses what is no sort', async () => {
    const { client } = five();
    for (const text of ['SORT', 'SORT ()', 'SORT (SUBJECT)', 'SORT (SUBJECT) UTF-8', 'SORT (NOTHING) UTF-8 ALL', 'SORT (REVERSE) UTF-8 ALL', 'SORT (REVERSE REVERSE DATE) UTF-8 ALL', 'THREAD', 'THREAD REFERENCES', 'THREAD JWZ UTF-8 ALL', 'SORT RETURN (ALL PARTIAL 1:2) (DATE) UTF-8 ALL']) {
      assert.equal(await client.send(text), 'A1 BAD\r\n', text);
    }
  });

  it('tells replies from what they answer', () => {
    assert.deepEqual(splitSubject('Re: [list] Fwd: eggs (fwd)'), { base: 'eggs', reply: true });
    assert.deepEqual(splitSubject('[list] eggs'), { base: 'eggs', reply: false });
    assert.deepEqual(splitSubject('[fwd: eggs]'), { base: 'eggs', reply: true });
  });
});

/** Messages on successive days: [id, references, subject]. */
function threaded(...rows: [id: string, references: string, subject: string][]): Client {
  const mailbox = new Mailbox();
  rows.forEach(([id, references, subject], k) => {
    const fields: Record<string, string> = { Date: `${1 + (k % 28)} Feb ${2000 + Math.floor(k / 28)} 12:00:00 +0000`, Subject: subject };
    if (id !== '') fields['Message-ID'] = `<${id}>`;
    if (references !== '') fields.References = references.split(' ').map((one) => `<${one}>`).join(' ');
    mailbox.add(mail(fields));
  });
  return new Client(mailbox);
}
const thread = async (client: Client, algorithm = 'REFERENCES') => {
  const text = await client.send(`THREAD ${algorithm} UTF-8 ALL`);
  return /^\* THREAD ?(.*)\r\nA1 OK THREAD completed\r\n$/.exec(text)?.[1] ?? text;
};

describe('imap THREAD', () => {
  it('links by references', async () => {
    assert.equal(await thread(threaded(['a', '', 's'], ['b', 'a', 'Re: s'], ['c', 'a b', 'Re: s'], ['d', 'a', 'Re: s'], ['e', '', 'other'])), '(1 (2 3)(4))(5)');
  });
  it('keeps of very many references the first and the last, as numbers that no two ids have', async () => {
    const far = Array.from({ length: 60 }, (_, k) => `${k}.${'x'.repeat(60)}`).join(' ');
    const client = threaded(['a', '', 'one'], ['b', `a ${far}`, 'two'], ['c', `a ${far} b`, 'three'], ['d', `a ${far} gone`, 'four']);
    assert.equal(await thread(client), '(1 (2 3)(4))');
    const { column } = keptColumn<{ references: unknown[] }[]>(client.view.index, 'thread')!;
    for (const { references } of column.values) assert.ok(references.length <= 20 && references.every((one) => typeof one === 'number'));
    const ids = Array.from({ length: 100_000 }, (_, k) => `${k.toString(36)}.${k % 7}@mail.example.org`);
    assert.equal(new Set(ids.map(numberOf)).size, ids.length);
  });
  it('puts replies below what is not there any more', async () => {
    assert.equal(await thread(threaded(['b', 'gone', 'Re: s'], ['c', 'gone', 'Re: s'], ['d', 'gone', 'Re: s'])), '((1)(2)(3))');
    assert.equal(await thread(threaded(['b', 'gone', 'x'], ['c', 'b far', 'x'])), '(1 2)');
  });
  it('gathers threads of one subject', async () => {
    assert.equal(await thread(threaded(['a', '', 'eggs'], ['b', '', 'Re: eggs'], ['c', '', 'Re: EGGS'])), '(1 (2)(3))');
    assert.equal(await thread(threaded(['a', '', 'eggs'], ['b', '', 'eggs'])), '((1)(2))');
    assert.equal(await thread(threaded(['a', '', 'Re: eggs'], ['b', '', 'eggs'])), '(2 1)');
    assert.equal(await thread(threaded(['a', '', ''], ['b', '', ''])), '(1)(2)');
    assert.equal(await thread(threaded(['a', 'x', 'eggs'], ['b', 'x', 'Re: eggs'], ['c', 'y', 'Re: eggs'], ['d', 'y', 'eggs'])), '((1)(2)(3)(4))');
  });
  it('stands loops, repeated ids and none', async () => {
    assert.equal(await thread(threaded(['a', 'b', '1'], ['b', 'a', '2'])), '(2 1)');
    assert.equal(await thread(threaded(['a', 'a', '1'])), '(1)');
    assert.equal(await thread(threaded(['a', '', '1'], ['a', '', '2'], ['c', 'a', '3'])), '(1 3)(2)');
    assert.equal(await thread(threaded(['', '', '1'], ['', '', '2'])), '(1)(2)');
    assert.equal(await thread(threaded()), '');
  });
  it('orders siblings and threads by date', async () => {
    const client = threaded(['a', '', 'first'], ['r2', 'z', 'Re: z'], ['r1', 'z', 'Re: z']);
    client.selected.index.mails[1].bytes = Buffer.from(client.selected.index.mails[1].bytes.toString().replace('Date: 2 Feb 2000', 'Date: 9 Feb 2000'));
    assert.equal(await thread(client), '(1)((3)(2))');
  });
  it('threads by subject alone (ORDEREDSUBJECT)', async () => {
    const client = threaded(['a', '', 'eggs'], ['b', '', 'nests'], ['c', '', 'Re: Eggs'], ['d', 'b', 'Re: eggs']);
    assert.equal(await thread(client, 'ORDEREDSUBJECT'), '(1 (3)(4))(2)');
    assert.equal(await client.send('UID THREAD ORDEREDSUBJECT UTF-8 1:2'), `* THREAD (${client.view.uids[0]})(${client.view.uids[1]})\r\nA1 OK UID THREAD completed\r\n`);
    assert.equal(await thread(threaded(['a', '', 'x'], ['b', '', 'x']), 'ORDEREDSUBJECT'), '(1 2)');
  });
  it('keeps the threads of a mailbox until a message comes or goes', async () => {
    const client = threaded(['a', '', 's'], ['b', 'a', 'Re: s']);
    await thread(client);
    client.selected.asked = [];
    assert.equal(await thread(client), '(1 2)');
    assert.equal(client.selected.asked.length, 0);
    client.selected.index.remove(client.view.uids[0]);
    client.poll();
    assert.equal(await thread(client), '(1)');
    assert.equal(client.selected.asked.length, 0, 'what is left is known');
  });
  it('goes as deep as it must, and stays fast when it is made to be slow', () => {
    const n = 100_000;
    const rank = Uint32Array.from({ length: n }, (_, k) => k);
    const chain = Array.from({ length: n }, (_, k) => ({ id: `${k}`, references: k === 0 ? [] : [`${k - 1}`], subject: `${k}`, reply: false }));
    const names = rank.map((k) => k + 1);
    assert.equal(threadText(threadByReferences(chain, rank), names).split(' ').length, n);
    const backwards = Array.from({ length: n }, (_, k) => ({ id: `${k}`, references: k === n - 1 ? [] : [`x${k + 1}`, `${k + 1}`], subject: '', reply: false }));
    const text = threadText(threadByReferences(backwards, rank), names);
    assert.equal(text.match(/\d+/g)!.length, n);
  });
  it('names every message once, whatever the references are', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ id: fc.option(fc.integer({ min: 0, max: 8 }).map(String)), references: fc.array(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 4 }), subject: fc.constantFrom('', 'a', 'b'), reply: fc.boolean() }), { maxLength: 12 }), (messages) => {
        const rank = Uint32Array.from(messages, (_, k) => k);
        const text = threadText(threadByReferences(messages, rank), rank.map((k) => k + 1));
        assert.deepEqual((text.match(/\d+/g) ?? []).map(Number).sort((a, b) => a - b), messages.map((_, k) => k + 1));
        let depth = 0;
        for (const c of text) if ((depth += c === '(' ? 1 : c === ')' ? -1 : 0) < 0) assert.fail(text);
        assert.equal(depth, 0);
      }),
      { numRuns: 500 },
    );
  });
});
