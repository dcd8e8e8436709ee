import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Corrupt, seededRandom } from '../../src/base/index.ts';
import { decodeOps, encodeOps, mailboxId, uidValidity } from '../../src/state/index.ts';
import type { Op } from '../../src/state/index.ts';

const fixture = (name: string) => Buffer.from(readFileSync(new URL(`../../fixtures/state/${name}`, import.meta.url), 'utf8').replace(/\s/g, ''), 'hex');

/** One of each operation; the frozen fixture holds exactly these. */
export const EVERY_OP: Op[] = [
  {
    kind: 'MessageAdded',
    mailbox: '00112233445566ff',
    at: 1_700_000_000_000,
    messages: [
      {
        content: { blob: 'b1', contentKey: Buffer.alloc(32, 7), sealedBytes: 1234, plainBytes: 1000, prefix: Buffer.from('Received: by here\r\n'), index: Buffer.from([1, 2, 3]), words: 'w1', emailId: 'Mb1', threadId: 'Tb1' },
        internalDate: 1_699_999_999_000,
        zone: -330,
        flags: ['\\Seen', 'later'],
        deliveryKey: 'k1',
      },
      {
        content: { blob: 'b2', contentKey: Buffer.alloc(32, 8), sealedBytes: 5, plainBytes: 0, prefix: Buffer.alloc(0), index: Buffer.alloc(0), words: null, emailId: 'Mb2', threadId: 'Mb2' },
        internalDate: -5,
        zone: 60,
        flags: [],
        deliveryKey: null,
      },
    ],
  },
  { kind: 'MessagesCopied', from: '00112233445566ff', to: 'ffeeddccbbaa9988', at: 1, sources: [{ writer: 'wb', seq: 9, index: 4 }, { writer: 'wa', seq: 1, index: 0 }, { writer: 'wa', seq: 2, index: 0 }, { writer: 'wa', seq: 3, index: 0 }], flagSets: [[], ['\\Flagged']], flagSetOf: [1, 0, 0, 1] },
  { kind: 'FlagsChanged', mailbox: '00112233445566ff', messages: [{ writer: 'wa', seq: 1, index: 0 }, { writer: 'wa', seq: 1, index: 1 }, { writer: 'wa', seq: 4, index: 0 }, { writer: 'wa', seq: 6, index: 0 }, { writer: 'wa', seq: 8, index: 0 }], set: ['\\Seen'], clear: ['\\Deleted', 'é'] },
  { kind: 'MessagesExpunged', mailbox: '00112233445566ff', at: 2, messages: [{ writer: 'wa', seq: 4294967295, index: 4294967295 }] },
  { kind: 'MailboxCreated', mailbox: '00112233445566ff', name: 'Entwürfe/α', made: 4095, specialUse: '\\Drafts' },
  { kind: 'MailboxRenamed', mailbox: '00112233445566ff', name: 'A/b' },
  { kind: 'MailboxDeleted', mailbox: '00112233445566ff' },
  { kind: 'SubscriptionChanged', name: 'A', on: false },
  { kind: 'Repaired', mailbox: '00112233445566ff', repaired: [{ position: 9007199254740991, writer: 'wz', seq: 3 }], renumbered: [{ writer: 'wb', seq: 2, index: 0 }, { writer: 'wa', seq: 1, index: 0 }], touched: [] },
  { kind: 'EventLost', lost: { position: 65, writer: 'wq', seq: 1 } },
  { kind: 'Restored', at: 3 },
  { kind: 'EpochBegan' },
];
const plain = (ops: Op[]) => JSON.parse(JSON.stringify(ops, (_, v) => (v?.type === 'Buffer' ? Buffer.from(v.data).toString('hex') : v)));

describe('state: stored operations', () => {
  it('version 1, frozen: reads what was written once', () => {
    assert.deepEqual(plain(decodeOps(fixture('ops-v1.hex'))), plain(EVERY_OP));
  });
  it('writes what it read', () => {
    assert.equal(encodeOps(EVERY_OP).toString('hex'), fixture('ops-v1.hex').toString('hex'));
  });
  it('a newer version is named as such', () => {
    const bytes = encodeOps(EVERY_OP);
    bytes[0] = 2;
    assert.throws(() => decodeOps(bytes), (e: Error) => e instanceof Corrupt && /newer version/.test(e.message));
  });
  it('STORE 1:* on 10,000 messages of one replica takes less than 100 bytes; of three that took turns, too', () => {
    for (const writers of [1, 3]) {
      const messages = Array.from({ length: 10_000 }, (_, i) => ({ writer: `w${i % writers}`, seq: 1 + Math.floor(i / writers) * 2, index: 0 }));
      const bytes = encodeOps([{ kind: 'FlagsChanged', mailbox: '00112233445566ff', messages, set: ['\\Seen'], clear: [] }]);
      assert.ok(bytes.length < 100, `${bytes.length}`);
      const [op] = decodeOps(bytes);
      assert.ok(op.kind === 'FlagsChanged' && op.messages.length === 10_000);
      const key = (m: { writer: string; seq: number }) => `${m.writer}#${m.seq}`;
      assert.deepEqual(new Set(op.messages.map(key)), new Set(messages.map(key)));
    }
  });
  it('keeps the order of sources and of renumbered messages, whatever it is', () => {
    const random = seededRandom(5);
    const sources = Array.from({ length: 500 }, () => ({ writer: random.unit() < 0.5 ? 'a' : 'b', seq: 1 + Math.floor(random.unit() * 40), index: Math.floor(random.unit() * 3) }));
    const ops: Op[] = [
      { kind: 'MessagesCopied', from: '00112233445566ff', to: '00112233445566ff', at: 0, sources, flagSets: [[]], flagSetOf: sources.map(() => 0) },
      { kind: 'Repaired', mailbox: '00112233445566ff', repaired: [], renumbered: sources, touched: [] },
    ];
    assert.deepEqual(decodeOps(encodeOps(ops)), ops);
  });
  it('refuses a set that would unpack to more messages than an event may span', () => {
    const body = Buffer.from([1, 0, 1, 1, 0x61, 1, 4, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0xff, 0x11, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 2, 0, 0xfd, 0xff, 0xff, 0xff, 0x3f]);
    assert.throws(() => decodeOps(body), Corrupt);
  });
  it('ids and UIDVALIDITY follow from user, name and count', () => {
    assert.equal(mailboxId('u1', 'inbox', 1), mailboxId('u1', 'INBOX', 1));
    assert.notEqual(mailboxId('u1', 'A', 1), mailboxId('u1', 'A', 2));
    assert.notEqual(mailboxId('u1', 'A', 1), mailboxId('u2', 'A', 1));
    assert.equal(mailboxId('u1', 'INBOX', 1), fixture('inbox-id.hex').toString('hex'));
    assert.equal(uidValidity('fffff00000000000', 4095), 2 ** 32 - 1);
    assert.ok(uidValidity('0000000000000000', 1) > 0);
    assert.ok(uidValidity('0000000000000000', 2) > uidValidity('fffff00000000000', 1));
  });
});
