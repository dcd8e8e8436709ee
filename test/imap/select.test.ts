import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { dial, play, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

const tick = () => new Promise((resolve) => setTimeout(resolve, 10));

describe('imap: selected mailbox', () => {
  let world: World;
  let wire: Wire;
  beforeEach(async () => {
    world = await startWorld();
    for (let i = 0; i < 4; i++) world.user.mailbox('INBOX').add(`Subject: ${i}\r\n\r\nbody\r\n`, i === 0 ? ['\\Seen'] : []);
    wire = await dial(world.port, { login: true });
  });
  afterEach(() => {
    wire.close();
    return world.stop();
  });
  const inbox = () => world.user.mailbox('INBOX');

  it('EXAMINE, CLOSED, a failed SELECT leaves nothing selected', async () => {
    const examined = await wire.command('a', 'EXAMINE INBOX');
    assert.equal(examined.at(-1), 'a OK [READ-ONLY] EXAMINE completed');
    assert.ok(examined.includes('* OK [UNSEEN 2] first unseen'));
    assert.ok(examined.some((line) => line.startsWith('* OK [PERMANENTFLAGS ()]')));
    await play(wire, `
      C: b SELECT nothing
      S: * OK [CLOSED] …
      S: b NO [NONEXISTENT] …
      C: c CHECK
      S: c BAD select a mailbox first
      C: d SELECT INBOX (FUNNY)
      S: d BAD …
      C: e SELECT INBOX (QRESYNC (1048577 1))
      S: e BAD ENABLE QRESYNC …
    `);
    assert.equal(inbox().listeners.size, 0);
  });

  it('CLOSE expunges without telling, UNSELECT and a read-only CLOSE do not', async () => {
    inbox().setFlags(64, ['\\Deleted']);
    await wire.command('a', 'SELECT INBOX');
    assert.deepEqual(await wire.command('b', 'UNSELECT'), ['b OK UNSELECT completed']);
    await wire.command('a', 'EXAMINE INBOX');
    assert.deepEqual(await wire.command('b', 'CLOSE'), ['b OK CLOSE completed']);
    assert.equal(inbox().count, 4);
    await wire.command('a', 'SELECT INBOX');
    assert.deepEqual(await wire.command('b', 'CLOSE'), ['b OK CLOSE completed']);
    assert.equal(inbox().count, 3);
    assert.deepEqual(await wire.command('c', 'CHECK'), ['c BAD select a mailbox first']);
  });

  it('tells what others did at NOOP, and keeps numbers during FETCH', async () => {
    await wire.command('s', 'SELECT INBOX');
    inbox().remove([128]);
    inbox().add('Subject: new\r\n\r\n');
    inbox().setFlags(64, ['\\Answered']);
    const fetched = await wire.command('a', 'FETCH 1 UID');
    assert.ok(!fetched.some((line) => line.includes('EXPUNGE')), fetched.join('\n'));
    assert.ok(fetched.includes('* 5 EXISTS'));
    assert.deepEqual(await wire.command('b', 'NOOP'), ['* 2 EXPUNGE', 'b OK NOOP completed']);
  });

  it('CHECK and NOOP ask the store', async () => {
    await wire.command('s', 'SELECT INBOX');
    const asked: string[] = [];
    world.user.before = (name) => void asked.push(name);
    await wire.command('a', 'NOOP');
    await wire.command('b', 'CHECK');
    assert.deepEqual(asked, ['refresh', 'refresh']);
  });

  it('IDLE tells at once, several changes together; anything but DONE is BAD', async () => {
    await wire.command('s', 'SELECT INBOX');
    await play(wire, 'C: a IDLE\nS: + idling');
    inbox().add('x');
    inbox().add('y');
    assert.equal(await wire.line(), '* 6 EXISTS');
    inbox().remove([64, 128]);
    await play(wire, 'S: * 1 EXPUNGE\nS: * 1 EXPUNGE');
    inbox().setFlags(192, ['\\Flagged']);
    await play(wire, `
      S: * 1 FETCH (FLAGS (\\Flagged))
      C: done
      S: a OK IDLE completed
    `);
    inbox().add('z');
    await tick();
    wire.assertQuiet();
    await play(wire, `
      C: b IDLE
      S: + idling
      S: * 5 EXISTS
      C: NOOP
      S: b BAD DONE expected
      C: c NOOP
      S: c OK NOOP completed
    `);
    wire.send('d IDLE\r\nDONE\r\ne IDLE\r\nDONE\r\n');
    assert.deepEqual(await wire.until('e'), ['+ idling', 'd OK IDLE completed', '+ idling', 'e OK IDLE completed']);
  });

  it('IDLE without a mailbox waits for DONE', async () => {
    await play(wire, 'C: a IDLE\nS: + idling\nC: DONE\nS: a OK IDLE completed');
  });

  it('CONDSTORE by SELECT, STATUS and ENABLE', async () => {
    await wire.command('s', 'SELECT INBOX (CONDSTORE)');
    inbox().setFlags(64, []);
    assert.deepEqual(await wire.command('a', 'NOOP'), ['* 1 FETCH (UID 64 FLAGS () MODSEQ (320))', 'a OK NOOP completed']);
    const second = await dial(world.port, { login: true });
    await second.command('s', 'SELECT INBOX');
    inbox().setFlags(64, ['\\Draft']);
    // What the mailbox's is for this client is told once, and no more than it has heard of (RFC 7162 §3.1).
    assert.deepEqual((await second.command('t', 'STATUS Sent (HIGHESTMODSEQ)')).slice(0, 3), ['* OK [HIGHESTMODSEQ 320] newest change', '* STATUS "Sent" (HIGHESTMODSEQ 1)', '* 1 FETCH (UID 64 FLAGS (\\Draft) MODSEQ (384))']);
    assert.equal((await second.command('u', 'STATUS Sent (HIGHESTMODSEQ)')).length, 2);
    inbox().setFlags(64, ['\\Seen']);
    assert.deepEqual(await second.command('a', 'NOOP'), ['* 1 FETCH (UID 64 FLAGS (\\Seen) MODSEQ (448))', 'a OK NOOP completed']);
    for (const [k, text] of ['FETCH 1 (MODSEQ)', 'FETCH 1 (FLAGS) (CHANGEDSINCE 1)', 'STORE 1 (UNCHANGEDSINCE 1) +FLAGS (x)', 'SEARCH MODSEQ 1', 'ENABLE CONDSTORE', 'ENABLE QRESYNC'].entries()) {
      const third = await dial(world.port, { login: true });
      await third.command('s', 'EXAMINE INBOX');
      assert.equal((await third.command(`a${k}`, text))[0], '* OK [HIGHESTMODSEQ 448] newest change', text);
      third.close();
    }
    second.close();
  });

  it('says that keywords can be made as long as they can', async () => {
    const most = Array.from({ length: limits.keywords_max - 1 }, (_, n) => `k${n}`);
    inbox().setFlags(64, most);
    assert.ok((await wire.command('s', 'SELECT INBOX')).some((line) => /^\* OK \[PERMANENTFLAGS \(.* k0 .* \\\*\)\]/.test(line)));
    const [flags, permanent] = await wire.command('a', 'STORE 2 +FLAGS.SILENT (last)');
    assert.match(flags, /^\* FLAGS \(.* k0 .* last\)$/);
    assert.match(permanent, /^\* OK \[PERMANENTFLAGS \(.* k0 .* last\)\]/);
    assert.ok((await wire.command('s', 'EXAMINE INBOX')).some((line) => line.startsWith('* OK [PERMANENTFLAGS ()]')));
  });

  it('QRESYNC: what vanished and what changed, by SELECT and in IDLE', async () => {
    inbox().remove([128]);
    inbox().setFlags(192, ['\\Flagged']);
    assert.deepEqual(await wire.command('e', 'ENABLE QRESYNC'), ['* ENABLED QRESYNC', 'e OK ENABLE completed']);
    const all = await wire.command('a', 'SELECT INBOX (QRESYNC (1048577 256))');
    assert.deepEqual(all.slice(-3), ['* VANISHED (EARLIER) 128', '* 2 FETCH (UID 192 FLAGS (\\Flagged) MODSEQ (384))', 'a OK [READ-WRITE] SELECT completed']);
    const some = await wire.command('b', 'SELECT INBOX (QRESYNC (1048577 256 129:500 (1:2 64,128)))');
    assert.ok(!some.some((line) => line.includes('VANISHED')));
    assert.equal(some[0], '* OK [CLOSED] the mailbox before is closed');
    const stranger = await wire.command('c', 'SELECT INBOX (QRESYNC (7 256))');
    assert.ok(!stranger.some((line) => line.includes('VANISHED')));
    await play(wire, 'C: d IDLE\nS: + idling');
    inbox().remove([64]);
    await play(wire, `
      S: * VANISHED 64
      C: DONE
      S: d OK …
      C: f SELECT INBOX (QRESYNC (0 256))
      S: f BAD …
      C: g SELECT INBOX (QRESYNC (1048577 0))
      S: g BAD …
      C: h SELECT INBOX (QRESYNC (1048577 1 *))
      S: h BAD …
      C: i SELECT INBOX (QRESYNC (1048577 1 (1:2)))
      S: i BAD …
    `);
  });

  it('QRESYNC: a client that has seen MODSEQs above what it does not know to be gone keeps a lower one', async () => {
    await wire.command('e', 'ENABLE QRESYNC');
    await wire.command('s', 'SELECT INBOX');
    const before = inbox().highestModSeq;
    inbox().remove([64]);
    inbox().setFlags(192, ['\\Flagged']);
    const { highestModSeq } = inbox();
    await play(wire, `
      C: a FETCH 3 (FLAGS)
      S: * 3 FETCH (UID 192 FLAGS (\\Flagged))
      S: * 3 FETCH (UID 192 FLAGS (\\Flagged) MODSEQ (${highestModSeq}))
      S: * OK [HIGHESTMODSEQ ${before}] …
      S: a OK FETCH completed
      C: b UID SEARCH 1:2
      S: * SEARCH 128
      S: * OK [HIGHESTMODSEQ ${before}] …
      S: b OK UID SEARCH completed
      C: c UID SEARCH UID 1:*
      S: * SEARCH 128 192 256
      S: * VANISHED 64
      S: * OK [HIGHESTMODSEQ ${highestModSeq}] …
      S: c OK UID SEARCH completed
      C: d FETCH 1 (FLAGS)
      S: * 1 FETCH (UID 128 FLAGS …)
      S: d OK FETCH completed
    `);
  });

  it('several sessions keep numbers of their own', async () => {
    const other = await dial(world.port, { login: true });
    await wire.command('s', 'SELECT INBOX');
    await other.command('s', 'SELECT INBOX');
    await other.command('a', 'STORE 1:2 +FLAGS.SILENT (\\Deleted)');
    assert.deepEqual(await other.command('b', 'EXPUNGE'), ['* 1 EXPUNGE', '* 1 EXPUNGE', 'b OK EXPUNGE completed']);
    assert.deepEqual(await wire.command('c', 'FETCH 3 UID'), ['* 3 FETCH (UID 192)', 'c OK FETCH completed']);
    assert.deepEqual(await wire.command('d', 'NOOP'), ['* 1 EXPUNGE', '* 1 EXPUNGE', 'd OK NOOP completed']);
    other.close();
  });
});
