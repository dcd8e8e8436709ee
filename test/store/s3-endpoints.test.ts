import assert from 'node:assert/strict';
import { Malformed, createLogger, limits, seededRandom, systemClock } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { openStores } from '../../src/store/index.ts';
import type { Stores } from '../../src/store/index.ts';
import { fails, fakeS3, listing, never, object, ok, reset, xml } from './fake-s3.ts';
import type { FakeS3 } from './fake-s3.ts';

/** Monotonic time that the test moves; waits and time-outs pass fast. */
class TestClock implements Clock {
  ahead = 0;
  now = () => systemClock.now();
  monotonic = () => systemClock.monotonic() + this.ahead;
  sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 100, signal);
  after = (ms: number, run: () => void) => systemClock.after(ms / 20, run);
}

describe('s3 with several endpoints', () => {
  let near: FakeS3;
  let far: FakeS3;
  let stores: Stores;
  let clock: TestClock;
  let lines: string[];
  const s3 = (endpoint: string) => ({ store: 's3:bucket', s3: { endpoint, region: 'garage', accessKey: 'GKaccess', secretKey: 'secretkeysecret' } });
  beforeEach(async () => {
    [near, far] = [await fakeS3(), await fakeS3()];
    near.answers = [xml(listing([]))];
    lines = [];
    clock = new TestClock();
    stores = await openStores(s3(`${near.endpoint}, ${far.endpoint}`), clock, seededRandom(3), createLogger('debug', (line) => lines.push(line)));
    near.seen.length = far.seen.length = 0;
  });
  afterEach(async () => {
    await stores.close();
    await Promise.all([near.close(), far.close()]);
  });

  it('asks the first one alone while it answers', async () => {
    near.answers = [object('x')];
    for (let i = 0; i < 5; i++) await stores.home.get('a');
    assert.deepEqual([near.seen.length, far.seen.length], [5, 0]);
  });

  for (const [name, answer] of [['an error', fails(503, 'ServiceUnavailable')], ['a reset', reset], ['silence', never]] as const) {
    it(`sends to the second after ${name} of the first, with the same bytes`, async () => {
      near.answers = [answer];
      far.answers = [ok];
      await stores.home.put('a/b', Buffer.from('xyz'));
      assert.deepEqual(near.seen.map((s) => `${s.method} ${s.url} ${s.body}`), ['PUT /bucket/a/b xyz']);
      assert.deepEqual(far.seen.map((s) => `${s.method} ${s.url} ${s.body}`), ['PUT /bucket/a/b xyz']);
      assert.notEqual(near.seen[0].headers.host, far.seen[0].headers.host);
      assert.notEqual(near.seen[0].headers.authorization, far.seen[0].headers.authorization);
    });
  }

  it('leaves one alone after failures in a row, and tries it again with one request', async () => {
    near.answers = [fails(503)];
    far.answers = [object('x')];
    for (let i = 0; i < 20; i++) await stores.home.get('a');
    assert.equal(near.seen.length, limits.store_breaker_failures);
    assert.equal(lines.filter((line) => /left alone/.test(line)).length, 1);
    clock.ahead += limits.store_breaker_ms_min + 1;
    await Promise.all(Array.from({ length: 20 }, () => stores.home.get('a')));
    assert.equal(near.seen.length, limits.store_breaker_failures + 1, 'one tries it');
    await stores.home.get('a');
    assert.equal(near.seen.length, limits.store_breaker_failures + 1, 'and it is left alone for longer');
    near.answers = [object('x')];
    clock.ahead += limits.store_breaker_ms_max + 1;
    far.seen.length = 0;
    for (let i = 0; i < 5; i++) await stores.home.get('a');
    assert.deepEqual([near.seen.length, far.seen.length], [limits.store_breaker_failures + 6, 0]);
    assert.ok(lines.some((line) => /answers again/.test(line)));
  });

  it('a good answer in between closes the account of failures', async () => {
    far.answers = [object('x')];
    for (let i = 0; i < 3 * limits.store_breaker_failures; i++) {
      near.answers = [i % 3 === 0 ? object('x') : fails(500)];
      await stores.home.get('a');
    }
    assert.ok(!lines.some((line) => /left alone/.test(line)));
  });

  it('with none that answers every call is still sent, once, and recovers with the first good answer', async () => {
    near.answers = [fails(503)];
    far.answers = [fails(503)];
    for (let i = 0; i < 6; i++) await assert.rejects(stores.home.get('a'), { name: 'Unavailable' });
    assert.ok(near.seen.length + far.seen.length > 6, 'at first it is bridged');
    clock.ahead += limits.store_hopeless_ms + 1;
    near.seen.length = far.seen.length = 0;
    for (let i = 0; i < 10; i++) await assert.rejects(stores.home.get('a'), { name: 'Unavailable' });
    assert.equal(near.seen.length + far.seen.length, 10, 'no storm of resends');
    near.answers = far.answers = [object('x')];
    assert.equal((await stores.home.get('a'))!.bytes.toString(), 'x');
  });

  it('a moment without answers, met by many at once, fails nobody', async () => {
    let down = true;
    near.answers = far.answers = [(seen, response) => (down ? fails(503) : object('x'))(seen, response)];
    const all = Promise.all(Array.from({ length: 20 }, () => stores.home.get('a')));
    while (near.seen.length + far.seen.length < 20) await new Promise((resolve) => setImmediate(resolve));
    down = false;
    assert.equal((await all).length, 20);
  });

  it('a single one behaves likewise', async () => {
    far.answers = [xml(listing([]))];
    const one = await openStores(s3(far.endpoint), clock, seededRandom(3), createLogger('error', () => {})).catch(() => null);
    assert.ok(one);
    far.answers = [fails(503)];
    for (let i = 0; i < 3; i++) await assert.rejects(one.home.get('a'), { name: 'Unavailable' });
    clock.ahead += limits.store_hopeless_ms + 1;
    far.seen.length = 0;
    for (let i = 0; i < 10; i++) await assert.rejects(one.home.get('a'), { name: 'Unavailable' });
    assert.equal(far.seen.length, 10);
    far.answers = [object('x')];
    assert.equal((await one.home.get('a'))!.bytes.toString(), 'x');
    far.answers = [fails(503), object('y')];
    assert.equal((await one.home.get('a'))!.bytes.toString(), 'y', 'resends are back');
    await one.close();
  });

  it('while all are silent every call is sent once, and one that waits for longer finds out that it is over', async () => {
    near.answers = far.answers = [never];
    const unavailable = () => assert.rejects(stores.home.list({ prefix: '' }), { name: 'Unavailable' });
    await unavailable();
    clock.ahead += limits.store_hopeless_ms + 1;
    await unavailable();
    near.seen.length = far.seen.length = 0;
    await Promise.all([unavailable(), unavailable(), unavailable(), unavailable()]);
    assert.equal(near.seen.length + far.seen.length, 4, 'each is sent once');
    near.answers = far.answers = [(_, response) => void setTimeout(() => response.writeHead(200, { 'content-type': 'application/xml' }).end(listing([])), limits.store_hopeless_request_ms_max / 20 + 30)];
    clock.ahead += limits.store_breaker_ms_max + 1;
    assert.deepEqual((await stores.home.list({ prefix: '' })).objects, [], 'a slow answer ends it too');
    assert.deepEqual((await stores.home.list({ prefix: '' })).objects, []);
  });

  it('a refusal is an answer: the second one is not asked', async () => {
    near.answers = [fails(403, 'AccessDenied')];
    await assert.rejects(stores.home.get('a'), { name: 'Unavailable', message: /refuses: 403 AccessDenied/ });
    assert.equal(far.seen.length, 0);
  });

  it('each must be an endpoint', async () => {
    await assert.rejects(openStores(s3(`${near.endpoint},nonsense`), clock, seededRandom(3), createLogger('error', () => {})), Malformed);
  });
});
