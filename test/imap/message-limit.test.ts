// MESSAGELIMIT (RFC 9738): a command that takes a part says so.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

describe('imap: MESSAGELIMIT', () => {
  let world: World;
  let wire: Wire;
  let uids: number[];
  beforeEach(async () => {
    world = await startWorld({ tls: false, limits: { ...limits, imap_command_messages_max: 3 } });
    wire = await dial(world.port, { login: true });
    const inbox = world.user.mailbox('INBOX');
    uids = Array.from({ length: 5 }, (_, n) => inbox.add(`Subject: ${n}\r\n\r\n`));
    await wire.command('s', 'SELECT INBOX');
  });
  afterEach(async () => {
    wire.close();
    await world.stop();
  });

  it('is advertised with its number', async () => {
    assert.match((await wire.command('a', 'CAPABILITY'))[0], / MESSAGELIMIT=3( |$)/);
  });

  it('FETCH, SEARCH, STORE, MOVE and UID EXPUNGE take the last messages, and say the lowest UID', async () => {
    await play(wire, `
      C: a FETCH 1:* (UID)
      S: * 3 FETCH (UID ${uids[2]})
      S: * 4 FETCH (UID ${uids[3]})
      S: * 5 FETCH (UID ${uids[4]})
      S: a OK [MESSAGELIMIT 3 ${uids[2]}] FETCH took a part of them
      C: b FETCH 1:3 (UID)
      S: * 1 FETCH (UID ${uids[0]})
      S: * 2 FETCH (UID ${uids[1]})
      S: * 3 FETCH (UID ${uids[2]})
      S: b OK FETCH completed
      C: c UID SEARCH ALL
      S: * SEARCH ${uids.slice(2).join(' ')}
      S: c OK [MESSAGELIMIT 3 ${uids[2]}] SEARCH took a part of them
      C: d UID SEARCH RETURN (COUNT) UIDBEFORE ${uids[3]}
      S: * ESEARCH (TAG "d") UID COUNT 3
      S: d OK UID SEARCH completed
      C: e STORE 1:4 +FLAGS.SILENT (\\Deleted)
      S: e OK [MESSAGELIMIT 3 ${uids[1]}] STORE took a part of them
      C: f STORE 1,5 +FLAGS.SILENT (\\Deleted)
      S: f OK STORE completed
      C: g UID EXPUNGE 1:*
      S: * 3 EXPUNGE
      S: * 3 EXPUNGE
      S: * 3 EXPUNGE
      S: g OK [MESSAGELIMIT 3 ${uids[2]}] EXPUNGE took a part of them
      C: h ENABLE QRESYNC
      S: * OK [HIGHESTMODSEQ …] …
      S: * ENABLED …
      S: h OK ENABLE completed
    `);
    const inbox = world.user.mailbox('INBOX');
    const more = [inbox.add('Subject: x\r\n\r\n'), inbox.add('Subject: y\r\n\r\n')];
    await play(wire, `
      C: i NOOP
      S: * 4 EXISTS
      S: i OK NOOP completed
      C: j MOVE 1:* Sent
      S: * OK [COPYUID …] Moved
      S: * VANISHED ${[uids[1], ...more].join(',')}
      S: * NO [MESSAGELIMIT 3 ${uids[1]}] took a part of them
      S: j OK [HIGHESTMODSEQ …] MOVE completed
    `);
  });

  it('COPY, SORT, THREAD, a page, and APPEND of more are refused', async () => {
    const refused = new RegExp(`^x NO \\[MESSAGELIMIT 3 ${uids[2]}\\] `);
    for (const text of ['COPY 1:* Sent', 'SORT (SUBJECT) UTF-8 ALL', 'THREAD REFERENCES UTF-8 ALL', 'ESEARCH IN (inboxes) ALL', 'ESEARCH ALL']) {
      assert.match((await wire.command('x', text)).at(-1)!, refused, text);
    }
    assert.match((await wire.command('x', 'UID FETCH 1:* (UID) (PARTIAL 1:4)')).at(-1)!, new RegExp(`^x NO \\[MESSAGELIMIT 3 ${uids[1]}\\]`));
    assert.match((await wire.command('x', 'UID FETCH 1:* (UID) (PARTIAL 1:3)')).at(-1)!, /^x OK UID FETCH/);
    // What fails leaves nothing saved (RFC 9051 §6.4.4.1).
    for (const text of ['SORT RETURN (SAVE) (SUBJECT) UTF-8 ALL', 'ESEARCH IN (selected) RETURN (SAVE) ALL']) {
      assert.deepEqual(await wire.command('s', 'UID SEARCH RETURN (SAVE) UID 1:*'), [`s OK [MESSAGELIMIT 3 ${uids[2]}] SEARCH took a part of them`]);
      assert.match((await wire.command('x', text)).at(-1)!, refused, text);
      assert.deepEqual(await wire.command('s', 'UID FETCH $ (UID)'), ['s OK UID FETCH completed']);
    }
    assert.equal(world.user.mailbox('Sent').count, 0);
    assert.match((await wire.command('x', `COPY 1:3 Sent`)).at(-1)!, /^x OK/);
    const message = ' {5+}\r\na: b\n';
    assert.match((await wire.command('x', `APPEND Sent${message}${message}${message}${message}`)).at(-1)!, /^x NO \[MESSAGELIMIT 3\]/);
    assert.equal(world.user.mailbox('Sent').count, 3);
  });

  it('knows UIDAFTER and UIDBEFORE', async () => {
    const found = async (keys: string) => (await wire.command('x', `UID SEARCH ${keys}`))[0];
    assert.equal(await found(`UIDAFTER ${uids[2]}`), `* SEARCH ${uids.slice(3).join(' ')}`);
    assert.equal(await found(`UIDBEFORE ${uids[2]}`), `* SEARCH ${uids.slice(0, 2).join(' ')}`);
    assert.equal(await found(`UIDAFTER ${uids[0]} UIDBEFORE ${uids[2]}`), `* SEARCH ${uids[1]}`);
    assert.equal(await found('UIDBEFORE 1'), '* SEARCH');
    assert.equal(await found('UIDAFTER 4294967295'), '* SEARCH');
    assert.equal(await found(`UIDAFTER ${uids[4]}`), '* SEARCH');
    assert.match((await wire.command('x', 'UID SEARCH UIDAFTER 0')).at(-1)!, /^x BAD/);
  });
});
