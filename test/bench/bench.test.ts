// The bench's own arithmetic and its eyes: what it reads of answers, how it sums up. Nothing here is timed.
import assert from 'node:assert/strict';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { parseArguments } from './arguments.ts';
import { ImapClient } from './imap-client.ts';
import { LmtpClient } from './lmtp-client.ts';
import { fresh, mailsOf, realSizes } from './mail.ts';
import type { Row } from './rows/row.ts';
import { atLeast, notSlower, rate } from './rows/row.ts';
import { median, percentile, shown } from './statistics.ts';
import { table, times } from './table.ts';
import { LastLine } from './wire.ts';

const row: Row = { key: 'k', title: 'work', unit: 'mails/s', goal: 'not slower', met: atLeast(1), rounds: 1, measure: async () => 0 };

/** A server that answers each chunk by a script, for one connection. */
async function scripted(greeting: string, answer: (text: string) => string[], talk: (port: number) => Promise<void>): Promise<void> {
  const server = net.createServer((socket) => {
    socket.write(greeting);
    let all = '';
    socket.on('data', async (chunk) => {
      all += chunk.toString('latin1');
      for (const piece of answer(all)) {
        all = '';
        socket.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await talk((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

const mb = { colombier: 90.4, dovecot: null };

describe('bench: statistics', () => {
  it('takes the middle', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.ok(Number.isNaN(median([])));
  });
  it('takes the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    assert.equal(percentile(hundred, 0.95), 95);
    assert.equal(percentile(hundred, 0.99), 99);
    assert.equal(percentile([7], 0.5), 7);
  });
  it('writes three digits', () => {
    assert.deepEqual([1234.5, 56.78, 1.234, NaN, null].map(shown), ['1235', '56.8', '1.23', '-', '-']);
  });
  it('counts what was done in a second, in all lanes', async () => {
    let n = 0;
    const result = await rate(3, 30, async () => {
      n++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    });
    assert.ok(n >= 3 && result > 0 && Number.isFinite(result));
  });
});

describe('bench: table', () => {
  it('says how many times better, whichever way is better', () => {
    assert.equal(times({ row, colombier: { value: 20, text: null }, dovecot: 10, mb }), 2);
    assert.equal(times({ row: { ...row, unit: 'ms' }, colombier: { value: 20, text: null }, dovecot: 10, mb }), 0.5);
    assert.equal(times({ row, colombier: { value: 20, text: null }, dovecot: null, mb }), null);
  });
  it('says whether the goal is met, and nothing where there is none to compare with', () => {
    const text = table([
      { row, colombier: { value: 9, text: null }, dovecot: 10, mb },
      { row: { ...row, met: notSlower, unit: 'ms' }, colombier: { value: 9, text: null }, dovecot: 10, mb },
      { row, colombier: { value: 9, text: '1 LIST' }, dovecot: null, mb },
    ]);
    const met = text.trim().split('\n').slice(2).map((line) => line.split('|').at(-2)!.trim());
    assert.deepEqual(met, ['NO', 'yes', '-']);
    assert.match(text, /1 LIST/);
    assert.match(text, / 90 \| +- \|/);
  });
});

describe('bench: arguments', () => {
  it('reads them, and refuses what it does not know', () => {
    assert.deepEqual(parseArguments(['--store', 's3', '--rows', 'lmtp, store']).rows, ['lmtp', 'store']);
    assert.throws(() => parseArguments(['--store', 'tape']), /neither disk nor s3/);
    assert.throws(() => parseArguments(['--fast']));
  });
});

describe('bench: mail', () => {
  it('is the same for the same seed, of about the size asked for, and clean for LMTP', () => {
    const sizes = [3000, 10_000, 250_000];
    const mails = mailsOf(sizes, 7);
    assert.deepEqual(mails, mailsOf(sizes, 7));
    for (const [i, { bytes }] of mails.entries()) {
      assert.ok(Math.abs(bytes.length - sizes[i]) < Math.max(300, sizes[i] * 0.05), `${sizes[i]} became ${bytes.length}`);
      const text = bytes.toString('latin1');
      assert.ok(!/\r(?!\n)|(?<!\r)\n|\r\n\./.test(text) && text.endsWith('\r\n'));
    }
  });
  it('is never sent twice', () => {
    const [mail] = mailsOf([3000], 1);
    const ids = [fresh(mail), fresh(mail)].map((bytes) => /^Message-ID: <([0-9a-f]{16})\.bench@/m.exec(bytes.toString('latin1'))![1]);
    assert.notEqual(ids[0], ids[1]);
  });
  it('draws sizes that repeat with the seed', () => {
    assert.deepEqual(realSizes(50, 3), realSizes(50, 3));
    assert.ok(realSizes(50, 3).every((size) => size > 0));
  });
});

describe('bench: clients', () => {
  it('finds the last line however the stream is cut', () => {
    const stream = Buffer.from(`* 1 FETCH (FLAGS ())\r\na1 OK [COPYUID ${'1,'.repeat(500)}2] done\r\n`);
    for (const size of [1, 2, 3, 7, 64, 5000]) {
      const line = new LastLine();
      for (let at = 0; at < stream.length; at += size) line.push(stream.subarray(at, at + size));
      assert.ok(line.ended && line.head.startsWith('a1 OK [COPYUID 1,'), `pieces of ${size}`);
    }
  });
  it('counts an IMAP answer, and rejects a NO', async () => {
    const script = (all: string) => (all.startsWith('a1 ') ? ['* 3 EXI', 'STS\r\na1 O', 'K done\r\n'] : ['a2 NO [TRYCREATE] none\r\n']);
    await scripted('* OK ready\r\n', script, async (port) => {
      const client = await ImapClient.connect({ port });
      assert.equal((await client.run('SELECT INBOX')).bytes, '* 3 EXISTS\r\na1 OK done\r\n'.length);
      await assert.rejects(client.run('COPY 1 None'), /a2 NO/);
      client.close();
    });
  });
  it('speaks LMTP, and rejects what is not taken', async () => {
    let messages = 0;
    const script = (all: string) => {
      if (all.startsWith('LHLO')) return ['250-here\r\n250 PIPELINING\r\n'];
      if (all.startsWith('MAIL')) return ['250 ok\r\n250 ok\r\n35', '4 go\r\n'];
      return all.endsWith('\r\n.\r\n') ? [++messages === 1 ? '250 2.0.0 stored\r\n' : '451 4.3.0 later\r\n'] : [];
    };
    await scripted('220 here\r\n', script, async (port) => {
      const client = await LmtpClient.connect({ port });
      await client.deliver('u@bench.example', Buffer.from('A: b\r\n\r\nc\r\n'));
      await assert.rejects(client.deliver('u@bench.example', Buffer.from('A: b\r\n\r\nc\r\n')), /451/);
      client.close();
    });
  });
});
