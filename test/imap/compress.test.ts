import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib';
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
      assert.match(await client.until('A4'), /A4 NO \[COMPRESSIONACTIVE\]/);
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
