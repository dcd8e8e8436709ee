// A neighbour that answers as rspamd does, and one that does not.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Malformed, limits, silent } from '../../src/base/index.ts';
import { Counts } from '../../src/verify/inbound/counts.ts';
import { Learner } from '../../src/verify/inbound/learner.ts';
import { parseAnswer } from '../../src/verify/inbound/rspamd.ts';
import { InboundWorld, head } from './inbound.ts';

interface Asked {
  path: string;
  headers: IncomingHttpHeaders;
  raw: string[];
  body: string;
}

const until = async (what: () => boolean) => {
  for (let i = 0; i < 500 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(what());
};

describe('verify/rspamd', () => {
  let server: Server;
  let url: string;
  let asked: Asked[];
  let answer: (q: Asked, response: ServerResponse) => void;
  const say = (body: unknown, status = 200) => {
    answer = (_, response) => {
      response.writeHead(status);
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
  };
  beforeEach(async () => {
    asked = [];
    say({ action: 'no action', score: 1.2, required_score: 15, symbols: { R_A: {}, R_B: {} } });
    server = createServer(async (request: IncomingMessage, response) => {
      let body = '';
      for await (const piece of request) body += piece.toString('latin1');
      const q = { path: request.url!, headers: request.headers, raw: request.rawHeaders, body };
      asked.push(q);
      answer(q, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const world = (more: { reject?: 'reject' | 'junk'; at?: string; password?: string } = {}, own: Parameters<typeof InboundWorld.open>[0] = {}) =>
    InboundWorld.open({ settings: { rspamd: { url: more.at ?? url, controllerUrl: more.at ?? url, password: more.password ?? null, reject: more.reject ?? 'reject' } }, ...own });
  const message = `${head('ann@bob.test')}\r\nHello.\r\n`;

  it('is given the message as it came, and who sent it', async () => {
    const w = await world({ password: 'pw' });
    const forged = `X-Spam-Flag: NO\r\n${message}`;
    const told = await w.send(forged, { recipients: ['a@here.test', 'b@here.test'] });
    assert.equal(told.stored, message);
    const [q] = asked;
    assert.equal(q.path, '/checkv2');
    assert.equal(q.body, forged);
    assert.deepEqual([q.headers.ip, q.headers.helo, q.headers.from, q.headers.hostname, q.headers.password, q.headers['mta-name']], ['192.0.2.1', 'mx.bob.test', 'ann@bob.test', 'mx.bob.test', 'pw', 'mx.here.test']);
    assert.deepEqual(q.raw.filter((_, i) => q.raw[i - 1] === 'Rcpt'), ['a@here.test', 'b@here.test']);
    assert.match(told.fields, /X-Spam-Status: No, score=1\.2 required=15 tests=R_A, R_B\r\n/);
    assert.equal(w.count('rspamd', 'accept'), 1);
  });

  it('is given large messages whole, though they are not held in memory', async () => {
    const w = await world({}, { keptBytesMax: 10_000 });
    const large = `${head('ann@bob.test')}\r\n${'0123456789abcdef\r\n'.repeat(50_000)}`;
    assert.equal((await w.send(large)).error, null);
    assert.ok(asked[0].body === large);
  });

  const verdicts: [string, 'reject' | 'junk', boolean, string | null][] = [
    ['no action', 'reject', false, null],
    ['add header', 'reject', true, null],
    ['rewrite subject', 'reject', true, null],
    ['greylist', 'reject', false, '451 4.7.1'],
    ['soft reject', 'reject', false, '451 4.7.1'],
    ['reject', 'reject', false, '550 5.7.1'],
    ['reject', 'junk', true, null],
    ['discard', 'reject', false, '550 5.7.1'],
  ];
  for (const [action, reject, junk, code] of verdicts) it(`${action} (${reject}) leads to ${code ?? (junk ? 'Junk' : 'INBOX')}`, async () => {
    say({ action, score: 9, required_score: 15, symbols: {}, messages: { smtp_message: 'because\r\n250 fine' } });
    const w = await world({ reject });
    const told = await w.send(message);
    assert.deepEqual([told.junk, told.error?.smtp ?? null], [junk, code]);
    if (told.error) assert.equal(told.error.message, 'because 250 fine');
    if (junk) assert.match(told.fields, /X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=9 required=15 tests=none\r\n/);
  });

  const own: [string, number, number | null, number | null, string][] = [
    ['no action', 4, 40, null, 'Junk'],
    ['no action', 3.99, 40, null, 'INBOX'],
    ['add header', 7, 100, null, 'INBOX'],
    ['add header', 7, null, 70, '550 5.7.1'],
    ['no action', 1, null, 70, 'INBOX'],
    ['reject', 20, 100, null, '550 5.7.1'],
    ['reject', 20, null, 250, 'Junk'],
    ['reject', 20, 210, 250, 'INBOX'],
    ['no action', 9, 50, 90, '550 5.7.1'],
    ['greylist', 0, 50, 90, '451 4.7.1'],
  ];
  for (const [action, score, junk, reject, becomes] of own) it(`${action} at ${score} for who wants Junk from ${junk ?? '-'} and nothing from ${reject ?? '-'} tenths on: ${becomes}`, async () => {
    say({ action, score, required_score: 15, symbols: {} });
    const w = await world({}, { scoresOf: () => ({ junk, reject }) });
    const told = await w.send(message);
    assert.equal(told.error?.smtp ?? (told.junk ? 'Junk' : 'INBOX'), becomes);
    if (junk !== null && told.error === null) assert.ok(told.fields.includes(`required=${junk / 10} `));
  });

  it('judges a message once: who has other scores gets it alone', async () => {
    say({ action: 'no action', score: 5, required_score: 15, symbols: {} });
    const strict = { junk: 40, reject: null };
    const w = await world({}, { scoresOf: (address) => (/^strict/.test(address) ? strict : null) });
    const to = async (...recipients: string[]) => {
      const { error, junk } = await w.send(message, { recipients });
      return error?.smtp ?? junk;
    };
    assert.deepEqual([await to('a@here.test', 'strict@here.test'), await to('strict@here.test', 'a@here.test')], ['452 4.5.3', '452 4.5.3']);
    assert.deepEqual([await to('strict@here.test', 'strict2@here.test'), await to('a@here.test', 'b@here.test')], [true, false]);
    const visit = w.visit();
    visit.mail();
    await visit.recipient('ann@bob.test', 'a@here.test', 'mx.bob.test');
    await assert.rejects(visit.recipient('ann@bob.test', 'strict@here.test', 'mx.bob.test'), /alone/);
    await visit.recipient('ann@bob.test', 'b@here.test', 'mx.bob.test');
    visit.mail();
    await visit.recipient('ann@bob.test', 'strict@here.test', 'mx.bob.test');
    visit.close();
  });

  it('is not there: mail is taken, marked, counted, and soon no longer held up', async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const w = await world();
    for (let i = 0; i < 5; i++) {
      const told = await w.send(message);
      assert.deepEqual([told.error, told.junk], [null, false]);
      assert.match(told.fields, /X-Spam-Status: unchecked \(rspamd does not answer\)\r\n/);
    }
    assert.equal(w.count('rspamd', 'away'), 5);
  });

  it('fails: the same', async () => {
    for (const bad of [() => say('no json'), () => say({ action: 'new action' }), () => say({}, 500), () => say('[]'), () => say(`"${'x'.repeat(3 << 20)}"`), () => (answer = (_, r) => r.destroy()), () => (answer = () => {})]) {
      bad();
      const w = await world({}, { limits: { rspamd_ms_max: 1000 } });
      const told = await w.send(message);
      assert.deepEqual([told.error, told.junk], [null, false]);
      assert.match(told.fields, /unchecked/);
    }
  });

  it('is left alone for a while after failures in a row', async () => {
    say({}, 500);
    const w = await world();
    for (let i = 0; i < 6; i++) await w.send(message);
    assert.equal(asked.length, limits.rspamd_breaker_failures);
  });

  it('gives answers that are read as they are', () => {
    assert.deepEqual(parseAnswer('{"action":"reject","score":1e999,"required_score":"x","symbols":null}'), { verdict: 'reject', score: 0, required: 0, symbols: [], text: null });
    for (const bad of ['', 'null', '1', '{"action":"__proto__"}', '{"action":"constructor"}']) assert.throws(() => parseAnswer(bad), Malformed, bad);
  });

  it('learns, one after the other, in a bounded line', async () => {
    const w = await world({ password: 'pw' });
    say({ success: true });
    w.inbound.learn!('spam', async () => Buffer.from('one'));
    w.inbound.learn!('ham', async () => Buffer.from('two'));
    w.inbound.learn!('ham', async () => null);
    w.inbound.learn!('ham', () => Promise.reject(new Error('gone')));
    await until(() => w.count('learn', 'failed') === 1);
    assert.deepEqual(asked.map((q) => [q.path, q.body, q.headers.password]), [['/learnspam', 'one', 'pw'], ['/learnham', 'two', 'pw']]);
    assert.deepEqual([w.count('learn', 'spam'), w.count('learn', 'ham'), w.count('learn', 'dropped')], [1, 1, 1]);

    const counts = new Counts();
    let read = 0;
    const learner = new Learner({ learn: () => new Promise(() => {}) }, counts, silent);
    for (let i = 0; i < limits.learn_waiting_max + 10; i++) learner.learn('spam', async () => (read++, Buffer.from('x')));
    await until(() => read === 1);
    assert.equal(counts.get('learn', 'dropped'), 9);
    learner.stop();
    learner.learn('spam', async () => Buffer.from('x'));
    assert.equal(counts.get('learn', 'dropped'), 10);
  });
});
