import assert from 'node:assert/strict';
import { createSecureContext } from 'node:tls';
import { connect as connectTls } from 'node:tls';
import { systemRandom } from '../../src/base/index.ts';
import { selfSigned } from '../../src/self-signed.ts';
import { House } from './dialogue.ts';

describe('smtp/starttls', () => {
  const pair = selfSigned(['mx.example.org'], Date.now(), systemRandom);
  const context = createSecureContext(pair);
  let house: House;
  afterEach(() => house.stop());

  it('takes mail over TLS and says so in Received', async () => {
    house = await new House(false, {}, { tls: () => context }).start();
    const d = await house.open();
    assert.match(await d.say('EHLO x', '250'), /STARTTLS/);
    await d.say('STARTTLS', '220 2.0.0');
    await d.tls();
    await d.say('MAIL FROM:<a@b.example>', '503');
    assert.doesNotMatch(await d.say('EHLO x', '250'), /STARTTLS/);
    await d.say('STARTTLS', /^50[03]/);
    await house.envelope(d);
    d.raw('a\r\n.\r\n');
    await d.expect('250 2.6.0');
    assert.match([...house.post.stored[0].prefix.values()][0], /with ESMTPS \(TLSv1\.3 TLS_AES_\w+\) id /);
  });

  it('forgets what came in clear with or after STARTTLS', async () => {
    house = await new House(false, {}, { tls: () => context }).start();
    const d = await house.open();
    await d.say('EHLO x', '250');
    await d.say('MAIL FROM:<a@b.example>', '250');
    d.raw('STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@b.example>\r\nRCPT TO:<ann@example.org>\r\n');
    await d.expect('220');
    // Whatever was injected: either the handshake fails, or nothing of it is known afterwards.
    const injected = await d.tls().then(
      () => true,
      () => false,
    );
    if (injected) {
      await d.say('RCPT TO:<ann@example.org>', '503');
      await d.say('EHLO x', '250');
      await d.say('RCPT TO:<ann@example.org>', '503');
    }
    assert.equal(house.post.asked.length, 0);
  });

  it('forgets hundreds of commands pipelined behind STARTTLS', async () => {
    house = await new House(false, {}, { tls: () => context }).start();
    const d = await house.open();
    await d.say('EHLO x', '250');
    d.raw(`STARTTLS\r\n${'NOOP\r\n'.repeat(300)}MAIL FROM:<evil@b.example>\r\nRCPT TO:<ann@example.org>\r\n`);
    await d.expect('220');
    await d.tls().catch(() => {});
    await d.silence(50);
    assert.equal(house.post.asked.length, 0);
  });

  it('uses a renewed certificate at once', async () => {
    let now = context;
    house = await new House(false, {}, { tls: () => now }).start();
    const issuer = async () => {
      const d = await house.open();
      await d.say('EHLO x', '250');
      await d.say('STARTTLS', '220');
      const raw = d.socket;
      raw.removeAllListeners('data');
      const tls = connectTls({ socket: raw, rejectUnauthorized: false, servername: 'mx.example.org' });
      await new Promise((resolve) => tls.once('secureConnect', resolve));
      return tls.getPeerCertificate().subject.CN;
    };
    assert.equal(await issuer(), 'mx.example.org');
    now = createSecureContext(selfSigned(['new.example.org'], Date.now(), systemRandom));
    assert.equal(await issuer(), 'new.example.org');
  });

  it('does not wait for ever for a handshake, and survives nonsense in one', async () => {
    house = await new House(false, { tls_handshake_ms_max: 50 }, { tls: () => context }).start();
    const silent = await house.open();
    await silent.say('EHLO x', '250');
    await silent.say('STARTTLS', '220');
    await silent.closed();
    const nonsense = await house.open();
    await nonsense.say('EHLO x', '250');
    await nonsense.say('STARTTLS', '220');
    nonsense.raw('EHLO not a handshake\r\n'.repeat(10));
    await nonsense.closed();
    const d = await house.data();
    d.raw('a\r\n.\r\n');
    await d.expect('250');
  });
});
