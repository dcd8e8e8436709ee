import assert from 'node:assert/strict';
import { Corrupt, Refused, Unavailable, createLogger } from '../../src/base/index.ts';
import { dial, play, startWorld } from './dialogue.ts';
import type { World } from './dialogue.ts';

describe('imap: connection', () => {
  let world: World;
  beforeEach(async () => (world = await startWorld()));
  afterEach(() => world.stop());

  it('greets, logs in, selects, logs out', async () => {
    world.user.mailbox('INBOX').add('Subject: a\r\n\r\nb\r\n');
    const wire = await dial(world.port);
    await play(wire, `
      C: a1 CAPABILITY
      S: * CAPABILITY IMAP4rev1 …STARTTLS AUTH=PLAIN AUTH=SCRAM-SHA-256
      S: a1 OK CAPABILITY completed
      C: a2 LOGIN ann@example.org secret
      S: a2 OK [CAPABILITY …IDLE … UTF8=ACCEPT …APPENDLIMIT=52428800 MESSAGELIMIT=4000000] logged in
      C: a3 SELECT inbox
      S: * 1 EXISTS
      S: * 0 RECENT
      S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)
      S: * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] …
      S: * OK [UNSEEN 1] …
      S: * OK [UIDVALIDITY 1048577] …
      S: * OK [UIDNEXT 65] …
      S: * OK [HIGHESTMODSEQ 64] …
      S: * OK [MAILBOXID (m000000000000001)] …
      S: a3 OK [READ-WRITE] SELECT completed
      C: a4 LOGOUT
      S: * BYE see you
      S: a4 OK LOGOUT completed
    `);
    assert.equal(await wire.rest(), '');
    assert.equal(world.user.sessions.size, 0);
    assert.equal(world.user.mailbox('INBOX').listeners.size, 0);
  });

  it('does not offer or take what is withheld', async () => {
    const strict = await startWorld({ withheld: ['UNAUTHENTICATE', 'compress=deflate', 'SORT', 'IMAP4rev2', 'AUTH=SCRAM-SHA-256', 'METADATA', 'IMAP4rev1'] });
    const wire = await dial(strict.port);
    assert.match((await wire.command('0', 'CAPABILITY'))[0], /^\* CAPABILITY IMAP4rev1 LITERAL\+ (?!.*SCRAM-SHA-256\b(?!-)).*AUTH=PLAIN/);
    assert.match((await wire.command('a', 'AUTHENTICATE SCRAM-SHA-256 bix1PWEscj1i'))[0], /^a NO /);
    const [logged] = await wire.command('b', 'LOGIN ann@example.org secret');
    assert.match(logged, /IMAP4rev1 .*NOTIFY/);
    assert.doesNotMatch(logged, /UNAUTHENTICATE|COMPRESS|IMAP4rev2| SORT| METADATA/);
    await wire.command('s', 'SELECT INBOX');
    for (const text of ['UNAUTHENTICATE', 'COMPRESS DEFLATE', 'SORT (DATE) UTF-8 ALL', 'UID SORT (DATE) UTF-8 ALL', 'GETMETADATA "" /private/comment']) {
      assert.equal((await wire.command('c', text))[0], 'c BAD unknown command', text);
    }
    assert.deepEqual(await wire.command('d', 'ENABLE IMAP4rev2 CONDSTORE'), ['* OK [HIGHESTMODSEQ 1] newest change', '* ENABLED CONDSTORE', 'd OK ENABLE completed']);
    wire.close();
    await strict.stop();
  });

  it('can withhold each that it offers at any time', async () => {
    const names = new Set<string>();
    const learn = (line: string) => /CAPABILITY ([^\]]*)/.exec(line)![1].split(' ').forEach((name) => names.add(name.replace(/(?<=LIMIT)=\d+$/, '')));
    for (const tls of [false, true]) {
      const wire = await dial(tls ? world.tlsPort : world.port, { tls });
      learn((await wire.command('a', 'CAPABILITY'))[0]);
      learn((await wire.command('b', 'LOGIN ann@example.org secret'))[0]);
      wire.close();
    }
    for (const name of ['STARTTLS', 'AUTH=SCRAM-SHA-256-PLUS', 'COMPRESS=DEFLATE', 'APPENDLIMIT', 'MESSAGELIMIT']) assert.ok(names.has(name), name);
    await (await startWorld({ withheld: [...names] })).stop();
  });

  it('does not start with a capability to withhold that it does not have', async () => {
    await assert.rejects(startWorld({ withheld: ['COMPRESS', 'unauthenticat'] }), (e) => e instanceof Refused && /no capability UNAUTHENTICAT$/.test(e.message));
  });

  it('logs a refused log-in, with the address that it came from and no name', async () => {
    const lines: string[] = [];
    const logged = await startWorld({ logger: createLogger('info', (line) => lines.push(line)) });
    const wire = await dial(logged.port);
    await wire.command('a', 'LOGIN ann@example.org wrong');
    await wire.command('b', `AUTHENTICATE PLAIN ${Buffer.from('\0ann@example.org\0wrong').toString('base64')}`);
    wire.close();
    await logged.stop();
    const refused = lines.filter((line) => line.includes('log-in refused'));
    assert.equal(refused.length, 2, lines.join(''));
    for (const line of refused) assert.match(line, /remote="?127\.0\.0\.1/);
    assert.doesNotMatch(refused.join(''), /ann|wrong"?$/m);
  });

  it('authenticates by PLAIN, with and without initial response', async () => {
    const right = Buffer.from('\0ann@example.org\0secret').toString('base64');
    const wrong = Buffer.from('\0ann@example.org\0Secret').toString('base64');
    const other = Buffer.from('bob@example.org\0ann@example.org\0secret').toString('base64');
    await play(await dial(world.port), `
      C: a AUTHENTICATE PLAIN ${wrong}
      S: a NO [AUTHENTICATIONFAILED] …
      C: a AUTHENTICATE PLAIN ${other}
      S: a NO [AUTHORIZATIONFAILED] …
      C: a AUTHENTICATE PLAIN =
      S: a BAD …
      C: a AUTHENTICATE PLAIN
      S: + …
      C: *
      S: a BAD AUTHENTICATE given up
      C: a AUTHENTICATE GSSAPI
      S: a NO [CANNOT] …
      C: a AUTHENTICATE PLAIN
      S: + …
      C: not base64!
      S: a BAD base64 expected
      C: a AUTHENTICATE PLAIN
      S: + …
      C: ${right}
      S: a OK [CAPABILITY …] logged in
      C: b AUTHENTICATE PLAIN ${right}
      S: b BAD already logged in
      C: b LOGIN x y
      S: b BAD already logged in
    `);
    await play(await dial(world.port), `
      C: a AUTHENTICATE PLAIN ${right}
      S: a OK [CAPABILITY …] logged in
    `);
  });

  it('takes names and passwords as literals of both kinds, in UTF-8', async () => {
    world.user.password = 'pässword';
    await play(await dial(world.port), `
      C: a LOGIN {15}
      S: + go on
      C: ann@example.org {9+}
      C: p\xc3\xa4ssword
      S: a OK …
    `);
  });

  it('refuses commands in the wrong state', async () => {
    const wire = await dial(world.port);
    for (const command of ['SELECT INBOX', 'LIST "" *', 'STATUS INBOX (MESSAGES)', 'IDLE', 'FETCH 1 FLAGS', 'UID FETCH 1 FLAGS', 'ENABLE CONDSTORE', 'NAMESPACE', 'CLOSE']) {
      assert.deepEqual(await wire.command('a', command), ['a BAD log in first']);
    }
    assert.match((await wire.command('a', 'APPEND INBOX {3+}\r\nabc')).at(-1)!, /^a BAD log in first/);
    await wire.command('l', 'LOGIN ann@example.org secret');
    for (const command of ['FETCH 1 FLAGS', 'STORE 1 FLAGS ()', 'EXPUNGE', 'CLOSE', 'UNSELECT', 'CHECK', 'COPY 1 x', 'UID MOVE 1 x']) {
      assert.deepEqual(await wire.command('a', command), ['a BAD select a mailbox first']);
    }
    assert.deepEqual(await wire.command('a', 'STARTTLS'), ['a BAD already logged in']);
    wire.close();
  });

  it('says what is wrong with a command, and ends after too many in a row', async () => {
    const wire = await dial(world.port, { login: true });
    await play(wire, `
      C: a SELECT
      S: a BAD argument missing at the end
      C: a SELECT INBOX INBOX
      S: a BAD "(" expected before: INBOX
      C: a SELECT "INBOX
      S: a BAD quoted string is not ended…
      C: a FROBNICATE
      S: a BAD unknown command
      C: a UID SELECT INBOX
      S: a BAD unknown command
      C: a
      S: * BAD tag and command expected
      C: +a NOOP
      S: * BAD tag and command expected
      C: a NOOP x
      S: a BAD nothing more expected before:  x
      C: a NOOP
      S: a OK NOOP completed
    `);
    for (let i = 0; i < 20; i++) wire.send(`t${i} WRONG\r\n`);
    wire.send('u WRONG\r\nv NOOP\r\n');
    const rest = await wire.rest();
    assert.match(rest, /t19 BAD unknown command\r\nu BAD unknown command\r\n\* BYE too many bad commands\r\n$/);
  });

  it('runs pipelined commands in order', async () => {
    const wire = await dial(world.port);
    wire.send('a LOGIN ann@example.org secret\r\nb SELECT INBOX\r\nc NOOP\r\nd CREATE x\r\ne SELECT x\r\nf UNSELECT\r\ng LOGOUT\r\nh NOOP\r\n');
    const tags = (await wire.rest()).split('\r\n').filter((line) => /^[a-z] /.test(line)).map((line) => line.slice(0, 4));
    assert.deepEqual(tags, ['a OK', 'b OK', 'c OK', 'd OK', 'e OK', 'f OK', 'g OK']);
  });

  it('runs what names the result of a search that is not answered yet (`$`) behind it', async () => {
    const inbox = world.user.mailbox('INBOX');
    for (const flags of [['\\Seen'], [], ['\\Seen']]) inbox.add('Subject: x\r\n\r\nx\r\n', flags);
    const wire = await dial(world.port, { login: true });
    wire.send('b SELECT INBOX\r\nc SEARCH RETURN (SAVE) SEEN\r\nd FETCH $ (UID)\r\ne SEARCH RETURN (SAVE COUNT) NOT $\r\nf STORE $ +FLAGS.SILENT (\\Deleted)\r\ng UID EXPUNGE $\r\n');
    const told = (await wire.until('g')).filter((line) => /^\* \d+ (FETCH|EXPUNGE)|^\* ESEARCH|^[c-g] /.test(line)).map((line) => line.replace(/UID \d+/, 'UID'));
    assert.deepEqual(told, ['c OK SEARCH completed', '* 1 FETCH (UID)', '* 3 FETCH (UID)', 'd OK FETCH completed', '* ESEARCH (TAG "e") COUNT 1', 'e OK SEARCH completed', 'f OK STORE completed', '* 2 EXPUNGE', 'g OK UID EXPUNGE completed']);
    wire.close();
  });

  it('answers what was sent before the client closed its side', async () => {
    const wire = await dial(world.port);
    wire.socket.end('a LOGIN ann@example.org secret\r\nb STATUS INBOX (MESSAGES)\r\n');
    assert.match(await wire.rest(), /a OK .*\r\n\* STATUS "INBOX" \(MESSAGES 0\)\r\nb OK STATUS completed\r\n$/s);
  });

  it('takes commands that come one byte at a time', async () => {
    const wire = await dial(world.port);
    for (const c of 'a LOGIN {15+}\r\nann@example.org secret\r\nb NOOP\r\n') {
      wire.send(c);
      await new Promise(setImmediate);
    }
    assert.match((await wire.until('a'))[0], /^a OK/);
    assert.deepEqual(await wire.until('b'), ['b OK NOOP completed']);
    wire.close();
  });

  it('maps the four errors, and a bug ends one connection only', async () => {
    const wire = await dial(world.port, { login: true });
    const other = await dial(world.port, { login: true });
    world.user.failures.set('status', new Unavailable('the store does not answer'));
    assert.deepEqual(await wire.command('a', 'STATUS INBOX (UIDNEXT)'), ['a NO [UNAVAILABLE] the store does not answer']);
    world.user.failures.set('status', new Corrupt('part 7 is\r\ndamaged'));
    assert.deepEqual(await wire.command('a', 'STATUS INBOX (UIDNEXT)'), ['a NO [SERVERBUG] part 7 is damaged']);
    world.user.failures.set('status', new TypeError('oops'));
    wire.send('a STATUS INBOX (UIDNEXT)\r\n');
    assert.equal(await wire.rest(), '* BYE internal error\r\n');
    assert.equal(world.server.bugs, 1);
    assert.deepEqual(await other.command('a', 'NOOP'), ['a OK NOOP completed']);
    assert.equal(world.user.sessions.size, 1);
    other.close();
  });

  it('says BYE when the session ends', async () => {
    const wire = await dial(world.port, { login: true });
    for (const session of world.user.sessions) session.onEnded?.('account removed');
    assert.equal(await wire.rest(), '* BYE account removed\r\n');
  });

  it('drains: idle connections at once, others behind their command', async () => {
    const idle = await dial(world.port, { login: true });
    const idling = await dial(world.port, { login: true });
    await play(idling, 'C: a IDLE\nS: + idling');
    const busy = await dial(world.port, { login: true });
    let release = () => {};
    const reached = new Promise<void>((resolve) => {
      world.user.before = () => {
        resolve();
        return new Promise<void>((r) => (release = r));
      };
    });
    busy.send('a STATUS INBOX (MESSAGES)\r\n');
    await reached;
    const drained = world.server.drain(5000);
    assert.equal(await idle.rest(), '* BYE server is shutting down\r\n');
    assert.equal(await idling.rest(), '* BYE server is shutting down\r\n');
    release();
    assert.equal(await busy.rest(), '* STATUS "INBOX" (MESSAGES 0)\r\na OK STATUS completed\r\n* BYE server is shutting down\r\n');
    for (const wire of [idle, idling, busy]) wire.close();
    await drained;
    assert.equal(world.server.connections, 0);
  });

  it('gives session and mailbox back when the client vanishes in the middle of a command', async () => {
    const wire = await dial(world.port, { login: true });
    await wire.command('s', 'SELECT INBOX');
    let release = () => {};
    world.user.before = () => new Promise<void>((resolve) => (release = resolve));
    wire.send('a NOOP\r\n');
    await new Promise((resolve) => setTimeout(resolve, 20));
    wire.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(world.user.sessions.size, 1);
    release();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(world.user.sessions.size, 0);
    assert.equal(world.user.mailbox('INBOX').listeners.size, 0);
    assert.equal(world.server.bugs, 0);
  });
});
