import assert from 'node:assert/strict';
import { Refused, systemClock, systemRandom } from '../../src/base/index.ts';
import { MemoryWorld, openStores } from '../../src/store/index.ts';
import type { ObjectStore, Stores } from '../../src/store/index.ts';
import { silent } from '../../src/base/index.ts';
import { StoreRequests } from '../../src/web/index.ts';
import { write } from '../../src/web/exposition.ts';
import { readNumbers } from './numbers.ts';

describe('web/store-requests', () => {
  it('counts by kind and result, and changes no answer', async () => {
    const requests = new StoreRequests(systemClock);
    const stores = requests.measure(await openStores({ store: 'memory:' }, systemClock, systemRandom, silent));
    assert.equal(stores.bucket(null), stores.home);
    assert.throws(() => stores.bucket('other'), Refused);
    const { home } = stores;
    await home.put('users/a/blobs/1', [Buffer.from('ab'), Buffer.from('c')]);
    await home.putStream('users/a/blobs/2', 2, async function* () {
      yield Buffer.from('de');
    });
    await home.confirm('users/a/blobs/1', Buffer.from('abc'), 5);
    assert.equal((await home.get('users/a/blobs/1'))!.bytes.toString(), 'abc');
    assert.equal((await home.get('users/a/blobs/1', { from: 1, to: 2 }))!.bytes.toString(), 'b');
    assert.equal(await home.get('users/a/blobs/3'), null);
    assert.deepEqual((await home.list({ prefix: 'users/' })).objects.map((o) => o.name), ['users/a/blobs/1', 'users/a/blobs/2']);
    await home.delete('users/a/blobs/1');
    const { values } = readNumbers(write(requests.families()));
    assert.equal(values.get('colombier_store_requests_total{kind="put",result="ok"}'), 3);
    assert.equal(values.get('colombier_store_requests_total{kind="get",result="ok"}'), 3);
    assert.equal(values.get('colombier_store_requests_total{kind="list",result="ok"}'), 1);
    assert.equal(values.get('colombier_store_requests_total{kind="delete",result="ok"}'), 1);
    assert.equal(values.get('colombier_store_bytes_total{direction="out"}'), 8);
    assert.equal(values.get('colombier_store_bytes_total{direction="in"}'), 4);
    assert.equal(values.get('colombier_store_request_seconds_count{kind="put"}'), 3);
    assert.equal(values.get('colombier_store_requests_open'), 0);
    assert.equal(values.get('colombier_store_sends_total{kind="get"}'), home.counts.get);
    await stores.close();
  });

  it('counts what the store does not answer, and lets the caller have the error', async () => {
    let fail = (_: Error): void => {};
    const inner = { ...new MemoryWorld(systemClock, systemRandom).client(), counts: { put: 0, get: 0, list: 0, delete: 0 }, get: () => new Promise<null>((_, reject) => (fail = reject)) } as unknown as ObjectStore;
    const stores: Stores = { home: inner, names: [null], place: 'here', bucket: () => inner, close: async () => {} };
    let now = 0;
    const requests = new StoreRequests({ ...systemClock, monotonic: () => now });
    const { Unavailable } = await import('../../src/base/index.ts');
    const asked = requests.measure(stores).home.get('x/y');
    now = 2000;
    assert.equal(readNumbers(write(requests.families())).values.get('colombier_store_requests_open'), 1);
    fail(new Unavailable('away'));
    await assert.rejects(asked, Unavailable);
    const { values } = readNumbers(write(requests.families()));
    assert.equal(values.get('colombier_store_requests_total{kind="get",result="unavailable"}'), 1);
    assert.equal(values.get('colombier_store_request_seconds_sum{kind="get"}'), 2);
    assert.equal(values.get('colombier_store_request_seconds_bucket{kind="get",le="1"}'), 0);
    assert.equal(values.get('colombier_store_request_seconds_bucket{kind="get",le="2.5"}'), 1);
  });
});
