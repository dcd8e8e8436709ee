import assert from 'node:assert/strict';
import { limits, seededRandom, silent, systemRandom } from '../../src/base/index.ts';
import { Presence, encodePresence } from '../../src/log/index.ts';
import { replicasOf } from '../../src/replicas.ts';
import { openNamed, sealNamed } from '../../src/seal/index.ts';
import { MemoryWorld, REPLICAS } from '../../src/store/index.ts';
import { WorldClock } from '../log/world.ts';
import { knownCluster } from '../seal/known.ts';
import { FakeSystem } from './fake-server.ts';

const NOTHING = Buffer.alloc(0);

describe('cli/replicas', () => {
  it('prints one line for each', async () => {
    const system = new FakeSystem();
    system.answers.replicas = [
      { id: 'aa', address: '192.0.2.1:1081', version: '1.2.3', slot: 7, sinceMs: Date.UTC(2026, 0, 2, 3, 4), lagMs: 12_400, state: 'here' },
      { id: 'bb', address: '', version: '1\x1b[2J', slot: 63, sinceMs: 0, lagMs: 7_200_000, state: 'silent' },
    ];
    const { out, status } = await system.run('replicas');
    assert.equal(status, 0);
    assert.equal(out, 'ID  ADDRESS         VERSION  SLOT  SINCE              SEEN       STATE\naa  192.0.2.1:1081  1.2.3       7  2026-01-02T03:04Z  12 s ago   here\nbb  -               1?[2J      63  1970-01-01T00:00Z  2.0 h ago  silent\n');
    system.answers.replicas = [];
    assert.equal((await system.run('replicas')).out, 'no replica\n');
  });

  it('finds every presence, tells the silent from the late, and passes over a forged one', async () => {
    const clock = new WorldClock();
    const world = new MemoryWorld(clock, seededRandom(5));
    const store = world.client();
    const keys = knownCluster();
    const presence = (address: string, seed: number) => new Presence({
      store, clock, random: seededRandom(seed), logger: silent, address, version: `v${seed}`,
      seal: (name, plain) => sealNamed(keys.directory[0], name, NOTHING, plain, systemRandom),
      open: (name, sealed) => openNamed(keys.directory, name, NOTHING, sealed),
    });
    const [a, b, c] = [presence('a:1', 1), presence('b:2', 2), presence('', 3)];
    for (const p of [a, b, c]) await p.join();
    const name = `${REPLICAS}dead`;
    await store.put(name, sealNamed(keys.directory[0], name, NOTHING, encodePresence({ slot: 9, address: 'd:4', version: 'v0', since: 5, left: false }), systemRandom));
    await store.put(`${REPLICAS}forged`, Buffer.from('x'.repeat(60)));
    const stores = { home: store, names: [null], place: 'here', bucket: () => store, close: async () => {} };
    const ask = (identity: Presence) => replicasOf({ stores, keys, identity, logger: silent });
    const states = async () => Object.fromEntries((await ask(a)).map((r) => [r.id, r.state]));
    const seen = await ask(a);
    assert.deepEqual(seen.map((r) => [r.id, r.address, r.version, r.slot, r.state]).sort(), [[a.id, 'a:1', 'v1', a.slot, 'here'], [b.id, 'b:2', 'v2', b.slot, 'alive'], [c.id, '', 'v3', c.slot, 'alive'], ['dead', 'd:4', 'v0', 9, 'alive']].sort());
    await clock.advance(limits.presence_valid_ms + 1);
    assert.deepEqual(await states(), { [a.id]: 'here', [b.id]: 'alive', [c.id]: 'alive', dead: 'late' });
    await clock.advance(limits.slot_free_ms);
    assert.equal((await states()).dead, 'silent');
    assert.equal((await ask(a)).at(-1)!.id, 'dead');
    await b.leave({ unanswered: true });
    assert.equal((await states())[b.id], 'left');
    // A command without a peer port doesn't show itself.
    assert.deepEqual((await ask(c)).map((r) => r.id).sort(), [a.id, b.id, 'dead'].sort());
    await Promise.all([a, c].map((p) => p.leave({ unanswered: false })));
  });
});
