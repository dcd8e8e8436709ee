import assert from 'node:assert/strict';
import fc from 'fast-check';
import { View } from '../../src/imap/view.ts';
import { parseSequenceSet } from '../../src/imap/wire/index.ts';
import { Client, Mailbox } from './fetch-mailbox.ts';

const FLAGS = ['\\Seen', '\\Flagged', 'work'];

/** What a client makes of the answers: knows UIDs by having fetched them, and flags. */
class Mirror {
  uids: number[];
  flags = new Map<number, string>();

  constructor(mailbox: Mailbox) {
    this.uids = mailbox.mails.map((mail) => mail.uid);
    for (const mail of mailbox.mails) this.flags.set(mail.uid, mail.flags.join(' '));
  }

  /** Reads answers; `fetched` gives UID and flags of messages that EXISTS added, as a FETCH would. */
  read(text: string, fetched: (seq: number) => { uid: number; flags: string }): string[] {
    const lines = text.split('\r\n').filter((line) => line !== '');
    for (const line of lines) {
      let found: RegExpExecArray | null;
      if ((found = /^\* (\d+) EXPUNGE$/.exec(line))) {
        assert.ok(Number(found[1]) <= this.uids.length, line);
        this.uids.splice(Number(found[1]) - 1, 1);
      } else if ((found = /^\* VANISHED (\S+)$/.exec(line))) {
        const { ranges } = parseSequenceSet(found[1]).set;
        for (let r = 0; r < ranges.length; r += 2) {
          for (let uid = ranges[r]; uid <= ranges[r + 1]; uid++) {
            assert.ok(this.uids.includes(uid), `${line}: ${uid} was never shown`);
            this.uids.splice(this.uids.indexOf(uid), 1);
          }
        }
      } else if ((found = /^\* (\d+) EXISTS$/.exec(line))) {
        const count = Number(found[1]);
        assert.ok(count > this.uids.length, line);
        while (this.uids.length < count) {
          const { uid, flags } = fetched(this.uids.length + 1);
          this.uids.push(uid);
          this.flags.set(uid, flags);
        }
      } else if ((found = /^\* (\d+) FETCH \((?:UID (\d+) )?FLAGS \(([^)]*)\)( MODSEQ \(\d+\))?\)$/.exec(line))) {
        const uid = this.uids[Number(found[1]) - 1];
        assert.ok(uid !== undefined, line);
        if (found[2]) assert.equal(Number(found[2]), uid);
        this.flags.set(uid, found[3]);
      } else assert.match(line, /^\* (FLAGS|OK \[PERMANENTFLAGS)/);
    }
    return lines;
  }
}

describe('imap view', () => {
  it('gives a client the mailbox as it is, whatever others do (any order, both modes, short journals)', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('expunge' as const), which: fc.nat() }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('flags' as const), which: fc.nat(), flags: fc.subarray(FLAGS) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('poll' as const), who: fc.nat(2), allow: fc.boolean() }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(1000, 5, 0), (steps, journalMax) => {
        const mailbox = new Mailbox();
        for (let n = 0; n < 5; n++) mailbox.add('');
        mailbox.journalMax = journalMax;
        const clients = [new Client(mailbox), new Client(mailbox), new Client(mailbox)];
        clients[1].enable(true);
        clients[2].enable();
        const mirrors = clients.map(() => new Mirror(mailbox));
        const poll = (who: number, allow: boolean) => {
          const { view } = clients[who];
          const lines = mirrors[who].read(clients[who].poll(allow), (seq) => {
            const uid = view.uidOf(seq);
            const i = mailbox.find(uid);
            return { uid, flags: i < 0 ? '' : mailbox.mails[i].flags.join(' ') };
          });
          if (!allow) assert.ok(!lines.some((line) => /EXPUNGE|VANISHED/.test(line)));
          assert.equal(new Set(lines).size === lines.length || lines.some((line) => /EXPUNGE/.test(line)), true, 'a change was told twice');
          assert.deepEqual(mirrors[who].uids, [...view.uids.subarray(0, view.count)]);
          for (let seq = 1; seq <= view.count; seq++) assert.equal(view.seqOf(view.uidOf(seq)), seq);
          for (const mail of mailbox.mails) assert.equal(mirrors[who].flags.get(mail.uid), mail.flags.join(' '));
          assert.equal(clients[who].poll(allow), '', 'nothing is told twice');
        };
        for (const one of steps) {
          if (one.kind === 'add') mailbox.add('', { flags: ['\\Seen'] });
          else if (one.kind === 'poll') poll(one.who, one.allow);
          else if (mailbox.count > 0) {
            const { uid } = mailbox.mails[one.which % mailbox.count];
            if (one.kind === 'expunge') mailbox.remove(uid);
            else mailbox.setFlags(uid, one.flags);
          }
        }
        clients.forEach((_client, who) => {
          poll(who, true);
          assert.deepEqual(mirrors[who].uids, mailbox.mails.map((mail) => mail.uid));
          assert.equal(clients[who].view.behind, false);
        });
      }),
      { numRuns: 400 },
    );
  });

  it('resolves sets as a naive reading does', () => {
    const mailbox = new Mailbox();
    for (let n = 0; n < 20; n++) mailbox.add('');
    const view = new View(mailbox.open());
    const uids = [...view.uids.subarray(0, 20)];
    const number = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(0));
    const range = fc.tuple(number, fc.option(number));
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 8 }), fc.boolean(), (ranges, byUid) => {
        const last = byUid ? uids[19] : 20;
        const shown = (n: number) => (n === 0 ? '*' : String(byUid ? uids[n - 1] + (n % 2) : n));
        const value = (n: number) => (n === 0 ? last : byUid ? uids[n - 1] + (n % 2) : n);
        const text = ranges.map(([a, b]) => (b === null ? shown(a) : `${shown(a)}:${shown(b)}`)).join(',');
        const expected = uids.filter((uid, k) =>
          ranges.some(([a, b]) => {
            const ends = [value(a), value(b ?? a)];
            const n = byUid ? uid : k + 1;
            return n >= Math.min(...ends) && n <= Math.max(...ends);
          }),
        );
        assert.deepEqual([...view.resolve(parseSequenceSet(text).set, byUid)], expected, text);
      }),
    );
  });

  it('refuses numbers that no message has, but not `9:*`', () => {
    const mailbox = new Mailbox();
    mailbox.add('');
    const uid = mailbox.add('');
    const view = new View(mailbox.open());
    const resolve = (text: string, byUid: boolean, lenient = false) => [...view.resolve(parseSequenceSet(text).set, byUid, lenient)];
    assert.throws(() => resolve('3', false), /No such message/);
    assert.throws(() => resolve('1:3', false), /No such message/);
    assert.deepEqual(resolve('9:*', false), [uid]);
    assert.deepEqual(resolve('2:9', false, true), [uid]);
    assert.deepEqual(resolve('4000000000', true), []);
    assert.deepEqual(resolve('4000000000:*', true), [uid]);
    const empty = new View(new Mailbox().open());
    assert.deepEqual([...empty.resolve(parseSequenceSet('1:*').set, true)], []);
  });

  it('keeps the result of a search for `$`, without what has gone', () => {
    const mailbox = new Mailbox();
    const [a, b] = [mailbox.add(''), mailbox.add('')];
    const client = new Client(mailbox);
    client.view.saved = Uint32Array.of(a, b);
    mailbox.remove(a);
    client.poll();
    assert.deepEqual([...client.view.resolve(parseSequenceSet('$').set, false)], [b]);
  });

  it('takes a set of 1 MB in linear time', () => {
    const mailbox = new Mailbox();
    for (let n = 0; n < 3000; n++) mailbox.add('');
    const view = new View(mailbox.open());
    const text = Array.from({ length: 100_000 }, (_, k) => `${1 + ((k * 7919) % 3000)}:*`).join(',');
    assert.equal(view.resolve(parseSequenceSet(text).set, false).length, 3000);
    const numbers = Array.from({ length: 140_000 }, (_, k) => `${k * 2 + 1}`).join(',');
    assert.ok(view.resolve(parseSequenceSet(numbers).set, true).length > 0);
  });

  it('leaves the flags of a new message to whoever fetches it', () => {
    const mailbox = new Mailbox();
    const client = new Client(mailbox);
    mailbox.setFlags(mailbox.add(''), ['\\Seen']);
    mailbox.remove(mailbox.add(''));
    assert.equal(client.poll(), '* 1 EXISTS\r\n');
  });

  it('tells of a keyword that is new before it is used', () => {
    const mailbox = new Mailbox();
    const uid = mailbox.add('');
    const client = new Client(mailbox);
    mailbox.setFlags(uid, ['$Forwarded']);
    const text = client.poll();
    assert.match(text, /^\* FLAGS \(.*\$Forwarded\)\r\n\* OK \[PERMANENTFLAGS \(.*\$Forwarded \\\*\)\].*\r\n\* 1 FETCH \(FLAGS \(\$Forwarded\)\)\r\n$/);
    mailbox.setFlags(uid, ['$Forwarded', '\\Seen']);
    assert.equal(client.poll(), '* 1 FETCH (FLAGS ($Forwarded \\Seen))\r\n');
  });
});
