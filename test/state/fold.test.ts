import assert from 'node:assert/strict';
import { causalOrder, FORGET, folded, history, Parts, rand, USER } from './history.ts';
import type { Written } from './history.ts';
import { UserState } from '../../src/state/index.ts';
import type { StateMutations } from '../../src/state/index.ts';

const same = (a: UserState, b: UserState, what: string) => {
  if (a.fingerprint() !== b.fingerprint()) assert.deepEqual(b.describe(), a.describe(), what);
};

/** Snapshot + tail against the full fold, by one random plan. */
function snapshotRun(seed: number, mutations?: StateMutations): void {
  const r = rand(seed);
  const events = history(r, 40);
  const full = folded(events);
  const parts = new Parts();
  const old = events.filter((e) => e.at < FORGET);
  const forget = (state: UserState) => state.forgetExpunged(FORGET);
  const cut = (): { state: UserState; have: Set<Written> } => {
    const order = causalOrder(r, events);
    const have = new Set(order.slice(0, r.below(events.length + 1)));
    return { state: folded(order.slice(0, have.size), mutations), have };
  };
  // One to three snapshots, each by a replica that may itself have come from a snapshot.
  const manifests = Array.from({ length: 1 + r.below(3) }, () => {
    const { state, have } = cut();
    if (old.every((e) => have.has(e)) && r.unit() < 0.7) forget(state);
    const manifest = parts.snapshot(state, have);
    if (r.unit() < 0.5) return { manifest, have };
    const next = UserState.load(USER, [manifest], { mutations });
    parts.fetch(next, { kind: 'root' });
    for (const e of causalOrder(r, events, have).slice(0, r.below(6))) {
      next.apply(e);
      have.add(e);
    }
    return { manifest: parts.snapshot(next, have), have };
  });
  const state = UserState.load(USER, manifests.map((m) => m.manifest), { mutations });
  parts.fetch(state, { kind: 'root' });
  const have = new Set(manifests.flatMap((m) => [...m.have]));
  for (const e of causalOrder(r, events, have)) {
    state.apply(e);
    if (r.unit() < 0.1) parts.fetch(state, { kind: 'rows', mailbox: r.pick(state.mailboxes()).id });
  }
  parts.fetch(state, { kind: 'everything' });
  forget(full);
  forget(state);
  same(full, state, `seed ${seed}`);
}

describe('state: fold', () => {
  it('same events, any causal order, once or twice: same state', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const r = rand(seed);
      const events = history(r, 40);
      const full = folded(events);
      const order = causalOrder(r, events);
      const other = folded([]);
      for (const e of [...order, ...order.filter(() => r.unit() < 0.3)]) {
        other.apply(e);
        other.mailboxes();
      }
      same(full, other, `seed ${seed}`);
      assert.deepEqual(other.mailboxes(), full.mailboxes());
    }
  });
  it('snapshot + tail = full fold, with one or several snapshots', () => {
    for (let seed = 1; seed <= 250; seed++) snapshotRun(seed);
  });
  it('fails when a join does not ask for covers', () => {
    assert.throws(() => {
      for (let seed = 1; seed <= 250; seed++) snapshotRun(seed, { noCoversInJoin: true });
    }, assert.AssertionError);
  });
});
