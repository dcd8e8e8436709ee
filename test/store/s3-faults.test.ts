import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { generate } from 'selfsigned';
import { Corrupt, Malformed, Unavailable, createLogger, limits, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { openStores } from '../../src/store/index.ts';
import type { ObjectStore, Stores } from '../../src/store/index.ts';
import { cut, fails, fakeS3, listing, never, object, ok, reset, xml } from './fake-s3.ts';
import type { Answerer, FakeS3 } from './fake-s3.ts';

const SECRET = 'verysecretsecretkey';
const ACCESS = 'GKaccess';
// Waits pass a hundred times as fast, time-outs twenty times: a busy machine must not meet one by chance.
const quick: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 100, signal), after: (ms, run) => systemClock.after(ms / 20, run) };

describe('s3 with a server that misbehaves', () => {
  let fake: FakeS3;
  let stores: Stores;
  let store: ObjectStore;
  const lines: string[] = [];
  const settings = () => ({ store: 's3:bucket', s3: { endpoint: fake.endpoint, region: 'garage', accessKey: ACCESS, secretKey: SECRET } });
  beforeEach(async () => {
    fake = await fakeS3();
    fake.answers = [xml(listing([]))];
    lines.length = 0;
    stores = await openStores(settings(), quick, seededRandom(5), createLogger('debug', (line) => lines.push(line)));
    store = stores.home;
    fake.seen.length = 0;
  });
  afterEach(async () => {
    await stores.close();
    await fake.close();
    for (const line of lines) assert.ok(!line.includes(SECRET) && !line.includes(ACCESS), line);
  });
  const told = (...answers: Answerer[]) => (fake.answers = answers);

  it('sends a PUT again after 5xx, a reset and silence, with the same bytes', async () => {
    told(fails(503, 'ServiceUnavailable'), reset, never, ok);
    await store.put('a/b', [Buffer.from('12'), Buffer.from('3')]);
    assert.deepEqual(fake.seen.map((s) => `${s.method} ${s.url} ${s.body}`), Array(4).fill('PUT /bucket/a/b 123'));
    assert.equal(store.counts.put, 4);
  });

  it('gives up after so many sends, and says why', async () => {
    told(fails(500, 'InternalError', `quorum &lt;${ACCESS}&gt;`));
    await assert.rejects(store.put('a', Buffer.from('x')), { name: 'Unavailable', message: /500 InternalError quorum <…>/ });
    assert.equal(fake.seen.length, limits.store_attempts_max);
  });

  it('calls the source of a stream again for each send', async () => {
    let calls = 0;
    told(fails(500), reset, ok);
    await store.putStream('a', 6, async function* () {
      calls++;
      yield Buffer.from('abc');
      yield Buffer.from('def');
    });
    assert.equal(calls, 3);
    assert.equal(fake.seen.at(-1)!.body.toString(), 'abcdef');
    assert.equal(fake.seen.at(-1)!.headers['content-length'], '6');
  });

  it('lets a failure of the source pass, and sends no more', async () => {
    told(ok);
    let calls = 0;
    const source = async function* () {
      calls++;
      yield Buffer.from('abc');
      throw new Corrupt('the spool is damaged');
    };
    await assert.rejects(store.putStream('a', 6, source), { name: 'Corrupt', message: 'the spool is damaged' });
    assert.equal(calls, 1);
  });

  it('reads an answer again that was cut off', async () => {
    told(cut, object('whole'));
    assert.equal((await store.get('a'))!.bytes.toString(), 'whole');
    assert.equal(fake.seen.length, 2);
    told(cut);
    await assert.rejects(store.get('a'), Unavailable);
  });

  it('takes an answer without its length, and ends one that never ends', async () => {
    told((_, response) => {
      response.writeHead(200, { 'last-modified': new Date().toUTCString() });
      response.write('in ');
      response.end('chunks');
    });
    assert.equal((await store.get('a'))!.bytes.toString(), 'in chunks');
    const most = limits.object_bytes_max;
    limits.object_bytes_max = 1000;
    try {
      told((_, response) => {
        response.writeHead(200, { 'last-modified': new Date().toUTCString() });
        const more = () => response.write(Buffer.alloc(500)) || true;
        const timer = setInterval(more, 1);
        response.on('close', () => clearInterval(timer));
      });
      await assert.rejects(store.get('a'), Corrupt);
      told(object('x'.repeat(1001)));
      await assert.rejects(store.get('a'), Corrupt);
    } finally {
      limits.object_bytes_max = most;
    }
  });

  it('ends when its caller gives up, at once', async () => {
    told(never);
    const ended = new AbortController();
    const list = store.list({ prefix: '', signal: ended.signal });
    setTimeout(() => ended.abort(), 10);
    await assert.rejects(list, { name: 'Unavailable', message: /given up/ });
    assert.equal(fake.seen.length, 1);
  });

  it('reads a LIST with entities, and a second page', async () => {
    told(xml(listing(['a/1', 'a/2'], true)));
    const page = await store.list({ prefix: 'a/', startAfter: 'a/0', maxKeys: 2 });
    assert.deepEqual(page.objects[0], { name: 'a/1', bytes: 12, modified: Date.parse('2026-01-02T03:04:05.678Z') });
    assert.equal(page.truncated, true);
    assert.equal(fake.seen[0].url, '/bucket?list-type=2&max-keys=2&prefix=a%2F&start-after=a%2F0');
    told(xml(listing(['a&#47;&#x31;'])));
    assert.equal((await store.list({ prefix: 'a/' })).objects[0].name, 'a/1');
  });

  const good = listing(['a/1', 'a/2']);
  const wrong: Record<string, string> = {
    nothing: '',
    'half of it': good.slice(0, good.length / 2),
    'no end': good.replace('</ListBucketResult>', ''),
    'rows in disorder': listing(['a/2', 'a/1']),
    'a row twice': listing(['a/1', 'a/1']),
    'rows of another prefix': listing(['b/1']),
    'more rows than asked': listing(['a/1', 'a/2', 'a/3']),
    'an empty page with more': listing([], true),
    'no size': good.replace('<Size>12</Size>', ''),
    'a size that is none': good.replace('<Size>12', '<Size>-1'),
    'an age that is none': good.replace('2026-01-02T03:04:05.678Z', 'yesterday'),
    'no end said': good.replace(/<IsTruncated>.*<\/IsTruncated>/, ''),
    'tags that cross': good.replace('</Key>', '</Kay>'),
    'an entity of its own': good.replace('a/1', '&boom;'),
    'a DTD': good.replace('?>', '?><!DOCTYPE a [<!ENTITY boom "boom">]>'),
    'two roots': `${good}<a></a>`,
    'text behind': `${good}x`,
    'deep nesting': good.replace('<Name>b', `<Name>${'<a>'.repeat(1000)}`),
    html: '<html><body>It works!</body></html>',
    json: '{}',
  };
  for (const [what, answer] of Object.entries(wrong)) {
    it(`asks again when a LIST is ${what}`, async () => {
      told(xml(answer), xml(good));
      assert.deepEqual((await store.list({ prefix: 'a/', maxKeys: 2 })).objects.map((o) => o.name), ['a/1', 'a/2']);
      assert.equal(fake.seen.length, 2);
    });
  }

  const ranges: Record<string, [status: number, range: string | null, body: string]> = {
    'of other bytes': [206, 'bytes 0-4/50', 'abcde'],
    'that begins later': [206, 'bytes 11-14/50', 'bcde'],
    'that ends sooner': [206, 'bytes 10-13/50', 'abcd'],
    'of more than was asked for': [206, 'bytes 10-15/50', 'abcdef'],
    'with fewer bytes than it says': [206, 'bytes 10-14/50', 'abcd'],
    'with more bytes than it says': [206, 'bytes 10-14/50', 'abcdef'],
    'of an object that ends before it': [206, 'bytes 10-14/12', 'abcde'],
    'of which the size is not known': [206, 'bytes 10-14/*', 'abcde'],
    'without saying which': [206, null, 'abcde'],
    'that is the whole object': [200, null, 'x'.repeat(50)],
  };
  for (const [what, [status, range, body]] of Object.entries(ranges)) {
    it(`asks again when a GET brings a range ${what}`, async () => {
      const answer = (code: number, contentRange: string | null, text: string): Answerer => (_, response) =>
        response.writeHead(code, { 'content-length': String(text.length), 'last-modified': new Date().toUTCString(), ...(contentRange && { 'content-range': contentRange }) }).end(text);
      told(answer(status, range, body), answer(206, 'bytes 10-14/50', 'right'));
      const { bytes, size } = (await store.get('a', { from: 10, to: 15 }))!;
      assert.deepEqual([bytes.toString(), size, fake.seen.length], ['right', 50, 2]);
      assert.equal(fake.seen[0].headers.range, 'bytes=10-14');
      // A whole object is no part of one.
      told(answer(206, 'bytes 0-3/50', 'part'), object('whole'));
      assert.equal((await store.get('a'))!.bytes.toString(), 'whole');
      // Beyond the end there is less, and that is right.
      told(answer(206, 'bytes 10-12/13', 'end'));
      assert.equal((await store.get('a', { from: 10, to: 15 }))!.bytes.toString(), 'end');
    });
  }

  it('takes a PUT for stored only when the answer is that of a store', async () => {
    const page: Answerer = (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>log in to this network first</body></html>');
    const error: Answerer = (_, response) => response.writeHead(200, { etag: '"x"' }).end('<Error><Code>InternalError</Code></Error>');
    told(page, error, (_, response) => response.end(), ok);
    await store.put('a', Buffer.from('x'));
    assert.equal(fake.seen.length, 4);
    told(page);
    await assert.rejects(store.put('a', Buffer.from('x')), Unavailable);
  });

  it('a redirect is a refusal: what was signed for one server is for no other', async () => {
    const elsewhere: Answerer = (_, response) => response.writeHead(301, { location: `${fake.endpoint}/other` }).end();
    for (const call of [() => store.put('a', Buffer.from('x')), () => store.get('a'), () => store.list({ prefix: '' }), () => store.delete('a')]) {
      fake.seen.length = 0;
      told(elsewhere);
      await assert.rejects(call(), { name: 'Unavailable', message: /the S3 store refuses: 301/ });
      assert.equal(fake.seen.length, 1);
    }
  });

  it('a connection that is closed when the next request is on it: sent again, on another', async () => {
    const closing: Answerer = (_, response) => response.socket!.destroy();
    for (let i = 0; i < 5; i++) {
      fake.seen.length = 0;
      told(ok, closing, ok);
      await store.put('a', Buffer.from('x'));
      await store.put('b', Buffer.from('y'));
      assert.deepEqual(fake.seen.map((s) => `${s.url} ${s.body}`), ['/bucket/a x', '/bucket/b y', '/bucket/b y']);
    }
  });

  it('says plainly that keys, bucket or path are wrong, and does not ask again', async () => {
    told(fails(403, 'AccessDenied', `Forbidden: No such key: ${ACCESS}`));
    await assert.rejects(store.get('a'), { name: 'Unavailable', message: 'the S3 store refuses: 403 AccessDenied Forbidden: No such key: …' });
    told(fails(404, 'NoSuchBucket'));
    await assert.rejects(store.get('a'), { name: 'Unavailable', message: /no bucket "bucket"/ });
    await assert.rejects(store.list({ prefix: '' }), { name: 'Unavailable', message: /no bucket "bucket"/ });
    await assert.rejects(store.put('a', Buffer.from('x')), { name: 'Unavailable', message: /no bucket "bucket"/ });
    assert.equal(fake.seen.length, 4);
    await assert.rejects(openStores(settings(), quick, seededRandom(1), silent), { name: 'Unavailable', message: /no bucket "bucket"/ });
  });

  it('takes a 404 for a missing object only when it says so', async () => {
    told(fails(404, 'NoSuchKey'));
    assert.equal(await store.get('a'), null);
    await store.delete('a');
    assert.equal(fake.seen.length, 2);
    told((_, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>no site here</h1>'));
    await assert.rejects(store.get('a'), Unavailable);
  });

  it("takes the server's time when our clock is wrong", async () => {
    const far = Date.now() + 3 * 86_400_000;
    const skewed: Answerer = (seen, response) => {
      const stamp = String(seen.headers['x-amz-date']).replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z');
      response.setHeader('date', new Date(far).toUTCString());
      if (Math.abs(Date.parse(stamp) - far) > 900_000) return fails(403, 'RequestTimeTooSkewed')(seen, response);
      ok(seen, response);
    };
    told(skewed);
    const { date } = await store.put('a', Buffer.from('x'));
    assert.ok(Math.abs(date - far) < 2000);
    assert.equal(fake.seen.length, 2);
    await store.put('b', Buffer.from('x'));
    assert.equal(fake.seen.length, 3);
    assert.ok(lines.some((line) => line.includes('clock differs')));
  });

  it('asks no more than a share of its requests again when most fail', async () => {
    const calls = 3 * limits.store_retries_saved_max;
    let good = 0;
    let n = 0;
    told((seen, response) => (++n % limits.store_breaker_failures === 0 ? object('x') : fails(500))(seen, response));
    for (let i = 0; i < calls; i++) await store.get('a').then(() => good++, (e) => assert.ok(e instanceof Unavailable));
    const again = fake.seen.length - calls;
    assert.ok(again > limits.store_retries_saved_max - limits.store_attempts_max && again <= limits.store_retries_saved_max + good / 10, `${again} with ${good} good answers`);
  });

  it('speaks HTTPS, and to a server with a known certificate only', async () => {
    const made = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048, algorithm: 'sha256', extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }] });
    const server = createServer({ key: made.private, cert: made.cert }, (_, response) => response.end(listing(['a/1'])));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const secure = { ...settings(), s3: { ...settings().s3, endpoint: `https://localhost:${(server.address() as AddressInfo).port}` } };
    const list = async () => {
      const { home, close } = await openStores(secure, quick, seededRandom(1), silent);
      return home.list({ prefix: '' }).finally(close);
    };
    const known = getCACertificates('default');
    try {
      await assert.rejects(list(), { name: 'Unavailable', message: /certificate/ });
      setDefaultCACertificates([...known, made.cert]);
      assert.equal((await list()).objects.length, 1);
    } finally {
      setDefaultCACertificates(known);
      server.close();
      server.closeAllConnections();
    }
  });

  it('nudges a server that keeps a body back, and never again one that takes offence', async () => {
    // Bare sockets: what comes between the requests is what counts.
    const heard: string[] = [];
    let strict = false;
    const server = createTcpServer((socket) => {
      socket.setNoDelay(true).on('error', () => {});
      let text = '';
      let answered = 0;
      socket.on('data', (piece) => {
        text += piece.toString('latin1');
        if (strict && text.startsWith('\r\n') && text.length > 2) {
          heard.push('offended');
          return socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        }
        if (text === '\r\n') {
          heard.push('nudge');
          // The body of the answer before was kept back for it.
          if (!strict) text = '';
        }
        if (!text.endsWith('\r\n\r\n')) return;
        text = '';
        heard.push('request');
        const n = answered++;
        socket.write(`HTTP/1.1 200 OK\r\nLast-Modified: ${new Date().toUTCString()}\r\nContent-Length: 4\r\n\r\n`);
        setTimeout(() => socket.write(`no ${n}`), 20);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bare = { ...settings(), s3: { ...settings().s3, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } };
    try {
      for (const isStrict of [false, true]) {
        strict = isStrict;
        const { home, close } = await openStores(bare, { ...quick, after: (ms, run) => systemClock.after(ms, run) }, seededRandom(1), silent);
        // The start has sent a LIST already.
        if (!strict) heard.length = 0;
        for (let i = 0; i < 3; i++) assert.match((await home.get('a'))!.bytes.toString(), /^no \d$/);
        await close();
        if (strict) assert.deepEqual(heard.filter((what) => what !== 'request'), ['nudge', 'offended']);
        else assert.deepEqual(heard, ['request', 'nudge', 'request', 'nudge', 'request', 'nudge']);
        heard.length = 0;
      }
    } finally {
      server.close();
    }
  });

  it('starts while the server is away, and works when it is back', async () => {
    told(fails(503));
    const early = await openStores(settings(), quick, seededRandom(1), silent);
    told(ok);
    await early.home.put('a', Buffer.from('x'));
    await early.close();
  });

  it('refuses settings that cannot work', async () => {
    for (const wrong of [{ store: 's3:bucket' }, { ...settings(), store: 's3:' }, { ...settings(), store: 's3:a/../b' }, { ...settings(), store: 's3:one,one' }, { store: 'disk:' }, { store: 'ftp:x' }, { store: '' }, { ...settings(), s3: { ...settings().s3, endpoint: 'garage:3900' } }, { ...settings(), s3: { ...settings().s3, endpoint: 'http://user:pw@h' } }, { ...settings(), s3: { ...settings().s3, secretKey: '' } }]) {
      await assert.rejects(openStores(wrong, quick, seededRandom(1), silent), (e: Error) => e instanceof Malformed && !e.message.includes(SECRET), JSON.stringify(wrong));
    }
  });
});
