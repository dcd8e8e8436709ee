import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Refused, Unavailable, limits, silent, systemClock } from '../../src/base/index.ts';
import type { ListPage, ObjectStore } from '../../src/store/index.ts';
import { Readiness, WebServer, counter } from '../../src/web/index.ts';

/** A store that answers a LIST as the test says. */
function fakeStore() {
  const fake = { lists: 0, answer: async (_signal?: AbortSignal): Promise<ListPage> => ({ objects: [], truncated: false, date: 0 }) };
  const store = { list: (o: { signal?: AbortSignal }) => (fake.lists++, fake.answer(o.signal)) } as unknown as ObjectStore;
  return { fake, store };
}

describe('web/server', () => {
  let server: WebServer;
  let readiness: Readiness;
  let url: string;
  let port: number;
  let mayWrite = true;
  const { fake, store } = fakeStore();
  let now = 0;
  const clock = { ...systemClock, monotonic: () => now };
  const get = async (path: string, init?: RequestInit) => {
    const r = await fetch(url + path, init);
    return { status: r.status, text: await r.text(), headers: r.headers };
  };

  beforeEach(async () => {
    mayWrite = true;
    fake.lists = 0;
    fake.answer = async () => ({ objects: [], truncated: false, date: 0 });
    readiness = new Readiness({ store, prefix: 'x/', clock, mayWrite: () => mayWrite });
    server = new WebServer({ readiness, numbers: () => [counter('n_total', 'n', 1)], logger: silent });
    port = await server.listen('127.0.0.1', 0);
    url = `http://127.0.0.1:${port}`;
  });
  afterEach(() => server.stop());

  it('has three pages, and no other', async () => {
    assert.deepEqual((await get('/health')).text, 'alive\n');
    const metrics = await get('/metrics?x=1');
    assert.equal(metrics.text, '# HELP n_total n\n# TYPE n_total counter\nn_total 1\n');
    assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal((await get('/')).status, 404);
    assert.equal((await get('/health/../x')).status, 404);
    const post = await get('/health', { method: 'POST', body: 'x'.repeat(100_000) });
    assert.equal(post.status, 405);
    assert.equal(post.headers.get('allow'), 'GET, HEAD');
    const head = await get('/metrics', { method: 'HEAD' });
    assert.deepEqual([head.status, head.text, head.headers.get('content-length')], [200, '', '50']);
  });

  it('is ready while the store answers, and asks it once a second at most', async () => {
    const many = await Promise.all(Array.from({ length: 20 }, () => get('/ready')));
    assert.ok(many.every((r) => r.status === 200 && r.text === 'ready\n'));
    assert.equal(fake.lists, 1);
    now += limits.ready_age_ms_max + 1;
    fake.answer = async () => Promise.reject(new Unavailable('no quorum'));
    const no = await get('/ready');
    assert.deepEqual([no.status, no.text], [503, 'the store: Unavailable: no quorum\n']);
    assert.equal(fake.lists, 2);
    assert.equal((await get('/health')).status, 200);
    fake.answer = async () => ({ objects: [], truncated: false, date: 0 });
    now += limits.ready_age_ms_max + 1;
    assert.equal((await get('/ready')).status, 200);
  });

  it('says no within two seconds when the store is silent, even to its signal', async () => {
    let cut = (): void => assert.fail('no time limit was set');
    const hurried = { ...clock, after: (ms: number, run: () => void) => (assert.equal(ms, limits.ready_ms_max), (cut = run), () => {}) };
    const slow = new Readiness({ store: { list: () => new Promise(() => {}) } as unknown as ObjectStore, prefix: 'x/', clock: hurried, mayWrite: () => true });
    const asked = slow.ask();
    cut();
    assert.deepEqual(await asked, { ready: false, why: 'the store: Unavailable: no answer in time' });
  });

  it('is not ready without a place among the replicas, nor while it leaves', async () => {
    mayWrite = false;
    assert.deepEqual([(await get('/ready')).status, fake.lists], [503, 0]);
    mayWrite = true;
    let answer = (): void => {};
    fake.answer = () => new Promise((resolve) => (answer = () => resolve({ objects: [], truncated: false, date: 0 })));
    const under = get('/ready');
    while (fake.lists === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    readiness.draining = true;
    answer();
    assert.equal((await under).text, 'draining\n');
    assert.equal((await get('/ready')).status, 503);
    assert.equal((await get('/health')).status, 200);
  });

  it('ends with open connections, and takes no port twice', async () => {
    await assert.rejects(server.listen('127.0.0.1', port), (e) => e instanceof Refused && /HTTP cannot listen on 127\.0\.0\.1 port \d+: another program has this port/.test(e.message));
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.write('GET /health HTTP/1.1\r\n');
    await server.stop();
    await closed;
  });

  it('refuses a header that is too large, and goes on', async () => {
    const r = await get('/health', { headers: { 'x-a': 'a'.repeat(limits.http_header_bytes_max) } });
    assert.equal(r.status, 431);
    assert.equal((await get('/health')).status, 200);
  });
});
