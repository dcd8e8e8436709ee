// What strangers can make the checks do: bounded in time, memory and questions, and an answer each.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { limits as allLimits, systemClock } from '../../src/base/index.ts';
import { readHead } from '../../src/verify/inbound/head.ts';
import { Questions, askerOf } from '../../src/verify/inbound/questions.ts';
import { dnsServer } from './dns-server.ts';
import { InboundWorld, head, keyOf, signed, zone } from './inbound.ts';

const plain = (more = '') => `${head('ann@bob.test', more)}\r\nHello.\r\n`;
const code = async (promise: Promise<unknown>) => promise.then(() => null, (e: NodeJS.ErrnoException) => e.code);

describe('verify/hostile headers', () => {
  it('refuses a header without end', async () => {
    const world = await InboundWorld.open();
    for (const text of ['X: y\r\n'.repeat(100_000), `X: ${'y'.repeat(600_000)}`, `${'X: y\r\n'.repeat(60_000)}\r\nbody`]) assert.equal((await world.send(text)).error?.smtp, '552 5.3.4');
  });

  // Each of these took minutes, or would: the cost is counted by the process's own clock, far from the limit of the machine.
  const space = ' '.repeat(240_000);
  const costly: Record<string, string> = {
    'white space in a signature': `DKIM-Signature: v=1; a=${space}x\r\n`,
    'white space in a field': `X: a${space}b\r\n`,
    'folds of white space': `X: ${' \r\n '.repeat(60_000)}y\r\n`,
    tabs: `From: ${'\t'.repeat(60_000)}a@b.test\r\n`,
    tags: `DKIM-Signature: ${'a=b;'.repeat(50_000)}\r\n`,
    'names in h=': `DKIM-Signature: v=1; a=rsa-sha256; d=bob.test; s=s; bh=AAAA; b=AAAA; h=from:${'x:'.repeat(100_000)}y\r\n`,
    'open comments': `From: ${'('.repeat(60_000)}\r\n`,
    groups: `From: ${'a:'.repeat(30_000)}\r\n`,
    authors: `From: ${'a@b.test,'.repeat(7_000)}c@d.test\r\n`,
    'a content type': `Content-Type: multipart/mixed; ${'a*0="'.repeat(40_000)}\r\n`,
    results: `ARC-Authentication-Results: i=1; ${'dkim=pass (('.repeat(15_000)}\r\n`,
  };
  for (const [name, field] of Object.entries(costly)) it(`takes ${name} in bounded time`, async () => {
    const world = await InboundWorld.open();
    const before = process.cpuUsage().user;
    const told = await world.send(plain(field));
    const ms = (process.cpuUsage().user - before) / 1000;
    assert.equal(told.error, null);
    assert.ok(ms < 10_000, `${ms} ms`);
  });

  // What is not looked at for its cost must not hide whose message it is: the policy of the author's domain counts all the same.
  const froms: Record<string, string> = {
    'white space before an author': `From: ${' '.repeat(5000)}a@strict.test`,
    'white space within an author': `From: A${'\t'.repeat(5000)}<a@strict.test>`,
    'folds before an author': `From: A${'\r\n '.repeat(300)}<a@strict.test>`,
    'white space after an author': `From: a@strict.test${' '.repeat(5000)}`,
    'white space before the colon': `From${' '.repeat(199)}: a@strict.test`,
    'white space in the field before': `X: y${' '.repeat(5000)}\r\nFrom: a@strict.test`,
    'blank folds in the field before': `X: y\r\n${' \r\n'.repeat(300)}From: a@strict.test`,
  };
  for (const [name, from] of Object.entries(froms)) it(`sees the author behind ${name}`, async () => {
    const world = await InboundWorld.open({ settings: { dmarc: 'reject' } });
    const told = await world.send(`${from}\r\nSubject: x\r\n\r\nHello.\r\n`);
    assert.equal(told.error?.smtp, '550 5.7.1');
    assert.equal(world.count('dmarc', 'fail'), 1);
  });
  it('refuses an author who can not be looked at', async () => {
    const world = await InboundWorld.open();
    for (const from of [`(${'c'.repeat(70_000)}) a@strict.test`, `"${'c'.repeat(70_000)}" <a@strict.test>`]) assert.equal((await world.send(`From: ${from}\r\n\r\nHello.\r\n`)).error?.smtp, '552 5.3.4');
  });
  it('verifies a signature over a field full of white space, and keeps every byte of it', async () => {
    const header = head('ann@bob.test').replace('Subject: Hello', `Subject: Hello${' '.repeat(3000)}again${'\r\n '.repeat(300)}and again`);
    const message = signed(header, 'Hello.\r\n', keyOf('bob.test'));
    const world = await InboundWorld.open();
    const told = await world.send(message);
    assert.equal(world.count('dkim', 'pass'), 1);
    assert.equal(told.stored, message);
  });
  it('removes forged results whose name ends in white space', async () => {
    const world = await InboundWorld.open();
    const told = await world.send(plain(`Authentication-Results${' '.repeat(300)}: mx.here.test; dmarc=pass\r\n`));
    assert.equal(told.stored, plain());
  });

  it('verifies no more signatures than its limit', async () => {
    const one = signed(head('ann@bob.test'), 'Hello.\r\n', keyOf('bob.test')).slice(0, -plain().length);
    const many = Array.from({ length: 1000 }, (_, i) => one.replace('s=s;', `s=s${i};`)).join('').slice(0, 240_000);
    const world = await InboundWorld.open();
    const told = await world.send(`${many.slice(0, many.lastIndexOf('DKIM-Signature'))}${plain()}`);
    assert.equal(told.error, null);
    assert.equal(world.asked.filter((q) => q.includes('_domainkey')).length, allLimits.checks_signatures_max);
  });

  it('looks at no chain of 1,000 ARC sets', async () => {
    const set = (i: number) => `ARC-Seal: i=${i}; a=rsa-sha256; cv=${i === 1 ? 'none' : 'pass'}; d=a${i}.test; s=s; b=A\r\nARC-Message-Signature: i=${i}; a=rsa-sha256; d=a${i}.test; s=s; h=from; bh=A; b=A\r\nARC-Authentication-Results: i=${i}; mx; dmarc=pass\r\n`;
    const chain = (n: number) => Array.from({ length: n }, (_, i) => set(n - i)).join('');
    const world = await InboundWorld.open({ settings: { arcTrusted: ['*'] } });
    assert.equal((await world.send(plain(chain(1000)))).error, null);
    assert.equal(world.asked.filter((q) => q.includes('_domainkey')).length, 0);
    assert.equal(world.count('arc', 'none'), 1);
    // As many as a chain may have cost no more than as many keys.
    const told = await world.send(plain(chain(50)));
    assert.match(told.fields, /arc=fail/);
    assert.ok(world.asked.filter((q) => q.includes('_domainkey')).length <= 51);
    assert.equal(readHead(Buffer.from(`${chain(1000)}\r\n`), 'mx', allLimits).arcTooLong, true);
  });

  it('takes keys of absurd size for none', async () => {
    const records = zone();
    const p = (bytes: Buffer) => `v=DKIM1; k=rsa; p=${bytes.toString('base64')}`;
    const der = (n: number) => {
      const length = (x: number) => (x < 128 ? Buffer.of(x) : Buffer.from([0x82, x >> 8, x & 255]));
      const integer = (b: Buffer) => Buffer.concat([Buffer.of(2), length(b.length + 1), Buffer.of(0), b]);
      const inner = Buffer.concat([integer(Buffer.alloc(n, 0xff)), integer(Buffer.alloc(n - 1, 0xfd))]);
      return Buffer.concat([Buffer.of(0x30), length(inner.length), inner]);
    };
    const small = generateKeyPairSync('rsa', { modulusLength: 512 }).publicKey.export({ type: 'spki', format: 'der' });
    for (const key of [p(der(4000)), p(der(2000)), p(Buffer.alloc(11_000)), p(Buffer.alloc(100_000)), p(small), 'v=DKIM1; p=', 'p', ''.padEnd(15_000, ';'), 'v=DKIM1; k=rsa; p=' + '='.repeat(10_000)]) {
      records['TXT s._domainkey.bob.test'] = [key];
      const world = await InboundWorld.open({ records });
      const before = process.cpuUsage().user;
      const told = await world.send(signed(head('ann@bob.test'), 'Hello.\r\n', keyOf('bob.test')).replace('a=ed25519-sha256', 'a=rsa-sha256'));
      assert.ok((process.cpuUsage().user - before) / 1000 < 5000);
      assert.equal(told.error, null);
      assert.doesNotMatch(told.fields, /dkim=pass/);
    }
  });

  it('writes no line of a stranger into its fields', async () => {
    const records = zone();
    records['PTR 1.2.0.192.in-addr.arpa'] = ['a;\r\nX-Evil: 1'];
    records['A a;\r\nx-evil: 1'] = ['192.0.2.1'];
    const world = await InboundWorld.open({ records });
    for (const from of ['"a\\\r\nX: y"@bob.test', '"(;=\\"x"@bob.test', 'ann@bob.test', `${'x'.repeat(200)}@${'y.'.repeat(120)}test`]) for (const helo of ['mx;\r\nX-Evil: 1', 'a"b(c', '']) {
      const { fields } = await world.send(`From: "a\r\n b" <ann@bob.test>\r\n\r\nx\r\n`, { from, helo });
      for (const line of fields.split('\r\n')) assert.match(line, /^($|[ \t]|Authentication-Results: |X-Colombier-Score: |X-Spam)/);
      assert.doesNotMatch(fields, /[^\x20-\x7e\r\n\t]|\r(?!\n)|(?<!\r)\n/);
    }
  });
});

describe('verify/hostile DNS', () => {
  it('asks no more than its limit for one message', async () => {
    const world = await InboundWorld.open({
      limits: { checks_questions_max: 6 },
      answer: async (name, type) => {
        if (type === 'TXT' && name.startsWith('_dmarc')) return [['v=DMARC1; p=reject']];
        if (type === 'TXT') return [[`v=spf1 include:a.${name} include:b.${name} include:c.${name} mx:d.${name} exists:%{i}.${name} redirect=e.${name}`]];
        if (type === 'MX') return Array.from({ length: 100 }, (_, i) => ({ exchange: `m${i}.${name}`, priority: i }));
        if (type === 'PTR') return Array.from({ length: 100 }, (_, i) => `p${i}.test`);
        throw Object.assign(new Error('none'), { code: 'ENODATA' });
      },
    });
    const told = await world.send(plain());
    assert.equal(told.error, null);
    assert.match(told.fields, /spf=(permerror|temperror|none|neutral)/);
    // The client's own, and the message's.
    assert.equal(world.asked.length, 12);
  });

  it('waits no longer than its limit for one message', async () => {
    const world = await InboundWorld.open({ answer: () => new Promise(() => {}), limits: { checks_dns_ms_max: 300, checks_question_ms_max: 200 } });
    const told = await world.send(signed(head('ann@bob.test'), 'Hello.\r\n', keyOf('bob.test')));
    assert.deepEqual([told.error, told.junk], [null, false]);
    assert.match(told.fields, /spf=temperror/);
  });

  it('takes huge answers for none', async () => {
    const huge: Record<string, unknown[]> = { 'TXT many.test': Array(201).fill(['v=spf1 -all']), 'TXT long.test': [Array(65).fill('x'.repeat(255))], 'A addresses.test': Array(201).fill('192.0.2.1') };
    const questions = new Questions(async (name, type) => huge[`${type} ${name}`], systemClock, allLimits);
    for (const key of Object.keys(huge)) assert.equal(await code(questions.ask(key.split(' ')[1], key.split(' ')[0])), 'EBADRESP', key);
    for (const name of ['x'.repeat(300), `${'y'.repeat(64)}.test`]) assert.equal(await code(questions.ask(name, 'A')), 'ENOTFOUND');
  });

  describe('over the network', () => {
    let server: Awaited<ReturnType<typeof dnsServer>>;
    afterEach(() => server.stop());
    const record = (type: number, data: Buffer) => Buffer.concat([Buffer.from([0xc0, 12]), Buffer.from([0, type, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 255]), data]);
    const garbage: Record<string, Buffer> = {
      'a pointer to itself': record(5, Buffer.from([0xc0, 12])),
      'pointers in a circle': Buffer.from([0xc0, 40, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 38]),
      'a length beyond the end': Buffer.concat([record(16, Buffer.from([255, 65])), Buffer.from([1])]),
      'a text longer than its record': record(16, Buffer.from([200, 65, 65])),
      'an alias of itself': record(5, Buffer.from([0xc0, 12])),
      nothing: Buffer.alloc(0),
      zeros: Buffer.alloc(400),
      noise: Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 73 + 11) & 255)),
    };
    for (const [name, bytes] of Object.entries(garbage)) it(`survives ${name}`, async () => {
      server = await dnsServer({}, () => bytes);
      const questions = new Questions(askerOf([server.address]), systemClock, { ...allLimits, checks_question_ms_max: 1500 });
      for (const type of ['TXT', 'A', 'MX', 'PTR']) {
        const records = await questions.ask(`x.test`, type).catch((e: NodeJS.ErrnoException) => {
          assert.match(e.code ?? '', /^E[A-Z]+$/);
          return [];
        });
        assert.ok(records.length <= 2);
      }
    });

    it('survives aliases in a circle, and silence', async () => {
      const label = (text: string) => Buffer.concat([Buffer.of(text.length), Buffer.from(text), Buffer.from([4]), Buffer.from('test'), Buffer.of(0)]);
      server = await dnsServer({}, (name) => (name === 'quiet.test' ? null : record(5, label(name === 'a.test' ? 'b' : 'a'))));
      const questions = new Questions(askerOf([server.address]), systemClock, { ...allLimits, checks_question_ms_max: 500 });
      assert.deepEqual(await questions.ask('a.test', 'A').catch(() => []), []);
      assert.equal(await code(questions.ask('quiet.test', 'TXT')), 'ETIMEOUT');
    });

    it('verifies by what a server says', async () => {
      server = await dnsServer({ 'TXT x.test': ['v=spf1 -all'], 'MX x.test': ['mx.x.test'], 'TXT long.test': ['y'.repeat(400)], 'AAAA x.test': ['2001:0db8:0:0:0:0:0:1'], 'PTR 1.2.0.192.in-addr.arpa': ['mx.x.test'] });
      const questions = new Questions(askerOf([server.address]), systemClock, allLimits);
      assert.deepEqual(await questions.ask('x.test', 'TXT'), [['v=spf1 -all']]);
      assert.deepEqual((await questions.ask('x.test', 'MX')).map((m) => (m as { exchange: string }).exchange), ['mx.x.test']);
      assert.equal(((await questions.ask('long.test', 'TXT'))[0] as string[]).join('').length, 400);
      assert.deepEqual(await questions.ask('1.2.0.192.in-addr.arpa', 'PTR'), ['mx.x.test']);
      await questions.ask('X.test', 'TXT');
      assert.equal(server.asked.filter((q) => q === 'TXT x.test').length, 1, 'asked once');
      assert.equal(await code(questions.ask('none.test', 'A')), 'ENOTFOUND');
    });
  });
});
