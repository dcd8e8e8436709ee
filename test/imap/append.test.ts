import assert from 'node:assert/strict';
import { Refused, Unavailable } from '../../src/base/index.ts';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

describe('imap: APPEND', () => {
  let world: World;
  let wire: Wire;
  beforeEach(async () => {
    world = await startWorld();
    wire = await dial(world.port, { login: true });
  });
  afterEach(() => {
    wire.close();
    return world.stop();
  });
  const inbox = () => world.user.mailbox('INBOX').messages;

  it('takes a message with flags and date, and tells its UID', async () => {
    await play(wire, `
      C: a APPEND INBOX (\\Seen $Work) "17-Jul-1996 02:44:25 -0700" {5}
      S: + go on
      C: hello
      S: a OK [APPENDUID 1048577 64] APPEND completed
      C: b APPEND {5+}
      C: INBOX () {3+}
      C: abc
      S: b OK [APPENDUID 1048577 128] APPEND completed
      C: c APPEND "INBOX" "01-Jan-2000 00:00:00 +0000" {0+}
      C:
      S: c NO message is empty…
    `);
    assert.deepEqual(inbox().map(({ flags, bytes, at, zone }) => [flags, bytes.toString(), new Date(at).toISOString(), zone]), [
      [['\\Seen', '$Work'], 'hello', '1996-07-17T09:44:25.000Z', -420],
      [[], 'abc', '1970-01-01T00:00:00.000Z', 0],
    ]);
  });

  it('MULTIAPPEND: all or none', async () => {
    await play(wire, `
      C: a APPEND INBOX {3+}
      C: one (\\Flagged) {3}
      S: + go on
      C: two "01-Jan-2000 00:00:00 +0000" {5+}
      C: three
      S: a OK [APPENDUID 1048577 64,128,192] APPEND completed
      C: b APPEND INBOX {3+}
      C: one (\\Flagged nonsense {3+}
      C: two
      S: b BAD …
      C: c APPEND INBOX {3+}
      C: one {0+}
      C:
      S: c NO …
      C: d APPEND INBOX {3+}
      C: one trailing
      S: d BAD …
      C: e NOOP
      S: e OK NOOP completed
    `);
    assert.deepEqual(inbox().map(({ bytes }) => bytes.toString()), ['one', 'two', 'three']);
    assert.equal(world.user.appending, 0);
  });

  it('refuses before the message is sent when the client waits, else drops it', async () => {
    await play(wire, `
      C: a APPEND Nowhere {5}
      S: a NO [TRYCREATE] …
      C: b APPEND Nowhere {5+}
      C: a NO!
      S: b NO [TRYCREATE] …
      C: c APPEND INBOX {99999999}
      S: c NO [TOOBIG] …
      C: d APPEND INBOX "17-Foo-1996 02:44:25 -0700" {5}
      S: d BAD …
      C: e APPEND INBOX "31-Feb-1996 02:44:25 -0700" {5+}
      C: 12345
      S: e BAD …
      C: f APPEND INBOX (\\Recent) {5}
      S: f BAD …
      C: g APPEND INBOX
      S: g BAD message literal expected
      C: h APPEND "&" {5}
      S: h BAD …
      C: +i APPEND INBOX {5}
      S: * BAD tag expected
      C: +j APPEND INBOX {5+}
      C: 12345
      S: * BAD tag expected
      C: k NOOP
      S: k OK NOOP completed
    `);
    wire.send('z APPEND INBOX {999999999+}\r\n');
    assert.match(await wire.rest(), /^z BAD \[TOOBIG\] literal too large\r\n\* BYE literal too large\r\n$/);
  });

  it('reports what fails while the message comes, and takes the next command', async () => {
    world.user.failures.set('write', new Unavailable('the store is away'));
    wire.send(`a APPEND INBOX {200000+}\r\n${'x'.repeat(200_000)}\r\nb NOOP\r\n`);
    assert.deepEqual(await wire.until('b'), ['a NO [UNAVAILABLE] the store is away', 'b OK NOOP completed']);
    world.user.failures.clear();
    world.user.failures.set('commit', new Refused('mailbox is full', 'OVERQUOTA'));
    assert.deepEqual(await wire.command('c', 'APPEND INBOX {1+}\r\nx'), ['c NO [OVERQUOTA] mailbox is full']);
    assert.equal(inbox().length, 0);
    assert.equal(world.user.appending, 0);
  });

  it('takes UTF8 messages after ENABLE (RFC 6855 §4), NUL in literal8 only there', async () => {
    await play(wire, `
      C: a APPEND INBOX UTF8 (~{3+}
      C: abc)
      S: a BAD …
      C: b ENABLE UTF8=ACCEPT
      S: * ENABLED UTF8=ACCEPT
      S: b OK …
      C: c APPEND INBOX (\\Seen) UTF8 (~{4}
      S: + go on
      C: \xc3\xbc\xc3\xbc)
      S: c OK [APPENDUID …] APPEND completed
      C: d APPEND INBOX UTF8 (~{1+}
      C: x
      S: d BAD …
    `);
    assert.equal(inbox()[0].bytes.toString(), 'üü');
  });

  it('announces the message when it went to the selected mailbox', async () => {
    await wire.command('s', 'SELECT INBOX');
    wire.send('a APPEND INBOX {1+}\r\nx\r\n');
    assert.deepEqual(await wire.until('a'), ['* 1 EXISTS', 'a OK [APPENDUID 1048577 64] APPEND completed']);
  });

  it('hands a large message on in pieces, and waits for the one who takes them', async () => {
    let most = 0;
    let writes = 0;
    world.user.before = async (name) => {
      if (name !== 'write') return;
      writes++;
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    };
    const size = 20 * 1024 * 1024;
    const before = process.memoryUsage().arrayBuffers;
    wire.send(`a APPEND INBOX {${size}+}\r\n`);
    wire.send(Buffer.alloc(size, 'y'));
    wire.send('\r\n');
    assert.match((await wire.until('a'))[0], /^a OK/);
    assert.equal(inbox()[0].bytes.length, size);
    assert.ok(writes > 100);
    // The client's copy, the fake's copies; a second whole one in the connection would show.
    assert.ok(most - before < 3 * size, `${most - before}`);
  });

  it('leaves nothing when the client goes in the middle', async () => {
    wire.send('a APPEND INBOX {10}\r\n');
    assert.equal(await wire.line(), '+ go on');
    wire.send('12345');
    wire.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(inbox().length, 0);
    assert.equal(world.user.appending, 0);
    assert.equal(world.server.connections, 0);
    assert.equal(world.user.sessions.size, 0);
    assert.equal(world.server.bugs, 0);
  });
});
