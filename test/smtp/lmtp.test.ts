import assert from 'node:assert/strict';
import { Refused, Unavailable } from '../../src/base/index.ts';
import { House } from './dialogue.ts';

describe('smtp/lmtp', () => {
  let house: House;
  beforeEach(async () => {
    house = await new House(true).start();
  });
  afterEach(() => house.stop());

  it('greets by LHLO only', async () => {
    const d = await house.open('220 mx.example.org LMTP');
    await d.say('EHLO x', '500');
    await d.say('HELO x', '500');
    await d.say('LHLO x', '250-mx.example.org');
  });

  it('answers for each recipient', async () => {
    house.post.onCommit = (r) => {
      if (r.address.startsWith('full')) return new Refused('mailbox full', null, '552 5.2.2');
      return r.address.startsWith('away') ? new Unavailable('x') : null;
    };
    const d = await house.data(['ann@example.org', 'full@example.org', 'away@example.org', 'eve@example.org']);
    d.raw('a\r\n.\r\n');
    for (const e of ['250 2.6.0', '552 5.2.2', '451 4.3.0', '250 2.6.0']) await d.expect(e);
    await d.say('NOOP', '250 2.0.0');
    assert.equal(house.post.begun, 1);
    assert.match(house.post.stored[0].prefix.get('eve@example.org')!, /^Return-Path: <bob@example\.com>\r\nDelivered-To: eve@example\.org\r\nReceived: from client\.example [^]* with LMTP id /);
  });

  it('answers a recipient given twice twice, and stores one copy', async () => {
    const d = await house.data(['ann@example.org', 'ann@example.org']);
    d.raw('a\r\n.\r\n');
    await d.expect('250 2.6.0');
    await d.expect('250 2.6.0');
    await d.say('NOOP', '250 2.0.0');
    assert.equal(house.post.stored[0].info.recipients.length, 1);
  });

  it('does not answer for a recipient that was refused', async () => {
    const d = await house.hello();
    d.raw('MAIL FROM:<a@b.example>\r\nRCPT TO:<no@example.net>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n');
    for (const e of ['250', '550 5.1.1', '250', '354']) await d.expect(e);
    d.raw('a\r\n.\r\n');
    await d.expect('250 2.6.0');
    await d.say('NOOP', '250 2.0.0');
  });

  it('says 503 where no recipient was accepted, and stores nothing (RFC 2033 §4.2)', async () => {
    const d = await house.hello();
    for (const recipients of ['', 'RCPT TO:<no@example.net>\r\nRCPT TO:<no@example.org.>\r\n']) {
      d.raw(`MAIL FROM:<a@b.example>\r\n${recipients}DATA\r\nBDAT 3 LAST\r\nabcRSET\r\n`);
      await d.expect('250 2.1.0');
      if (recipients !== '') for (const e of ['550 5.1.1', '5']) await d.expect(e);
      for (const e of ['503 5.5.1', '503 5.5.1', '250 2.0.0']) await d.expect(e);
    }
    assert.equal(house.post.begun, 0);
  });

  it('says an error of the whole message once for each', async () => {
    house.post.onWrite = () => {
      throw new Unavailable('x');
    };
    const d = await house.data(['ann@example.org', 'eve@example.org']);
    d.raw('a\r\n.\r\n');
    await d.expect('451 4.3.0');
    await d.expect('451 4.3.0');
    await d.say('NOOP', '250 2.0.0');
  });

  it('does not close on many unknown recipients: its client is a relay', async () => {
    const d = await house.hello();
    await d.say('MAIL FROM:<a@b.example>', '250');
    for (let i = 0; i < 50; i++) await d.say(`RCPT TO:<no${i}@example.net>`, '550 5.1.1');
    await d.say('RCPT TO:<ann@example.org>', '250');
  });
});
