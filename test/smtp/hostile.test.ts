// What strangers do: smuggle, flood, stall, stop half-way.
import assert from 'node:assert/strict';
import { House } from './dialogue.ts';

const until = async (what: () => boolean) => {
  for (let i = 0; i < 200 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(what());
};

describe('smtp/hostile', () => {
  let house: House;
  afterEach(() => house.stop());

  for (const end of ['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r\n.\r', '\r.\r\n', '\r\n\0.\r\n', '\n.\r']) {
    it(`smuggles nothing behind ${JSON.stringify(end)}`, async () => {
      house = await new House(false).start();
      const d = await house.data();
      d.raw(`first${end}MAIL FROM:<evil@example.com>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\nsecond\r\n.\r\n`);
      await d.expect('250 2.6.0');
      await d.say('NOOP', '250 2.0.0');
      assert.equal(house.post.stored.length, 1);
      const text = house.post.stored[0].bytes.toString('latin1');
      assert.match(text, /evil@example\.com[^]*second\r\n$/);
      assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n/);
    });
  }

  it('ends at CRLF . CRLF however it is cut', async () => {
    house = await new House(false).start();
    const d = await house.hello();
    for (const cut of [1, 2, 3, 4]) {
      await house.envelope(d);
      const end = '\r\n.\r\n';
      d.raw(`body${end.slice(0, cut)}`);
      await d.silence(15);
      d.raw(end.slice(cut));
      await d.expect('250 2.6.0');
    }
    assert.deepEqual(house.post.stored.map((m) => m.bytes.toString()), Array(4).fill('body\r\n'));
  });

  it('keeps NUL and lines of any length', async () => {
    house = await new House(false).start();
    const d = await house.data();
    const line = `\0${'x'.repeat(100_000)}`;
    d.raw(`${line}\r\n.\r\n`);
    await d.expect('250');
    assert.equal(house.post.stored[0].bytes.toString(), `${line}\r\n`);
  });

  it('refuses a message over the limit, at SIZE and at its end', async () => {
    house = await new House(false, { message_bytes_max: 10_000 }).start();
    const d = await house.hello();
    await d.say('MAIL FROM:<a@b.example> SIZE=10001', '552 5.3.4');
    await house.envelope(d);
    for (let i = 0; i < 20; i++) d.raw(`${'y'.repeat(998)}\r\n`);
    d.raw('.\r\n');
    await d.expect('552 5.3.4');
    assert.equal(house.post.stored.length, 0);
    assert.equal(house.post.aborted, 1);
    await house.envelope(d);
    d.raw(`${'y'.repeat(9_998)}\r\n.\r\n`);
    await d.expect('250');
  });

  it('refuses a command line over the limit', async () => {
    house = await new House(false).start();
    for (const end of ['\r\n', '']) {
      const d = await house.hello();
      d.raw(`NOOP ${'x'.repeat(5000)}${end}`);
      await d.expect('500 5.5.2');
      await d.closed();
    }
  });

  it('limits recipients, also one repeated', async () => {
    house = await new House(false, { smtp_recipients_max: 3 }).start();
    const d = await house.hello();
    await d.say('MAIL FROM:<a@b.example>', '250');
    for (const r of ['a', 'b', 'b']) await d.say(`RCPT TO:<${r}@example.org>`, '250');
    await d.say('RCPT TO:<c@example.org>', '452 4.5.3');
    await d.say('RCPT TO:<b@example.org>', '452 4.5.3');
    await d.say('DATA', '354');
    d.raw('a\r\n.\r\n');
    await d.expect('250');
  });

  it('closes on too many unknown recipients', async () => {
    house = await new House(false, { smtp_unknown_recipients_max: 3 }).start();
    const d = await house.hello();
    await d.say('MAIL FROM:<a@b.example>', '250');
    await d.say('RCPT TO:<x1@example.net>', '550 5.1.1');
    await d.say('RSET', '250');
    await d.say('MAIL FROM:<a@b.example>', '250');
    await d.say('RCPT TO:<x2@example.net>', '550 5.1.1');
    await d.say('RCPT TO:<x3@example.net>', '421 4.7.0');
    await d.closed();
  });

  it('closes on nonsense', async () => {
    house = await new House(false).start();
    const d = await house.hello();
    for (let i = 0; i < 9; i++) await d.say('XYZZY', '500');
    await d.say('XYZZY', '421');
    await d.closed();
    const web = await house.open();
    await web.say('POST / HTTP/1.1', '421');
  });

  it('limits connections from one address, and has room again', async () => {
    house = await new House(false, { connections_per_address_max: 3 }).start();
    const open = [await house.open(), await house.open(), await house.open()];
    const fourth = await house.open('421 4.7.0');
    await fourth.closed();
    open[0].end();
    await until(() => house.server.connections === 2);
    await house.open('220');
  });

  it('limits connections in all', async () => {
    house = await new House(false, { connections_max: 2 }).start();
    await house.open();
    await house.open();
    await house.open('421 4.7.0');
  });

  it('ends a silent connection', async () => {
    house = await new House(false, { smtp_idle_ms_max: 60 }).start();
    const d = await house.open();
    await d.expect('421 4.4.2');
    await d.closed();
    const inData = await house.data();
    inData.raw('half a mess');
    await inData.expect('421 4.4.2');
    await inData.closed();
    await until(() => house.server.connections === 0);
    assert.equal(house.post.aborted, 1);
  });

  it('does not count our own time as silence', async () => {
    house = await new House(false, { smtp_idle_ms_max: 60 }).start();
    house.post.onCommit = () => new Promise((resolve) => setTimeout(() => resolve(null), 200));
    const d = await house.data();
    d.raw('a\r\n.\r\n');
    await d.expect('250');
  });

  it('ends a message that trickles', async () => {
    house = await new House(false, { smtp_message_ms_max: 100 }).start();
    const d = await house.data();
    const timer = setInterval(() => d.raw('x'), 20);
    try {
      await d.expect('421 4.4.2');
    } finally {
      clearInterval(timer);
    }
    await until(() => house.post.aborted === 1);
  });

  it('aborts what its sender left half-way, stores what was complete', async () => {
    house = await new House(false).start();
    const half = await house.data();
    half.raw('half\r\n');
    half.end();
    await until(() => house.post.aborted === 1);
    house.post.onCommit = () => new Promise((resolve) => setTimeout(() => resolve(null), 50));
    const whole = await house.data();
    whole.raw('whole\r\n.\r\n');
    await until(() => house.post.begun === 2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    whole.end();
    await until(() => house.post.stored.length === 1);
    assert.equal(house.post.aborted, 1);
    await until(() => house.server.connections === 0);
  });

  it('reads no faster than the accounts take', async () => {
    house = await new House(false).start();
    let go = () => {};
    let taken = 0;
    house.post.onWrite = (piece) => {
      taken += piece.length;
      return new Promise<void>((resolve) => {
        go = resolve;
      });
    };
    const d = await house.data();
    let sent = 0;
    const block = Buffer.alloc(1 << 20, 'x');
    while (sent < 40) {
      sent++;
      if (!d.socket.write(block)) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(taken <= 65536, `${taken} bytes were taken`);
    assert.ok(d.socket.writableLength > 20 << 20, `${d.socket.writableLength} bytes wait at the sender`);
    const rest = setInterval(() => go(), 0);
    d.end();
    await until(() => house.server.connections === 0);
    clearInterval(rest);
  });

  it('serves others while one stalls', async () => {
    house = await new House(false).start();
    const stalled = await house.data();
    stalled.raw('half');
    const d = await house.data();
    d.raw('a\r\n.\r\n');
    await d.expect('250');
  });

  it('keeps a strange HELO name out of the header', async () => {
    house = await new House(false).start();
    const d = await house.open();
    await d.say('EHLO x)\tby(evil;"<', '250');
    await d.say('EHLO x)by(evil;"<\\', '250');
    await house.envelope(d);
    d.raw('a\r\n.\r\n');
    await d.expect('250');
    assert.match([...house.post.stored[0].prefix.values()][0], /from x\?by\?evil\?\?\?\? \(\[127\.0\.0\.1\]\)/);
  });
});
