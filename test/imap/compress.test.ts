import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import { limits } from '../../src/base/index.ts';
import { dial, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

/** A client's side of a compressed connection. */
async function compressed(wire: Wire): Promise<{ send(text: string): void; raw(bytes: Buffer): void; until(tag: string): Promise<string> }> {
  wire.socket.removeAllListeners('data');
  const inflate = createInflateRaw();
  const deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH });
  let text = '';
  wire.socket.pipe(inflate).on('data', (piece: Buffer) => (text += piece.toString('latin1'))).on('error', () => {});
  deflate.pipe(wire.socket);
  return {
    send: (line) => void deflate.write(`${line}\r\n`),
    raw: (bytes) => void wire.socket.write(bytes),
    async until(tag) {
      for (let at; ; ) {
        at = new RegExp(`(^|\\r\\n)${tag} .*\\r\\n`).exec(text);
        if (at !== null) {
          const answer = text.slice(0, at.index + at[0].length);
          text = text.slice(answer.length);
          return answer;
        }
        await once(inflate, 'data');
      }
    },
  };
}

const FLUSH = Buffer.from([0, 0, 0xff, 0xff]);
const FLUSHED = { finishFlush: constants.Z_SYNC_FLUSH };
/** How a client may end its compression behind a line. */
const ENDINGS: Record<string, (line: string) => Buffer> = {
  'a flush': (line) => deflateRawSync(line, FLUSHED),
  'a full flush, not compressed': (line) => deflateRawSync(line, { level: 0, finishFlush: constants.Z_FULL_FLUSH }),
  'the last block': (line) => deflateRawSync(line),
  'a flush and an empty last block': (line) => Buffer.concat([deflateRawSync(line, FLUSHED), Buffer.from([3, 0])]),
  'a flush and an empty last block, stored': (line) => Buffer.concat([deflateRawSync(line, FLUSHED), Buffer.from([1, 0, 0, 0xff, 0xff])]),
};

/** What has come compressed, up to the first flush behind `end`, and what came in clear behind it. */
async function partly(wire: Wire, end: string, clearEnd: RegExp): Promise<{ compressed: string; clear: string }> {
  for (;;) {
    const bytes = Buffer.from(wire.waiting, 'latin1');
    for (let at = bytes.indexOf(FLUSH); at >= 0; at = bytes.indexOf(FLUSH, at + 1)) {
      const compressed = inflateRawSync(bytes.subarray(0, at + FLUSH.length), FLUSHED).toString();
      const clear = bytes.toString('latin1', at + FLUSH.length);
      if (compressed.includes(end) && clearEnd.test(clear)) return { compressed, clear };
    }
    await once(wire.socket, 'data', { signal: AbortSignal.timeout(5000) });
  }
}

describe('imap: COMPRESS=DEFLATE', () => {
  let world: World;
  let wire: Wire;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(async () => {
    wire.close();
    await world.stop();
  });

  for (const tls of [false, true]) {
    it(`goes on compressed both ways${tls ? ', under TLS' : ''}`, async () => {
      const text = 'The same words again and again. '.repeat(20_000);
      world.user.mailbox('INBOX').add(`Subject: long\r\n\r\n${text}\r\n`);
      wire = await dial(tls ? world.tlsPort : world.port, { tls, login: true });
      assert.match((await wire.command('c', 'CAPABILITY'))[0], / COMPRESS=DEFLATE /);
      assert.match((await wire.command('a', 'COMPRESS LZW'))[0], /^a BAD/);
      assert.deepEqual(await wire.command('b', 'COMPRESS DEFLATE'), ['b OK COMPRESS completed']);
      const before = wire.socket.bytesRead;
      const client = await compressed(wire);
      client.send('A1 EXAMINE INBOX');
      assert.match(await client.until('A1'), /\* 1 EXISTS/);
      client.send('A2 FETCH 1 BODY.PEEK[]');
      assert.ok((await client.until('A2')).includes(text));
      assert.ok(wire.socket.bytesRead - before < text.length / 20);
      client.send('A3 CAPABILITY');
      assert.ok(!(await client.until('A3')).includes('COMPRESS'));
      client.send('A4 COMPRESS DEFLATE');
      assert.match(await client.until('A4'), /A4 BAD \[COMPRESSIONACTIVE\]/);
      client.send(`A5 APPEND Archive {${text.length}+}\r\n${text}`);
      assert.match(await client.until('A5'), /A5 OK \[APPENDUID/);
      assert.equal(world.user.mailbox('Archive').messages[0].bytes.toString(), text);
      // It may come before the last words are inflated.
      const ended = once(wire.socket, 'end');
      client.send('A6 LOGOUT');
      assert.match(await client.until('A6'), /\* BYE/);
      await ended;
    });
  }

  for (const tls of [false, true]) {
    it(`ends with UNAUTHENTICATE, and can begin again (RFC 8437 §4.1)${tls ? ', under TLS' : ''}`, async () => {
      wire = await dial(tls ? world.tlsPort : world.port, { tls, login: true });
      for (let round = 0; round < 2; round++) {
        await wire.command('b', 'COMPRESS DEFLATE');
        const client = await compressed(wire);
        client.send('A1 UNAUTHENTICATE');
        assert.equal(await client.until('A1'), 'A1 OK UNAUTHENTICATE completed\r\n');
        wire.plain();
        assert.match((await wire.command('A2', 'LOGIN ann@example.org secret')).at(-1)!, /^A2 OK .* COMPRESS=DEFLATE /);
        assert.deepEqual((await wire.command('A3', 'STATUS INBOX (MESSAGES)')).at(-1), 'A3 OK STATUS completed');
      }
      await wire.command('b', 'COMPRESS DEFLATE');
      const client = await compressed(wire);
      client.send('A1 LOGOUT');
      assert.match(await client.until('A1'), /\* BYE/);
    });
  }

  for (const [name, ended] of Object.entries(ENDINGS)) {
    const clear = 'A2 LOGIN ann@example.org secret\r\nA3 STATUS INBOX (MESSAGES)\r\nA4 COMPRESS DEFLATE\r\n';
    const answers = /^A2 OK .*\r\n\* STATUS "INBOX" \(MESSAGES 0\)\r\nA3 OK .*\r\nA4 OK COMPRESS completed\r\n$/;
    const before = 'A0 STATUS INBOX (MESSAGES)\r\nA1 UNAUTHENTICATE\r\n';

    it(`takes in clear what comes behind UNAUTHENTICATE in one piece with it: ${name} (RFC 8437 §4.1)`, async () => {
      // It is all there before the first command has run.
      world.user.before = () => new Promise((resolve) => setTimeout(resolve, 10));
      // The second fills what inflating gives at once.
      for (const first of ['', `${'x NOOP\r\n'.repeat(2048).slice(0, 16 * 1024 - before.length - 2)}\r\n`]) {
        wire = await dial(world.tlsPort, { tls: true, login: true });
        await wire.command('b', 'COMPRESS DEFLATE');
        wire.send(Buffer.concat([ended(first + before), Buffer.from(clear)]));
        const got = await partly(wire, 'A1 OK UNAUTHENTICATE completed\r\n', answers);
        assert.match(got.compressed, /\* STATUS .*\r\nA0 OK .*\r\nA1 OK UNAUTHENTICATE completed\r\n$/);
        const client = await compressed(wire);
        client.send('A5 LOGOUT');
        assert.match(await client.until('A5'), /\* BYE/);
        wire.close();
      }
    });

    it(`and however it is cut: ${name}`, async () => {
      const bytes = Buffer.concat([ended(before), Buffer.from(clear)]);
      for (let at = bytes.length - clear.length - 12; at < bytes.length - clear.length + 9; at++) {
        wire = await dial(world.port, { login: true });
        await wire.command('b', 'COMPRESS DEFLATE');
        wire.send(bytes.subarray(0, at));
        await new Promise((resolve) => setTimeout(resolve, 3));
        wire.send(bytes.subarray(at, at + 1));
        await new Promise((resolve) => setTimeout(resolve, 3));
        wire.send(bytes.subarray(at + 1));
        await partly(wire, 'A1 OK UNAUTHENTICATE completed\r\n', answers);
        wire.close();
      }
    });
  }

  it('takes what a client says in clear that waited for the answer, flush or no flush', async () => {
    wire = await dial(world.port, { login: true });
    await wire.command('b', 'COMPRESS DEFLATE');
    wire.send(deflateRawSync('A1 UNAUTHENTICATE\r\n', { finishFlush: constants.Z_PARTIAL_FLUSH }));
    await partly(wire, 'A1 OK', /^$/);
    wire.send('a x\r\n');
    await partly(wire, 'A1 OK', /^a BAD .*\r\n$/);
    wire.send('A2 LOGIN ann@example.org secret\r\n');
    await partly(wire, 'A1 OK', /A2 OK .*\r\n$/);
  });

  it('says BYE to a client that goes on compressing behind UNAUTHENTICATE', async () => {
    // A whole piece of what inflating gives at once, and more than one.
    for (const more of [0, 1, 20_000]) {
      wire = await dial(world.port, { login: true });
      await wire.command('b', 'COMPRESS DEFLATE');
      const end = 'A1 UNAUTHENTICATE\r\n';
      wire.send(deflateRawSync('x NOOP\r\n'.repeat(2048).slice(0, 16 * 1024 - end.length - 2) + `\r\n${end}` + 'A2 NOOP\r\n'.repeat(more), FLUSHED));
      await partly(wire, 'A1 OK UNAUTHENTICATE completed\r\n', more === 0 ? /^$/ : /^\* BYE .*\r\n$/);
      if (more === 0) {
        wire.send('A2 LOGIN ann@example.org secret\r\n');
        await partly(wire, 'A1 OK', /^A2 OK .*\r\n$/);
      } else await wire.rest();
      wire.close();
    }
    assert.equal(world.server.bugs, 0);
  });

  it('answers all that was sent compressed before the client closed its side, or ended its stream', async () => {
    // So much that some waits to be taken when the end comes.
    world.user.before = () => new Promise((resolve) => setTimeout(resolve, 50));
    const commands = `A0 STATUS INBOX (MESSAGES)\r\n${'x NOOP\r\n'.repeat(45_000)}A1 NOOP\r\n`;
    for (const bytes of [deflateRawSync(commands, FLUSHED), Buffer.concat([deflateRawSync(commands), Buffer.from('A2 NOOP\r\n')])]) {
      wire = await dial(world.port, { login: true });
      await wire.command('b', 'COMPRESS DEFLATE');
      if (bytes.at(-1) === FLUSH.at(-1)) wire.socket.end(bytes);
      else wire.send(bytes);
      const rest = inflateRawSync(Buffer.from(await wire.rest(), 'latin1'), FLUSHED).toString();
      assert.match(rest, /A1 OK NOOP completed\r\n$/);
    }
  });

  it('ends a connection whose bytes are no deflate', async () => {
    wire = await dial(world.port, { login: true });
    await wire.command('b', 'COMPRESS DEFLATE');
    wire.send('A1 NOOP\r\n');
    await wire.rest();
    assert.equal(world.server.bugs, 0);
  });

  it('inflates no more than it takes (a bomb)', async () => {
    wire = await dial(world.port, { login: true });
    await wire.command('b', 'COMPRESS DEFLATE');
    const client = await compressed(wire);
    // 100 MB of one endless line in 100 KB: refused at the line's limit, the rest is never made.
    const before = process.memoryUsage().rss;
    client.raw(deflateRawSync(Buffer.alloc(100 * 1024 * 1024, 0x61)));
    await once(wire.socket, 'end');
    assert.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024 + 64 * limits.imap_line_bytes_max);
    wire.close();
    while (world.server.connections > 0) await new Promise(setImmediate);
  });
});
