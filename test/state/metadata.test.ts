import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { INBOX, USER } from './history.ts';
import { Corrupt } from '../../src/base/index.ts';
import { decodeOps, encodeOps, mailboxId, UserState } from '../../src/state/index.ts';
import type { FoldedEvent, Op } from '../../src/state/index.ts';

const set = (entry: string, value: string | null, mailbox: string | null = INBOX): Op => ({ kind: 'MetadataChanged', mailbox, entry, value: value === null ? null : Buffer.from(value) });
const event = (writer: string, position: number, op: Op): FoldedEvent => ({ ref: { position, writer, seq: position }, first: position, ops: [{ first: position, op }] });
const folded = (...events: FoldedEvent[]): UserState => {
  const state = new UserState(USER);
  for (const e of events) state.apply(e);
  return state;
};
const shown = (state: UserState, mailbox: string | null = INBOX) => state.metadata(mailbox).map(({ entry, value }) => `${entry}=${Buffer.from(value)}`);

/** What the frozen bytes hold. */
const OPS: Op[] = [set('/private/comment', 'Grüße'), set('/shared/x', null, mailboxId(USER, 'A', 1)), set('/private/vendor/app', '', null)];
const fixture = Buffer.from(readFileSync(new URL('../../fixtures/state/ops-metadata-v1.hex', import.meta.url), 'utf8').replace(/\s/g, ''), 'hex');

describe('state: annotations', () => {
  it('version 1, frozen: operations that were written once are read', () => {
    const plain = (ops: Op[]) => ops.map((op) => (op.kind === 'MetadataChanged' ? { ...op, value: op.value && Buffer.from(op.value).toString() } : op));
    assert.deepEqual(plain(decodeOps(fixture)), plain(OPS));
    assert.equal(encodeOps(OPS).toString('hex'), fixture.toString('hex'));
  });
  it('refuses damaged ones', () => {
    for (let n = 3; n < fixture.length; n++) assert.throws(() => decodeOps(fixture.subarray(0, n)), Corrupt);
  });
  it('keeps the last word for each entry, whatever the order', () => {
    const events = [event('a', 1, set('/private/x', 'old')), event('b', 66, set('/private/x', 'new')), event('a', 65, set('/private/x', null)), event('c', 66, set('/private/x', 'newest')), event('a', 129, set('/private/y', 'z', null))];
    for (const order of [events, [...events].reverse(), [events[3], events[0], events[4], events[2], events[1]]]) {
      const state = folded(...order);
      assert.deepEqual(shown(state), ['/private/x=newest']);
      assert.deepEqual(shown(state, null), ['/private/y=z']);
      assert.equal(state.fingerprint(), folded(...events).fingerprint());
    }
    assert.deepEqual(shown(folded(event('b', 65, set('/private/x', null)), event('a', 1, set('/private/x', 'late')))), []);
  });
  it('counts what limits count', () => {
    assert.deepEqual(folded(event('a', 1, set('/private/x', '12345')), event('a', 65, set('/private/y', null))).metadataSize(), { entries: 2, bytes: 5 });
  });
  it('version 2 of a snapshot, frozen: one that was written once is read', () => {
    const { fingerprint, parts } = JSON.parse(readFileSync(new URL('../../fixtures/state/snapshot-v2.json', import.meta.url), 'utf8')) as { fingerprint: string; parts: Record<string, string> };
    const ids = Object.keys(parts);
    assert.equal(Buffer.from(parts.root, 'base64')[0], 2);
    const read = UserState.load(USER, [{ parts: ids.map((key) => ({ key, id: key })), covers: () => true }]);
    for (let need; (need = read.missing({ kind: 'everything' })).length > 0; ) for (const part of need) read.provide(part, Buffer.from(parts[part.key], 'base64'));
    assert.deepEqual([read.fingerprint(), shown(read), shown(read, null)], [fingerprint, ['/private/x=kept'], ['/private/z=own']]);
    const newer = Buffer.from(parts.root, 'base64');
    newer[0] = 3;
    const other = UserState.load(USER, [{ parts: ids.map((key) => ({ key, id: key })), covers: () => true }]);
    assert.throws(() => other.provide(other.missing({ kind: 'root' })[0], newer), { name: 'Corrupt', message: /newer version/ });
  });
  it('comes back from a snapshot, which is of version 2 then', () => {
    const state = folded(event('a', 1, set('/private/x', 'kept')), event('a', 65, set('/private/y', null)), event('a', 129, set('/private/z', 'own', null)));
    const { parts } = state.encode(null);
    assert.equal(parts[0].bytes[0], 2);
    assert.equal(new UserState(USER).encode(null).parts[0].bytes[0], 1);
    const again = UserState.load(USER, [{ parts: parts.map(({ key }) => ({ key, id: key })), covers: () => true }]);
    for (let need; (need = again.missing({ kind: 'everything' })).length > 0; ) for (const part of need) again.provide(part, parts.find(({ key }) => key === part.key)!.bytes);
    assert.deepEqual(shown(again), ['/private/x=kept']);
    assert.deepEqual(shown(again, null), ['/private/z=own']);
    assert.equal(again.fingerprint(), state.fingerprint());
    // A removal that was in the snapshot still wins over what comes late.
    again.apply(event('b', 2, set('/private/y', 'older')));
    assert.deepEqual(shown(again), ['/private/x=kept']);
  });
});
