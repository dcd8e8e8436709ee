import assert from 'node:assert/strict';
import { Unavailable } from '../../src/base/index.ts';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

describe('imap: REPLACE', () => {
  let world: World;
  let wire: Wire;
  let uids: number[];
  beforeEach(async () => {
    world = await startWorld({ tls: false });
    uids = ['one', 'two', 'three'].map((subject) => world.user.mailbox('INBOX').add(`Subject: ${subject}\r\n\r\nx\r\n`));
    wire = await dial(world.port, { login: true });
    await wire.command('s', 'SELECT INBOX');
  });
  afterEach(async () => {
    wire.close();
    await world.stop();
  });
  const texts = (name = 'INBOX') => world.user.mailbox(name).messages.map(({ bytes }) => bytes.toString().split('\r\n')[0]);

  it('puts a message in the place of another', async () => {
    await play(wire, `
      C: A1 REPLACE 2 INBOX (\\Draft) "17-Jul-1996 02:44:25 -0700" {5}
      S: + go on
      C: hello
      S: * OK [APPENDUID … …] replacement is there
      S: * 2 EXPUNGE
      S: * 3 EXISTS
      S: A1 OK REPLACE completed
    `);
    assert.deepEqual(texts(), ['Subject: one', 'Subject: three', 'hello']);
    assert.deepEqual(world.user.mailbox('INBOX').messages[2].flags, ['\\Draft']);
    await play(wire, `
      C: A2 UID REPLACE ${uids[0]} {6+}
      C: Drafts {3+}
      C: new
      S: * OK [APPENDUID … …] replacement is there
      S: * 1 EXPUNGE
      S: A2 OK UID REPLACE completed
    `);
    assert.deepEqual([texts(), texts('Drafts')], [['Subject: three', 'hello'], ['new']]);
  });

  it('tells how much room the old message gives back', async () => {
    await wire.command('a', 'UID REPLACE ' + uids[1] + ' INBOX {5+}\r\nhello');
    assert.deepEqual(world.user.instead, { bytes: 'Subject: two\r\n\r\nx\r\n'.length });
    await wire.command('b', 'APPEND INBOX {5+}\r\nhello');
    assert.equal(world.user.instead, null);
  });

  it('leaves the old message when anything fails', async () => {
    await play(wire, `
      C: A1 REPLACE 9 INBOX {5}
      S: A1 BAD …
      C: A2 UID REPLACE 9999 INBOX {5}
      S: A2 NO [NONEXISTENT] …
      C: A3 REPLACE 1 Nowhere {5}
      S: A3 NO [TRYCREATE] …
      C: A4 REPLACE 1 INBOX {3+}
      C: abc {3+}
      C: def
      S: A4 BAD …
      C: A5 REPLACE 1 INBOX
      S: A5 BAD …
      C: A6 REPLACE 1:2 INBOX {3+}
      C: abc
      S: A6 BAD …
    `);
    world.user.failures.set('commit', new Unavailable('away'));
    await play(wire, `
      C: A7 REPLACE 1 INBOX {3+}
      C: abc
      S: A7 NO [UNAVAILABLE] …
    `);
    world.user.failures.clear();
    await wire.command('x', 'EXAMINE INBOX');
    await play(wire, `
      C: A8 REPLACE 1 INBOX {3+}
      C: abc
      S: A8 NO [READ-ONLY] …
      C: A9 UNSELECT
      S: A9 OK UNSELECT completed
      C: B1 REPLACE 1 INBOX {3+}
      C: abc
      S: B1 BAD …
    `);
    assert.deepEqual(texts(), ['Subject: one', 'Subject: two', 'Subject: three']);
    assert.equal(world.user.appending, 0);
  });

  it('needs a UID where there are no numbers', async () => {
    await wire.command('e', 'ENABLE UIDONLY');
    await play(wire, `
      C: A1 REPLACE 1 INBOX {3}
      S: A1 BAD [UIDREQUIRED] …
    `);
  });
});
