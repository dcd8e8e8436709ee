// What one pass of a collection leaves for the next: read for ever, and no release removes what a newer one has left.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { Corrupt, createLogger, limits, seededRandom } from '../../src/base/index.ts';
import { collect } from '../../src/log/index.ts';
import { decodeCandidates, encodeCandidates } from '../../src/log/collect.ts';
import { HOUR, ROOT, Stage } from './scene.ts';
import { toyAuthenticator } from './toy.ts';

const o = { root: ROOT, random: seededRandom(5), authenticator: toyAuthenticator };
const SINCE = new Map([[`${ROOT}log/0000000000000041-7k2m9q4x0v3bt-1`, 1_700_000_000_123], [`${ROOT}blobs/b1`, 1_700_000_086_400]]);

describe('lists of candidates', () => {
  it('version 1, frozen', () => {
    const [name, written] = encodeCandidates(o, SINCE);
    const file = new URL('../../fixtures/log/candidates-1.hex', import.meta.url);
    if (!existsSync(file)) assert.fail(`fixtures/log/candidates-1.hex is missing; what is written today: ${written.toString('hex')}`);
    const frozen = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex');
    assert.deepEqual([decodeCandidates(o, name, frozen), frozen], [SINCE, written]);
    for (let i = 0; i < frozen.length; i++) assert.throws(() => decodeCandidates(o, name, frozen.subarray(0, i)), Corrupt, `cut at ${i}`);
    frozen[0] = 2;
    assert.throws(() => decodeCandidates(o, name, frozen), { name: 'Corrupt', message: /newer version/ });
  });

  it('of a newer release: named, left alone, and collection goes on by its own', async () => {
    const s = new Stage();
    const a = await s.place().open();
    for (let i = 0; i < 10; i++) await a.append(`m${i}`);
    await s.clock.advance(3 * 60_000);
    await a.log.caughtUp();
    await a.snapshot();
    await s.clock.advance(2 * HOUR);
    const name = `${ROOT}candidates/newer`;
    const newer = Buffer.concat([Buffer.of(2), Buffer.alloc(40, 7)]);
    s.world.land(name, newer, true, null);
    const said: string[] = [];
    const pass = () => collect({ store: a.store, root: ROOT, random: s.world.random, logger: createLogger('warn', (line) => void said.push(line)), authenticator: toyAuthenticator, limits });
    assert.equal((await pass()).candidates, 9);
    await s.clock.advance(25 * HOUR);
    assert.equal((await pass()).deleted.length, 9);
    assert.match(said.join(''), /newer version/);
    assert.ok(s.world.objects.get(name)!.bytes.equals(newer));
    assert.equal(s.count('candidates/'), 1);
  });
});
