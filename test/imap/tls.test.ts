import assert from 'node:assert/strict';
import { dial, play, startWorld } from './dialogue.ts';
import type { World } from './dialogue.ts';

describe('imap: TLS', () => {
  let world: World;
  beforeEach(async () => (world = await startWorld()));
  afterEach(() => world.stop());

  it('STARTTLS, then everything under TLS', async () => {
    world.backend.plaintext = false;
    const wire = await dial(world.port);
    await play(wire, `
      C: a CAPABILITY
      S: * CAPABILITY …STARTTLS LOGINDISABLED
      S: a OK …
      C: b LOGIN ann@example.org secret
      S: b NO [PRIVACYREQUIRED] …
      C: c AUTHENTICATE PLAIN AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ=
      S: c NO [PRIVACYREQUIRED] …
      C: d STARTTLS
      S: d OK begin TLS now
    `);
    await wire.startTls();
    await play(wire, `
      C: e CAPABILITY
      S: * CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE AUTH=PLAIN AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS
      S: e OK …
      C: f STARTTLS
      S: f BAD TLS is already on
      C: g LOGIN ann@example.org secret
      S: g OK …
      C: h SELECT INBOX
      S: * 0 EXISTS
    `);
    wire.close();
  });

  it('drops what was sent in clear behind STARTTLS', async () => {
    const wire = await dial(world.port);
    wire.send('a STARTTLS\r\nb LOGIN ann@example.org secret\r\nc CREATE injected\r\n');
    assert.equal(await wire.line(), 'a OK begin TLS now');
    await new Promise((resolve) => setTimeout(resolve, 30));
    wire.assertQuiet();
    await wire.startTls();
    assert.deepEqual(await wire.command('d', 'NAMESPACE'), ['d BAD log in first']);
    assert.equal(world.user.sessions.size, 0);
    assert.ok(!world.user.mailboxes.has('injected'));
    wire.close();
  });

  it('drops half a command before STARTTLS ended, too', async () => {
    const wire = await dial(world.port);
    wire.send('a STARTTLS\r\nb LOGIN ann@exa');
    assert.equal(await wire.line(), 'a OK begin TLS now');
    await wire.startTls();
    assert.deepEqual(await wire.command('mple.org', 'NOOP'), ['mple.org OK NOOP completed']);
    wire.close();
  });

  it('implicit TLS: greeting behind the handshake, large answers whole', async () => {
    const wire = await dial(world.tlsPort, { tls: true, login: true });
    const inbox = world.user.mailbox('INBOX');
    inbox.add(`Subject: x\r\n\r\n${'z'.repeat(3_000_000)}\r\n`);
    await wire.command('s', 'SELECT INBOX');
    const fetched = await wire.command('a', 'FETCH 1 BODY.PEEK[]');
    assert.equal(fetched.join('\r\n').length, '* 1 FETCH (BODY[] {3000016}\r\n'.length + 3_000_016 + ')\r\na OK FETCH completed'.length);
    wire.close();
  });

  it('a client that speaks no TLS harms nobody', async () => {
    const wire = await dial(world.tlsPort, { greeting: false });
    wire.send('a NOOP\r\n');
    await wire.rest();
    const next = await dial(world.tlsPort, { tls: true });
    assert.deepEqual(await next.command('a', 'NOOP'), ['a OK NOOP completed']);
    assert.equal(world.server.connections, 1);
    next.close();
  });

  it('without a certificate there is no STARTTLS', async () => {
    await world.stop();
    world = await startWorld({ tls: false });
    await play(await dial(world.port), `
      C: a CAPABILITY
      S: * CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE AUTH=PLAIN AUTH=SCRAM-SHA-256
      S: a OK …
      C: b STARTTLS
      S: b BAD no TLS here
    `);
  });
});
