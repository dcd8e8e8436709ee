// SEARCH BODY and TEXT with an index find what a reading of all messages finds, whatever the mail and the text are.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SearchMemory } from '../../src/account/index.ts';
import { SearchIndex } from '../../src/account/search-index.ts';
import { SearchStore } from '../../src/account/search-store.ts';
import { seededRandom, silent } from '../../src/base/index.ts';
import { fold, loosely } from '../../src/message/index.ts';
import { MemoryWorld } from '../../src/store/index.ts';
import { WorldClock } from '../log/world.ts';
import { Client, Mailbox, mail } from './fetch-mailbox.ts';

/** An index over a memory store, as an account has it, with parts so small that a mailbox needs several. */
function indexed(mailbox: Mailbox, partBytes = 400): { client: Client; index: SearchIndex; another: () => SearchIndex } {
  const clock = new WorldClock();
  const random = seededRandom(1);
  const world = new MemoryWorld(clock, random);
  const another = () => {
    const store = new SearchStore({ store: world.client(), root: 'users/u/', random, logger: silent, seal: (_name, plain) => Buffer.from(plain), open: (_name, sealed) => sealed, openWords: async (_name, bytes) => bytes });
    return new SearchIndex(store, new SearchMemory(1 << 20), clock, partBytes);
  };
  const index = another();
  const client = new Client(mailbox);
  use(client, mailbox, index);
  return { client, index, another };
}

function use(client: Client, mailbox: Mailbox, index: SearchIndex): void {
  const { selected } = client;
  Object.assign(selected, {
    sift: (uids: ArrayLike<number>, texts: Parameters<SearchIndex['sift']>[2]) => index.sift(uids.length, (k) => mailbox.emailId(mailbox.find(uids[k])), texts),
    learn: (uid: number, header: string, texts: readonly string[]) => index.learn(mailbox.emailId(mailbox.find(uid)), header, texts),
  });
}

const ask = async (client: Client, key: string, text: string): Promise<string> => {
  const bytes = Buffer.from(text);
  return (await client.send(`SEARCH CHARSET UTF-8 ${key} {${bytes.length}}`, [bytes as unknown as string])).replace(/\r\n$/, '');
};

const read = (client: Client) => client.selected.asked.filter((one) => one.startsWith('read')).length;

// ——— random mail ———

const ALPHABETS = ['abcde', 'aäàåæAÄßsſ', 'ёЁжЖбъ', 'ςσΣάΆα', '漢字検索語', 'カタカナがガ', '한글검색', '😀👍🏽ﬁİıＡ', 'xyz0-_/=.<&', "\u0301\u0345\u00ad'’"];

const word = fc.constantFrom(...ALPHABETS).chain((alphabet) => fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 6 }).map((letters) => letters.join('')));
const prose = fc.array(fc.oneof({ weight: 6, arbitrary: word }, { weight: 1, arbitrary: fc.constantFrom('the', 'and', 'Straße', 'naïve', 'résumé', 'Łódź') }), { minLength: 0, maxLength: 30 })
  .chain((words) => fc.array(fc.constantFrom(' ', ' ', '\r\n', '', ', '), { minLength: words.length, maxLength: words.length }).map((gaps) => words.map((w, i) => w + gaps[i]).join('')));

interface Part {
  header: string;
  body: Buffer;
  /** What a reader sees in it, for texts to look for. */
  text: string;
}

const CHARSETS: [name: string, encode: (text: string) => Buffer][] = [
  ['utf-8', (text) => Buffer.from(text)],
  ['iso-8859-1', (text) => Buffer.from(text.replace(/[^\x00-\xff]/g, '?'), 'latin1')],
  ['utf-16le', (text) => Buffer.from(text, 'utf16le')],
  ['unheard-of', (text) => Buffer.from(text)],
];

const quoted = (bytes: Buffer) => Buffer.from([...bytes].map((b) => (b > 32 && b < 127 && b !== 61 ? String.fromCharCode(b) : `=${b.toString(16).toUpperCase().padStart(2, '0')}`)).join('').replace(/((?:=..|[^=]){20})/g, '$1=\r\n'));
const wrapped = (bytes: Buffer) => Buffer.from(bytes.toString('base64').replace(/(.{40})/g, '$1\r\n'));

const leaf: fc.Arbitrary<Part> = fc.record({
  text: prose,
  html: fc.boolean(),
  charset: fc.constantFrom(...CHARSETS),
  encoding: fc.constantFrom('base64', 'quoted-printable', '8bit'),
}).map(({ text, html, charset: [charset, encode], encoding }) => {
  const shown = html ? `<p class="x">${text}</p>` : text;
  const plain = encode(shown);
  const body = encoding === 'base64' ? wrapped(plain) : encoding === 'quoted-printable' ? quoted(plain) : plain;
  return { header: `Content-Type: text/${html ? 'html' : 'plain'}; charset=${charset}\r\nContent-Transfer-Encoding: ${encoding}\r\n`, body, text: shown };
});

const multipart = (inner: fc.Arbitrary<Part>): fc.Arbitrary<Part> =>
  fc.tuple(fc.array(inner, { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: 999_999 })).map(([parts, n]) => {
    const boundary = `b${n}`;
    const pieces = parts.flatMap((part) => [Buffer.from(`--${boundary}\r\n${part.header}\r\n`), part.body, Buffer.from('\r\n')]);
    return { header: `Content-Type: multipart/mixed; boundary=${boundary}\r\n`, body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]), text: parts.map((part) => part.text).join('\n') };
  });

const inner = (of: fc.Arbitrary<Part>): fc.Arbitrary<Part> =>
  fc.tuple(of, word).map(([part, subject]) => ({
    header: 'Content-Type: message/rfc822\r\n',
    body: Buffer.concat([Buffer.from(`Subject: =?utf-8?B?${Buffer.from(subject).toString('base64')}?=\r\n${part.header}\r\n`), part.body]),
    text: `${subject}\n${part.text}`,
  }));

const part: fc.Arbitrary<Part> = fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 2, arbitrary: multipart(fc.oneof(leaf, inner(leaf))) }, multipart(multipart(leaf)));
const letter = fc.tuple(part, prose).map(([body, subject]) => ({
  bytes: Buffer.concat([Buffer.from(`Subject: =?utf-8?B?${Buffer.from(subject.replace(/[\r\n]/g, ' ')).toString('base64')}?=\r\nX-Word: ${fold(subject).slice(0, 8).replace(/[^A-Z]/g, '')}\r\n${body.header}\r\n`), body.body]),
  text: `${subject}\n${body.text}`,
}));

describe('imap SEARCH BODY and TEXT with an index', () => {
  it('finds what reading every message finds', async function () {
    this.timeout(60_000);
    let said = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(letter, { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat({ max: 9 }), fc.constantFrom((t: string) => t, fold, (t: string) => loosely(fold(t)), (t: string) => t.normalize('NFD'), (t: string) => t.toLowerCase()), fc.option(word)), { minLength: 1, maxLength: 8 }),
        async (letters, wanted) => {
          const mailbox = new Mailbox();
          for (const one of letters) mailbox.add('', { bytes: one.bytes });
          const plain = new Client(mailbox);
          const { client, index, another } = indexed(mailbox);
          const all = [...(letters.length > 0 ? letters[0].text : '')].length;
          for (const [which, at, length, change, other] of wanted) {
            const chars = [...letters[which % letters.length].text];
            const cut = chars.slice(at % Math.max(1, chars.length, all), (at % Math.max(1, chars.length, all)) + length).join('');
            const text = change(cut) + (other ?? '');
            // In IMAP no NUL, and what is no text can't be said.
            if (!text.isWellFormed() || text.includes('\0')) continue;
            for (const key of ['BODY', 'TEXT', 'FUZZY BODY', 'FUZZY TEXT', 'NOT BODY']) {
              const expected = await ask(plain, key, text);
              assert.equal(await ask(client, key, text), expected, `${key} ${JSON.stringify(text)}`);
              if (/SEARCH \d/.test(expected)) said++;
            }
          }
          // Another replica, from what is stored alone.
          await index.write();
          use(client, mailbox, another());
          const [which, at] = wanted[0];
          const chars = [...letters[which % letters.length].text];
          const text = chars.slice(at % Math.max(1, chars.length), (at % Math.max(1, chars.length)) + 5).join('');
          if (text.isWellFormed()) for (const key of ['BODY', 'TEXT', 'FUZZY BODY']) assert.equal(await ask(client, key, text), await ask(plain, key, text));
        },
      ),
      { numRuns: 120 },
    );
    assert.ok(said > 500, 'too little was found to say anything');
  });

  it('reads nothing again but what may match', async () => {
    const mailbox = new Mailbox();
    for (let i = 0; i < 50; i++) mailbox.add(mail({ Subject: `letter ${i}` }, `The heron number ${'abcdefghij'[i % 10]}${'klmnopqrst'[Math.floor(i / 10)]} stands.\r\n${i === 33 ? 'A cormorant too.\r\n' : ''}`));
    const { client } = indexed(mailbox, 1 << 20);
    assert.equal(await client.send('SEARCH BODY cormorant'), '* SEARCH 34\r\nA1 OK SEARCH completed\r\n');
    assert.equal(read(client), 50);
    client.selected.asked = [];
    assert.equal(await client.send('SEARCH BODY cormorant'), '* SEARCH 34\r\nA1 OK SEARCH completed\r\n');
    assert.equal(read(client), 1);
    assert.equal(await client.send('SEARCH BODY pelican'), '* SEARCH\r\nA1 OK SEARCH completed\r\n');
    assert.equal(read(client), 1);
    assert.equal(await client.send('SEARCH TEXT pelican SEEN'), '* SEARCH\r\nA1 OK SEARCH completed\r\n');
    assert.equal(await client.send('SEARCH 1:3 NOT BODY pelican'), '* SEARCH 1 2 3\r\nA1 OK SEARCH completed\r\n');
    assert.equal(await client.send('SEARCH OR BODY pelican BODY "a cormorant t"'), '* SEARCH 34\r\nA1 OK SEARCH completed\r\n');
    assert.equal(read(client), 2);
    // In the header only.
    assert.equal(await client.send('SEARCH BODY subject'), '* SEARCH\r\nA1 OK SEARCH completed\r\n');
    assert.equal(read(client), 2);
    // A new message is read once.
    mailbox.add(mail({ Subject: 'new' }, 'A pelican.\r\n'));
    client.poll();
    assert.equal(await client.send('SEARCH BODY pelican'), '* SEARCH 51\r\nA1 OK SEARCH completed\r\n');
    assert.equal(await client.send('SEARCH BODY flamingo'), '* SEARCH\r\nA1 OK SEARCH completed\r\n');
    assert.equal(read(client), 3);
  });

  it('takes less than 15 % of the text', async () => {
    const random = seededRandom(3);
    const letters = 'etaoinshrdlucmfwypvbgkqjxz';
    const words = Array.from({ length: 5000 }, () => Array.from({ length: 2 + Math.floor(random.unit() * 8) }, () => letters[Math.floor(26 * random.unit() ** 2)]).join(''));
    const mailbox = new Mailbox();
    let bytes = 0;
    for (let i = 0; i < 40; i++) {
      let body = '';
      while (body.length < 3900) body += `${words[Math.floor(5000 ** random.unit())]}${random.unit() < 0.1 ? '\r\n' : ' '}`;
      bytes += body.length;
      mailbox.add(mail({ Subject: 'size', From: 'a@b.example' }, body));
    }
    const { client, index } = indexed(mailbox, 1 << 20);
    await client.send('SEARCH BODY nothing');
    assert.equal(index.size.messages, 40);
    assert.ok(index.size.bytes < bytes * 0.15, `${index.size.bytes} of ${bytes}`);
    // And it is of use: of words that are nowhere few messages are read.
    client.selected.asked = [];
    for (const absent of ['ostrich', 'kingfisher', 'nightjar', 'bullfinch', 'sparrowhawk']) await client.send(`SEARCH BODY ${absent}`);
    assert.ok(read(client) < 10, `${read(client)} messages read in vain`);
  });
});
