// FLAGS of whole mailboxes: neighbours of equal flags are answered together, and nobody can tell.
import assert from 'node:assert/strict';
import { seededRandom } from '../../src/base/index.ts';
import { numbered } from '../../src/imap/fetch/runs.ts';
import { Client, Mailbox, mail } from './fetch-mailbox.ts';

const FLAGS = [[], ['\\Seen'], ['\\Flagged', '\\Seen'], ['work']];
const BYTES = mail({ Subject: 'Nests' });

/** Runs of messages with equal flags, some of a single one. */
function filled(messages: number): Mailbox {
  const random = seededRandom(7);
  const mailbox = new Mailbox();
  for (let i = 0, run = 0, flags = 0; i < messages; i++, run--) {
    if (run === 0) {
      run = Math.floor(random.unit() ** 4 * 900) + 1;
      flags = (flags + 1 + Math.floor(random.unit() * 2)) % FLAGS.length;
    }
    mailbox.add(BYTES, { flags: [...FLAGS[flags]] });
  }
  return mailbox;
}

/** What one answer says, however it was made. */
function expected(mailbox: Mailbox, places: number[], line: (number: number, uid: number, flags: string) => string): string {
  return places.map((i) => line(i + 1, mailbox.mails[i].uid, mailbox.mails[i].flags.join(' '))).join('');
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, k) => from + k);

describe('imap FETCH of FLAGS in runs', () => {
  it('numbers lines over every change of digits', () => {
    for (const [first, last] of [[1, 1], [1, 12], [98, 101], [999, 1000], [1, 2345], [9998, 10_002], [100_999, 101_001], [999_999, 1_000_001]]) {
      assert.equal(numbered(first, last, ' x\r\n'), range(first, last + 1).map((n) => `* ${n} x\r\n`).join(''));
    }
    assert.equal(numbered(5, 4, ' x'), '');
  });

  const mailbox = filled(2300);
  const cases: [string, string, number[]][] = [
    ['all', '1:*', range(0, 2300)],
    ['some', '777:1999', range(776, 1999)],
    ['one', '1000', [999]],
    ['ranges', '3:700,702:1500', [...range(2, 700), ...range(701, 1500)]],
    ['every second one', range(0, 600).map((k) => 2 * k + 1).join(), range(0, 600).map((k) => 2 * k)],
  ];
  for (const [name, set, places] of cases) {
    it(`answers ${name}, with and without UID`, async () => {
      const send = (text: string) => new Client(mailbox).send(text);
      assert.equal(await send(`FETCH ${set} (FLAGS)`), `${expected(mailbox, places, (n, _uid, flags) => `* ${n} FETCH (FLAGS (${flags}))\r\n`)}A1 OK FETCH completed\r\n`);
      assert.equal(await send(`FETCH ${set} (FLAGS UID)`), `${expected(mailbox, places, (n, uid, flags) => `* ${n} FETCH (FLAGS (${flags}) UID ${uid})\r\n`)}A1 OK FETCH completed\r\n`);
      const uids = places.map((i) => mailbox.mails[i].uid).join();
      assert.equal(await send(`UID FETCH ${uids} (FLAGS)`), `${expected(mailbox, places, (n, uid, flags) => `* ${n} FETCH (UID ${uid} FLAGS (${flags}))\r\n`)}A1 OK UID FETCH completed\r\n`);
    });
  }

  it('keeps the numbers that a client knows while messages are gone that it has not heard of', async () => {
    const others = filled(1200);
    const client = new Client(others);
    const known = others.mails.map(({ uid }) => uid);
    for (const i of [0, 299, 300, 1100]) others.remove(known[i]);
    const lines = others.mails.map(({ uid, flags }) => `* ${known.indexOf(uid) + 1} FETCH (FLAGS (${flags.join(' ')}))\r\n`).join('');
    assert.equal(await client.send('FETCH 1:* (FLAGS)'), `${lines}A1 NO [EXPUNGEISSUED]\r\n`);
  });

  it('names a keyword before the first message that has it', async () => {
    const others = filled(600);
    const client = new Client(others);
    others.setFlags(others.mails[400].uid, ['new']);
    const answer = await client.send('FETCH 1:* (FLAGS)');
    const named = answer.search(/^\* FLAGS \(.* new\)/m);
    assert.ok(named >= 0 && named < answer.indexOf('* 401 FETCH (FLAGS (new))'));
  });

  it('says the UID alone where numbers are not used', async () => {
    const client = new Client(filled(300));
    client.enabled.uidonly = client.view.uidonly = true;
    assert.match(await client.send('UID FETCH 1:* (FLAGS)'), /^(\* \d+ UIDFETCH \(FLAGS \([^)]*\)\)\r\n){300}A1 OK/);
  });
});
