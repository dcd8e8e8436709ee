// What is said of who sent a message, and what becomes of it.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { sealMessage } from 'mailauth/lib/arc/index.js';
import { limits } from '../../src/base/index.ts';
import { authservId, readHead } from '../../src/verify/inbound/head.ts';
import { InboundWorld, head, keyOf, signed } from './inbound.ts';

const plain = (from: string, more = '') => `${head(from, more)}\r\nHello.\r\n`;
/** Passed on by a list, which changes the subject and seals what it saw. */
async function listed(author: string, saw: string, sealer = 'list.test', sawAuthor = author) {
  const message = `${head(author).replace('Hello', '[list] Hello')}\r\nHello.\r\n`;
  const authResults = `mx.${sealer}; dkim=pass header.i=@${author.split('@')[1]}; dmarc=${saw} header.from=${sawAuthor.split('@')[1]}`;
  const seal = await sealMessage(Buffer.from(message), { signingDomain: sealer, selector: 's', privateKey: keyOf(sealer).secret.export({ type: 'pkcs8', format: 'pem' }) as string, authResults, cv: 'none', i: 1, algorithm: 'ed25519-sha256' } as never);
  assert.ok(seal.length > 0);
  return Buffer.concat([seal, Buffer.from(message)]);
}
const fromList = { remote: '203.0.113.9', from: 'list-bounces@list.test', helo: 'mx.list.test' };

describe('verify/authentication', () => {
  it('says in a header field what SPF, DKIM, DMARC and the reverse name are', async () => {
    const world = await InboundWorld.open();
    const { fields, junk, error, stored } = await world.send(signed(head('ann@bob.test'), 'Hello.\r\n', keyOf('bob.test')));
    assert.equal(error, null);
    assert.equal(junk, false);
    const text = fields.replace(/\r\n[ \t]+/g, ' ');
    assert.match(text, /^Authentication-Results: mx\.here\.test; /);
    assert.match(text, /spf=pass [^;]*smtp\.mailfrom=ann@bob\.test/);
    assert.match(text, /dkim=pass [^;]*header\.s=s/);
    assert.match(text, /dmarc=pass [^;]*header\.from=bob\.test/);
    assert.match(text, /iprev=pass \(mx\.bob\.test\) policy\.iprev=192\.0\.2\.1/);
    assert.match(text, /X-Colombier-Score: 0\r\n/);
    assert.ok(fields.split('\r\n').every((line) => line.length < 200 && /^[\x20-\x7e\t]*$/.test(line)), fields);
    assert.match(stored, /^DKIM-Signature[^]*Hello\.\r\n$/);
    assert.equal(world.count('dkim', 'pass'), 1);
    assert.equal(world.count('verdict', 'accepted'), 1);
  });

  it('sees a body that was changed, however it is cut', async () => {
    const world = await InboundWorld.open();
    const good = signed(head('ann@bob.test'), 'Hello.\r\n'.repeat(50), keyOf('bob.test'));
    for (const cut of [1, 7, 100, 1 << 16]) {
      assert.match((await world.send(good, { cut })).fields, /dkim=pass/);
      assert.doesNotMatch((await world.send(good.replace('Hello.\r\nHello', 'Hello.\r\nHullo'), { cut })).fields, /dkim=pass/);
    }
  });

  it('takes a message without body, and one without header', async () => {
    const world = await InboundWorld.open();
    for (const text of [head('ann@bob.test'), `${head('ann@bob.test')}\r\n`, '\r\nonly body\r\n', 'no field at all\r\n', '\r\n', 'x']) {
      for (const cut of [1, 1000]) {
        const { error, stored } = await world.send(text, { cut });
        assert.equal(error, null);
        assert.equal(stored, text);
      }
    }
  });

  it('leads to Junk what fails a policy, and refuses it only if so set', async () => {
    const evil = { remote: '198.51.100.66', helo: 'evil.test', from: 'x@strict.test' };
    for (const [dmarc, author, junk, refused] of [['quarantine', 'strict.test', true, false], ['quarantine', 'mild.test', true, false], ['quarantine', 'none.test', false, false], ['reject', 'strict.test', false, true], ['reject', 'mild.test', true, false], ['none', 'strict.test', false, false]] as const) {
      const world = await InboundWorld.open({ settings: { dmarc, junkScore: 0 } });
      const told = await world.send(plain(`ceo@${author}`), evil);
      assert.equal(told.junk, junk, `${dmarc} ${author}`);
      assert.equal(told.error?.smtp ?? null, refused ? '550 5.7.1' : null, `${dmarc} ${author}`);
      if (!refused) assert.match(told.fields, /dmarc=fail/);
      assert.equal(world.count(refused ? 'refused_because' : 'junk_because', 'dmarc'), junk || refused ? 1 : 0);
    }
  });

  it('lets lists live: a trusted seal counts, an unknown one saves from refusal only, a broken one from nothing', async () => {
    const message = await listed('ann@strict.test', 'pass');
    for (const [dmarc, arcTrusted, junk, refused] of [['reject', ['list.test'], false, false], ['reject', ['*'], false, false], ['quarantine', ['list.test'], false, false], ['reject', ['other.test'], true, false], ['reject', [], true, false]] as const) {
      const world = await InboundWorld.open({ settings: { dmarc, arcTrusted } });
      const told = await world.send(message, fromList);
      assert.match(told.fields, /arc=pass/);
      assert.match(told.fields, /dmarc=fail/);
      assert.deepEqual([told.junk, told.error !== null], [junk, refused], `${dmarc} ${arcTrusted}`);
      assert.equal(world.count('arc', 'vouched'), junk ? 0 : 1);
      assert.equal(told.fields.includes('dmarc-fail'), junk);
    }
    const world = await InboundWorld.open({ settings: { dmarc: 'reject', arcTrusted: ['list.test'] } });
    const broken = await world.send(Buffer.from(message.toString().replace('Hello.', 'Pay me.')), fromList);
    assert.equal(broken.error?.smtp, '550 5.7.1');
    // A sealer that saw it fail vouches for nothing; nor does one for another author.
    assert.equal((await world.send(await listed('ann@strict.test', 'fail'), fromList)).junk, true);
    assert.equal((await world.send(await listed('ann@strict.test', 'pass', 'list.test', 'ann@other.test'), fromList)).junk, true);
  });

  it('asks for no name, no DNS and no answer to be known before it takes mail', async () => {
    const world = await InboundWorld.open({ answer: () => Promise.reject(Object.assign(new Error('away'), { code: 'ETIMEOUT' })), settings: { dmarc: 'reject', dnsbl: ['bl.test'] } });
    const told = await world.send(signed(head('ann@strict.test'), 'Hello.\r\n', keyOf('strict.test')));
    assert.deepEqual([told.error, told.junk], [null, false]);
    assert.match(told.fields, /spf=temperror/);
    assert.match(told.fields, /dmarc=temperror/);
    assert.match(told.fields, /iprev=temperror/);
  });

  it('scores what a server looks like, and never refuses for it', async () => {
    const world = await InboundWorld.open({ settings: { junkScore: 6 } });
    const bad = { remote: '198.51.100.66', helo: 'here.test', from: '' };
    const told = await world.send(plain('x@unknown.test'), bad);
    assert.match(told.fields, /X-Colombier-Score: 4 \(ptr-none 1, helo-ours 3\)/);
    assert.deepEqual([told.junk, told.error], [false, null]);
    for (const [helo, rule] of [['[198.51.100.66]', 'helo-address 1'], ['localhost', 'helo-plain 1'], ['no.such.test', 'helo-unknown 0.5'], ['mx.here.test', 'helo-ours 3']]) {
      assert.ok((await world.send(plain('x@unknown.test'), { ...bad, helo })).fields.includes(rule), helo);
    }
    const two = await world.send(`From: a@one.test, b@two.test\r\n${plain('c@three.test')}`, { ...bad, from: 'a@strict.test' });
    assert.equal(two.junk, true);
    assert.match(two.fields, /spf-fail 2[^]*from-many 3/);
    assert.match(two.fields, /X-Spam-Flag: YES/);
  });

  it('tells what the reports to other domains say', async () => {
    for (const [dmarc, disposition, override] of [['reject', 'reject', null], ['quarantine', 'quarantine', 'local_policy'], ['none', 'none', 'local_policy']] as const) {
      const world = await InboundWorld.open({ settings: { dmarc } });
      await world.send(signed(head('ceo@mail.strict.test').replace('ceo@mail.', 'ceo@'), 'x\r\n', keyOf('bob.test')), { remote: '198.51.100.66', from: 'x@Strict.test' });
      await world.send(plain('a@no-record.test'));
      assert.deepEqual(world.reported, [{
        domain: 'strict.test',
        published: { adkim: 'r', aspf: 's', p: 'reject', sp: 'none', pct: 50, fo: '1:d' },
        rua: ['mailto:dmarc@strict.test!10m', 'https://x.test'],
        headerFrom: 'strict.test',
        dkim: 'fail',
        spf: 'fail',
        dkimResults: [{ domain: 'bob.test', selector: 's', result: 'pass' }],
        spfResult: { domain: 'strict.test', result: 'fail' },
        ip: '198.51.100.66',
        envelopeFrom: 'strict.test',
        disposition,
        override,
      }]);
    }
    const world = await InboundWorld.open({ settings: { dmarc: 'reject', arcTrusted: ['list.test'] } });
    await world.send(await listed('ann@strict.test', 'pass'), fromList);
    await world.send(signed(head('ann@bob.test'), 'x\r\n', keyOf('bob.test')));
    assert.deepEqual(world.reported.map((r) => [r.domain, r.disposition, r.override, r.dkim, r.spf]), [['strict.test', 'none', 'local_policy', 'fail', 'fail'], ['bob.test', 'none', null, 'pass', 'pass']]);
  });

  it('does not look at whom the administrator exempts', async () => {
    const world = await InboundWorld.open({ settings: { exempt: ['10.0.0.0/8'] } });
    assert.equal(world.inbound.screen!.open('10.1.2.3'), null);
    assert.equal(world.inbound.screen!.open('::ffff:10.1.2.3'), null);
    assert.notEqual(world.inbound.screen!.open('11.1.2.3'), null);
  });
});

describe('verify/forged fields', () => {
  const own = ['mx.here.test; spf=pass', ' MX.Here.Test ; dkim=pass', '"mx.here.test"; x', '(a (nested) comment) mx.here.test; x', '\r\n mx.here.test\r\n ; x', 'mx.here.test 1; x', 'mx.here.test', ' ; broken', '(never ends', '"m\\x.here.test"'];
  for (const value of own) it(`removes ${JSON.stringify(value)}`, () => {
    const text = `Subject: a\r\nAuthentication-Results:${value}\r\nX-Spam-Flag: NO\r\nTo: b\r\n\r\n`;
    const found = readHead(Buffer.from(text), 'mx.here.test', limits);
    assert.equal(found.stored.toString(), 'Subject: a\r\nTo: b\r\n\r\n');
    assert.equal(found.judged.toString(), text);
    assert.equal(found.forged, 2);
  });
  for (const value of ['mx.far.test; mx.here.test', 'mx.here.test.evil.test; x', 'smx.here.test; x', '(mx.here.test) far; x']) it(`leaves ${JSON.stringify(value)}`, () => {
    const text = `Authentication-Results: ${value}\r\nARC-Authentication-Results: i=1; mx.here.test; x\r\n\r\n`;
    assert.equal(readHead(Buffer.from(text), 'mx.here.test', limits).stored.toString(), text);
  });

  it('removes them however the message is cut, and nothing of the body', async () => {
    const world = await InboundWorld.open();
    const text = `Authentication-Results: mx.here.test;\r\n spf=pass\r\nX-Colombier-Score: -9\r\nFrom: ann@bob.test\r\n\r\nAuthentication-Results: mx.here.test; in body\r\n`;
    for (let cut = 1; cut < 12; cut++) assert.equal((await world.send(text, { cut })).stored, 'From: ann@bob.test\r\n\r\nAuthentication-Results: mx.here.test; in body\r\n');
  });

  it('never loses another byte', async () => {
    const world = await InboundWorld.open();
    const line = fc.oneof(fc.constantFrom('', ' folded', '\ttab', 'Authentication-Results: far.test; x', 'Subject: x', 'no field', ':', 'X :y', 'DKIM-Signature: v=1', 'ARC-Seal: i=1'), fc.stringMatching(/^[ -~]{0,30}$/));
    await fc.assert(fc.asyncProperty(fc.array(line, { maxLength: 12 }), fc.integer({ min: 1, max: 40 }), async (lines, cut) => {
      const text = lines.map((l) => `${l}\r\n`).join('');
      if (/^(authentication-results\s*:\s*(mx\.here\.test|[;(")])|x-spam-|x-colombier)/im.test(text)) return;
      assert.equal((await world.send(text, { cut })).stored, text);
    }), { numRuns: 150 });
  });

  it('reads ids as RFC 8601 writes them', () => {
    assert.equal(authservId(' (c) a.b.test (d) 1; spf=pass'), 'a.b.test');
    assert.equal(authservId(''), null);
    for (const odd of ['a.b.test.', '"a.b.test."', 'a.b.test/1', '\0a.b.test', ' \x0ba.b.test=x']) assert.equal(authservId(`${odd}; spf=pass`), 'a.b.test', odd);
    const folded = 'Authentication-Results\r\n : mx.here.test; dmarc=pass\r\n\tx: y\r\n';
    assert.equal(readHead(Buffer.from(`${folded}Subject: x\r\n${folded} Subject: y\r\n\r\n`), 'mx.here.test', limits).stored.toString(), 'Subject: x\r\n\r\n');
    assert.equal(readHead(Buffer.from(` ${folded}Subject: x\r\n\r\n`), 'mx.here.test', limits).stored.toString(), 'Subject: x\r\n\r\n');
  });
});
