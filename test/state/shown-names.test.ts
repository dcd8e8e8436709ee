// Mailboxes put in their place one by one are what working all of them out would show.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { SpecialUse } from '../../src/base/index.ts';
import { UserState, mailboxId } from '../../src/state/index.ts';
import type { FoldedEvent, Op } from '../../src/state/index.ts';
import { compareNames } from '../../src/state/shown-names.ts';
import { USER } from './history.ts';

const NAMES = ['a', 'a/b', 'a/c', 'b', 'Ä', 'INBOX/x', '\ufffd', '\u{1f600}', 'Sent', 'INBOX'];
const ROLES: (SpecialUse | null)[] = [null, null, null, '\\Sent', '\\Junk'];

/** Ids of mailboxes that the names and roles may get. */
const made = fc.record({ name: fc.constantFrom(...NAMES.slice(0, -1)), role: fc.constantFrom(...ROLES), made: fc.integer({ min: 1, max: 2 }) });
const idOf = (m: { name: string; role: SpecialUse | null; made: number }) => mailboxId(USER, m.role ?? m.name, m.made);

const op = fc.oneof(
  { weight: 4, arbitrary: made.map((m): Op => ({ kind: 'MailboxCreated', mailbox: idOf(m), name: m.name, made: m.made, specialUse: m.role })) },
  { weight: 2, arbitrary: fc.tuple(made, fc.constantFrom(...NAMES.slice(0, -1))).map(([m, name]): Op => ({ kind: 'MailboxRenamed', mailbox: idOf(m), name })) },
  { weight: 2, arbitrary: made.map((m): Op => ({ kind: 'MailboxDeleted', mailbox: idOf(m) })) },
  { weight: 1, arbitrary: fc.constantFrom(...NAMES).map((name): Op => ({ kind: 'SubscriptionChanged', name, on: true })) },
  { weight: 1, arbitrary: made.map((m): Op => ({ kind: 'MessageAdded', mailbox: idOf(m), at: 1, messages: [] })) },
);

describe('state: mailboxes as they are shown', () => {
  it('one by one as all at once, whatever is said in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.array(op, { minLength: 1, maxLength: 3 }), { maxLength: 30 }), (events) => {
        const oneByOne = new UserState(USER);
        const atOnce = new UserState(USER);
        let position = 0;
        events.forEach((ops, n) => {
          const first = position + 1;
          position += ops.length;
          const event: FoldedEvent = { ref: { position, writer: 'w', seq: n + 1 }, first, ops: ops.map((one, i) => ({ first: first + i, op: one })) };
          oneByOne.mailboxes();
          oneByOne.apply(event);
          atOnce.apply(event);
        });
        assert.deepEqual(oneByOne.mailboxes(), atOnce.mailboxes());
        for (const { name, id } of atOnce.mailboxes()) {
          assert.equal(oneByOne.byName(name)?.id, id);
          assert.equal(oneByOne.byId(id)?.name, name);
        }
        assert.equal(oneByOne.mailboxCount, atOnce.mailboxes().length);
        for (const name of NAMES) {
          assert.equal(oneByOne.nextMade(name), atOnce.nextMade(name));
          assert.equal(oneByOne.byName(name)?.id, atOnce.byName(name)?.id);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('compares names by the bytes of UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        assert.equal(Math.sign(compareNames(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { numRuns: 1000 },
    );
    assert.ok(compareNames('\u{1f600}', '\ufffd') > 0);
  });
});
