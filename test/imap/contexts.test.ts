import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

const message = (subject: string) => `Subject: ${subject}\r\n\r\nx\r\n`;

describe('imap: searches kept up to date (CONTEXT=SEARCH, CONTEXT=SORT)', () => {
  let world: World;
  let wire: Wire;
  let uids: number[];
  beforeEach(async () => {
    world = await startWorld({ tls: false });
    const inbox = world.user.mailbox('INBOX');
    uids = ['one', 'two', 'three'].map((subject) => inbox.add(message(subject)));
    wire = await dial(world.port, { login: true });
    await wire.command('s', 'SELECT INBOX');
  });
  afterEach(async () => {
    wire.close();
    await world.stop();
  });

  it('tells what comes and goes with the next command', async () => {
    await play(wire, `
      C: A1 UID SEARCH RETURN (UPDATE) UNSEEN
      S: * ESEARCH (TAG "A1") UID ALL ${uids.join(',')}
      S: A1 OK UID SEARCH completed
      C: A2 STORE 1 +FLAGS.SILENT (\\Seen)
      S: * ESEARCH (TAG "A1") UID REMOVEFROM (0 ${uids[0]})
      S: A2 OK STORE completed
    `);
    const uid = world.user.mailbox('INBOX').add(message('four'));
    await play(wire, `
      C: A3 NOOP
      S: * 4 EXISTS
      S: * ESEARCH (TAG "A1") UID ADDTO (0 ${uid})
      S: A3 OK NOOP completed
      C: A4 STORE 1 -FLAGS.SILENT (\\Seen)
      S: * ESEARCH (TAG "A1") UID ADDTO (0 ${uids[0]})
      S: A4 OK STORE completed
      C: A5 CANCELUPDATE "A1"
      S: A5 OK CANCELUPDATE completed
      C: A6 STORE 1 +FLAGS.SILENT (\\Seen)
      S: A6 OK STORE completed
      C: A7 CANCELUPDATE "A1"
      S: A7 BAD …
    `);
  });

  it('tells that a message leaves before its number goes', async () => {
    await play(wire, `
      C: A1 SEARCH RETURN (UPDATE COUNT) ALL
      S: * ESEARCH (TAG "A1") COUNT 3
      S: A1 OK SEARCH completed
    `);
    world.user.mailbox('INBOX').remove([uids[0], uids[2]]);
    await play(wire, `
      C: A2 NOOP
      S: * ESEARCH (TAG "A1") REMOVEFROM (0 1,3)
      S: * 1 EXPUNGE
      S: * 2 EXPUNGE
      S: A2 OK NOOP completed
    `);
  });

  it('tells places in a sorted result', async () => {
    await play(wire, `
      C: A1 UID SORT RETURN (ALL UPDATE) (SUBJECT) UTF-8 UNDELETED
      S: * ESEARCH (TAG "A1") UID ALL ${uids[0]},${uids[2]},${uids[1]}
      S: A1 OK UID SORT completed
    `);
    const uid = world.user.mailbox('INBOX').add(message('sun'));
    await play(wire, `
      C: A2 NOOP
      S: * 4 EXISTS
      S: * ESEARCH (TAG "A1") UID ADDTO (2 ${uid})
      S: A2 OK NOOP completed
      C: A3 UID STORE ${uids[0]},${uids[2]} +FLAGS.SILENT (\\Deleted)
      S: * ESEARCH (TAG "A1") UID REMOVEFROM (3 ${uids[2]} 1 ${uids[0]})
      S: A3 OK UID STORE completed
    `);
  });

  it('tells at once while the client idles', async () => {
    await play(wire, `
      C: A1 SEARCH RETURN (UPDATE COUNT) SUBJECT f
      S: * ESEARCH (TAG "A1") COUNT 0
      S: A1 OK SEARCH completed
      C: A2 IDLE
      S: + idling
    `);
    world.user.mailbox('INBOX').add(message('four'));
    await play(wire, `
      S: * 4 EXISTS
      S: * ESEARCH (TAG "A1") ADDTO (0 4)
      C: DONE
      S: A2 OK IDLE completed
    `);
  });

  it('gives of new messages what UPDATE asks for (RFC 5465 §7)', async () => {
    for (const update of ['UPDATE (FLAGS)', 'UPDATE(FLAGS)']) {
      const tag = `A${update.length}`;
      assert.match((await wire.command(tag, `UID SEARCH RETURN (COUNT ${update}) UNSEEN`)).at(-1)!, / OK /);
      const uid = world.user.mailbox('INBOX').add(message('more'));
      const { count } = world.user.mailbox('INBOX');
      await play(wire, `
        C: B NOOP
        S: * ${count} EXISTS
        S: * ${count} FETCH (UID ${uid} FLAGS ())
        S: * ESEARCH (TAG "${tag}") UID ADDTO (0 ${uid})
        S: B OK NOOP completed
        C: C STORE ${count} +FLAGS.SILENT (\\Seen)
        S: * ESEARCH (TAG "${tag}") UID REMOVEFROM (0 ${uid})
        S: C OK STORE completed
        C: D STORE ${count} -FLAGS.SILENT (\\Seen)
        S: * ESEARCH (TAG "${tag}") UID ADDTO (0 ${uid})
        S: D OK STORE completed
        C: E CANCELUPDATE "${tag}"
        S: E OK CANCELUPDATE completed
      `);
    }
    // Not of the own ones.
    await wire.command('F', 'UID SEARCH RETURN (COUNT UPDATE (FLAGS)) UNSEEN');
    assert.doesNotMatch((await wire.command('G', 'APPEND INBOX {3+}\r\nabc')).join('|'), /FETCH/);
    assert.match((await wire.command('H', 'UID SEARCH RETURN (COUNT UPDATE (NONSENSE)) UNSEEN')).at(-1)!, /^H BAD/);
  });

  it('says when it will not', async () => {
    await play(wire, `
      C: A1 SEARCH RETURN (UPDATE COUNT) YOUNGER 100
      S: * ESEARCH (TAG "A1") COUNT 0
      S: * NO [NOUPDATE "A1"] this search is not kept up to date
      S: A1 OK SEARCH completed
      C: A2 SEARCH RETURN (UPDATE COUNT CONTEXT) ALL
      S: * ESEARCH (TAG "A2") COUNT 3
      S: A2 OK SEARCH completed
      C: A2 SEARCH RETURN (UPDATE COUNT) ALL
      S: A2 BAD …
    `);
    for (let k = 0; k < 15; k++) await wire.command(`B${k}`, 'SEARCH RETURN (UPDATE COUNT) ALL');
    const last = await wire.command('C1', 'SEARCH RETURN (UPDATE COUNT) ALL');
    assert.match(last[1], /^\* NO \[NOUPDATE "C1"\]/);
    await wire.command('C2', 'SELECT INBOX');
    const long = await wire.command('D1', `SEARCH RETURN (UPDATE COUNT) SUBJECT "${'x'.repeat(limits.search_context_bytes_max)}"`);
    assert.match(long[1], /^\* NO \[NOUPDATE "D1"\]/);
    assert.equal((await wire.command('C3', 'CANCELUPDATE "A2"'))[0].startsWith('C3 BAD'), true);
  });
});
