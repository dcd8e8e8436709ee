// The HTTP port of a whole replica, and the board that is drawn from its numbers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Site, until } from '../real/site.ts';
import { freePorts } from '../ports.ts';
import type { Person, Replica } from '../real/site.ts';
import { readNumbers } from './numbers.ts';
import type { Numbers } from './numbers.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every expression of the board. */
function expressions(): string[] {
  const found: string[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if ((key === 'expr' || key === 'query') && typeof inner === 'string' && inner.includes('_')) found.push(inner);
      walk(inner);
    }
  };
  walk(JSON.parse(readFileSync(join(root, 'deploy/grafana.json'), 'utf8')));
  return found;
}

/** What an expression names: words with an underscore that stand before `{` or `,` or an operator; no label, no function. */
function named(expression: string): string[] {
  const plain = expression.replace(/\[[^\]]*\]/g, '').replace(/\{[^}]*\}/g, '{}').replace(/\b(by|ignoring|on|without) \([^)]*\)/g, '');
  return [...plain.matchAll(/\b(?!label_values\b|histogram_quantile\b|clamp_min\b)[a-z]+(?:_[a-z]+)+\b/g)].map((m) => m[0]);
}

describe('web/replica', () => {
  let site: Site;
  let replica: Replica;
  let http: string;
  let ann: Person;
  const numbers = async (): Promise<Numbers> => readNumbers(await (await fetch(`${http}/metrics`)).text());

  before(async function () {
    this.timeout(30_000);
    site = new Site();
    ({ ann } = await site.people('ann'));
    const [port] = await freePorts(1);
    http = `http://127.0.0.1:${port}`;
    replica = await site.start({ COLOMBIER_HTTP_PORT: String(port) });
  });
  after(() => site.end());

  it('counts deliveries, commands, connections and requests to the store', async function () {
    this.timeout(20_000);
    const before = await numbers();
    assert.deepEqual([before.values.get('colombier_deliveries_total{result="accepted"}'), before.values.get('colombier_connections{protocol="imap"}')], [0, 0]);
    const sender = await replica.sender('lmtp');
    await sender.stored(ann.address, Buffer.from('Subject: one\r\n\r\ntext\r\n'));
    const after = await numbers();
    assert.equal(after.values.get('colombier_deliveries_total{result="accepted"}'), 1);
    assert.equal(after.values.get('colombier_connections{protocol="lmtp"}'), 1);
    assert.ok(after.values.get('colombier_store_requests_total{kind="put",result="ok"}')! >= before.values.get('colombier_store_requests_total{kind="put",result="ok"}')! + 2);
    assert.ok(after.values.get('colombier_logs')! >= 1);
    assert.ok(after.values.get('process_resident_memory_bytes')! > 1e7);
    sender.close();
  });

  it('tells IMAP answers by result', async function () {
    this.timeout(20_000);
    const before = (await numbers()).values;
    const client = await replica.client();
    await client.command('CAPABILITY');
    await client.command('LOGIN nobody wrong');
    await client.command('FETCH 1 FLAGS');
    const after = (await numbers()).values;
    const more = (result: string) => after.get(`colombier_imap_commands_total{result="${result}"}`)! - before.get(`colombier_imap_commands_total{result="${result}"}`)!;
    assert.deepEqual([more('ok'), more('no'), more('bad')], [1, 1, 1]);
    client.close();
  });

  it('has every number that the board names, and the board names most numbers', async () => {
    const { names, types } = await numbers();
    const all = expressions();
    assert.ok(all.length > 25);
    for (const expression of all) {
      assert.ok(named(expression).length > 0, `names nothing: ${expression}`);
      assert.deepEqual(named(expression).filter((name) => !names.has(name)), [], expression);
    }
    const shown = new Set(all.flatMap(named).map((name) => name.replace(/_bucket$/, '')));
    assert.deepEqual([...types.keys()].filter((name) => !shown.has(name)), []);
    assert.deepEqual(named('sum by (a_b) (rate(x_y_total{c_d="e_f"}[$__rate_interval])) / g_h'), ['x_y_total', 'g_h']);
  });

  it('has labels that exist', async () => {
    const { values } = await numbers();
    const labels = new Set([...values.keys()].flatMap((key) => [...key.matchAll(/(\w+)="/g)].map((m) => m[1])));
    for (const expression of expressions()) {
      const used = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap((m) => m[1].split(', ')).concat([...expression.matchAll(/(\w+)(?:=~|!=|=)"/g)].map((m) => m[1]));
      assert.deepEqual(used.filter((label) => label !== 'instance' && !labels.has(label)), [], expression);
    }
  });

  it('is ready, and says no more so when it leaves', async function () {
    this.timeout(20_000);
    assert.equal((await fetch(`${http}/ready`)).status, 200);
    const sender = await replica.sender('smtp');
    for (const line of ['EHLO x', 'MAIL FROM:<a@b.example>', `RCPT TO:<${ann.address}>`, 'DATA']) await sender.say(line);
    const stopped = replica.stop();
    const told = await until(async () => {
      const r = await fetch(`${http}/ready`);
      return r.status === 503 && r.text();
    });
    assert.equal(told, 'draining\n');
    assert.equal((await fetch(`${http}/health`)).status, 200);
    assert.match((await sender.say('Subject: two\r\n\r\nx\r\n.')) ?? '', /^250/);
    assert.equal(await stopped, 0);
    await assert.rejects(fetch(`${http}/health`));
  });
});
