// SCRAM-SHA-256 and -PLUS on the wire (RFC 5802, RFC 7677, RFC 9266).
import assert from 'node:assert/strict';
import { createHmac, hash, pbkdf2Sync } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { parseClientFinal, parseClientFirst } from '../../src/imap/sasl/scram.ts';
import { dial, startWorld } from './dialogue.ts';
import type { Wire, World } from './dialogue.ts';

const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64');
const hmac = (key: Buffer, text: string | Buffer) => createHmac('sha256', key).update(text).digest();

interface Says {
  mechanism?: string;
  /** The gs2 header. */
  header?: string;
  name?: string;
  password?: string;
  bound?: Buffer;
  nonce?: (whole: string) => string;
  initial?: boolean;
}

/** A client: gives the tagged answer, and whether the server proved that it knows the password. */
async function scram(wire: Wire, { mechanism = 'SCRAM-SHA-256', header = 'n,,', name = 'ann@example.org', password = 'secret', bound = Buffer.alloc(0), nonce = (whole) => whole, initial = true }: Says = {}): Promise<{ answer: string; proved: boolean }> {
  const bare = `n=${name},r=theClientsNonce`;
  const first = base64(`${header}${bare}`);
  wire.send(`x AUTHENTICATE ${mechanism}${initial ? ` ${first}` : ''}\r\n`);
  let line = await wire.line();
  if (!initial && line === '+ ') {
    wire.send(`${first}\r\n`);
    line = await wire.line();
  }
  if (!line.startsWith('+ ')) return { answer: line, proved: false };
  const serverFirst = Buffer.from(line.slice(2), 'base64').toString();
  const [, r, s, i] = /^r=(.+),s=(.+),i=(\d+)$/.exec(serverFirst)!;
  const salted = pbkdf2Sync(password, Buffer.from(s, 'base64'), Number(i), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=${base64(Buffer.concat([Buffer.from(header), bound]))},r=${nonce(r)}`;
  const auth = `${bare},${serverFirst},${withoutProof}`;
  const signature = hmac(hash('sha256', clientKey, 'buffer'), auth);
  wire.send(`${base64(`${withoutProof},p=${base64(Buffer.from(clientKey.map((byte, k) => byte ^ signature[k])))}`)}\r\n`);
  line = await wire.line();
  if (!line.startsWith('+ ')) return { answer: line, proved: false };
  const proved = Buffer.from(line.slice(2), 'base64').toString() === `v=${base64(hmac(hmac(salted, 'Server Key'), auth))}`;
  wire.send('\r\n');
  return { answer: await wire.line(), proved };
}

describe('imap: SCRAM', () => {
  let world: World;
  let wire: Wire;
  beforeEach(async () => (world = await startWorld()));
  afterEach(async () => {
    wire?.close();
    await world.stop();
  });
  const exporter = () => (wire.socket as TLSSocket).exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));

  it('logs in, and proves the server to the client', async () => {
    for (const initial of [true, false]) {
      wire = await dial(world.port);
      assert.match((await wire.command('c', 'CAPABILITY'))[0], / AUTH=SCRAM-SHA-256( |$)/);
      const { answer, proved } = await scram(wire, { initial });
      assert.match(answer, /^x OK \[CAPABILITY .*\] logged in/);
      assert.equal(proved, true);
      assert.match((await wire.command('s', 'SELECT INBOX')).at(-1)!, /^s OK/);
      wire.close();
    }
  });

  it('-PLUS that an administrator withholds is not offered: a client that says so is right', async () => {
    const strict = await startWorld({ withheld: ['AUTH=SCRAM-SHA-256-PLUS'] });
    wire = await dial(strict.tlsPort, { tls: true });
    assert.match((await wire.command('c', 'CAPABILITY'))[0], / AUTH=SCRAM-SHA-256$/);
    assert.match((await scram(wire, { mechanism: 'SCRAM-SHA-256-PLUS', header: 'p=tls-exporter,,' })).answer, /^x NO /);
    assert.match((await scram(wire, { header: 'y,,' })).answer, /^x OK /);
    await strict.stop();
  });

  it('binds the channel by tls-exporter (-PLUS), behind STARTTLS too', async () => {
    for (const start of [false, true]) {
      wire = await dial(start ? world.port : world.tlsPort, { tls: !start });
      if (start) {
        assert.doesNotMatch((await wire.command('c', 'CAPABILITY'))[0], /-PLUS/);
        await wire.command('t', 'STARTTLS');
        await wire.startTls();
      }
      assert.match((await wire.command('c', 'CAPABILITY'))[0], / AUTH=SCRAM-SHA-256-PLUS( |$)/);
      const plus: Says = { mechanism: 'SCRAM-SHA-256-PLUS', header: 'p=tls-exporter,,' };
      // Another connection's binding: somebody in the middle.
      assert.match((await scram(wire, { ...plus, bound: Buffer.alloc(32, 7) })).answer, /^x NO \[AUTHENTICATIONFAILED\]/);
      const { answer, proved } = await scram(wire, { ...plus, bound: exporter() });
      assert.match(answer, /^x OK/);
      assert.equal(proved, true);
      wire.close();
    }
  });

  it('notices that -PLUS was taken out of what it offered', async () => {
    wire = await dial(world.tlsPort, { tls: true });
    assert.match((await scram(wire, { header: 'y,,' })).answer, /^x NO \[AUTHENTICATIONFAILED\]/);
    assert.match((await scram(wire, { header: 'n,,' })).answer, /^x OK/);
    wire.close();
    wire = await dial(world.port);
    assert.match((await scram(wire, { header: 'y,,' })).answer, /^x OK/);
  });

  it('refuses another password, name, nonce, binding and identity', async () => {
    wire = await dial(world.port);
    const failed = /^x NO \[AUTHENTICATIONFAILED\]/;
    assert.match((await scram(wire, { password: 'wrong' })).answer, failed);
    assert.match((await scram(wire, { name: 'nobody@example.org' })).answer, failed);
    assert.match((await scram(wire, { nonce: (r) => `${r}x` })).answer, failed);
    assert.match((await scram(wire, { bound: Buffer.from('x') })).answer, failed);
    assert.match((await scram(wire, { header: 'n,a=someone,' })).answer, /^x NO \[AUTHORIZATIONFAILED\]/);
    assert.match((await scram(wire, { header: 'p=tls-unique,,' })).answer, /^x BAD/);
    assert.match((await scram(wire, { mechanism: 'SCRAM-SHA-256-PLUS' })).answer, /^x NO \[CANNOT\]/);
    assert.match((await scram(wire, { header: 'n,a=ann@example.org,' })).answer, /^x OK/);
  });

  it('leaves a client whose password it can not take to LOGIN and PLAIN, on the same connection', async () => {
    for (const text of ['LOGIN ann@example.org secret', `AUTHENTICATE PLAIN ${base64('\0ann@example.org\0secret')}`]) {
      wire = await dial(world.port);
      assert.match((await scram(wire, { password: 'chosen' })).answer, /^x NO \[AUTHENTICATIONFAILED\]/);
      assert.match((await wire.command('a', text)).at(-1)!, /^a OK \[CAPABILITY /, text);
    }
  });

  it('is not there when it is switched off', async () => {
    world.backend.scramAllowed = false;
    wire = await dial(world.port);
    assert.doesNotMatch((await wire.command('c', 'CAPABILITY'))[0], /SCRAM/);
    assert.match((await scram(wire)).answer, /^x NO \[CANNOT\]/);
  });

  it('lets a client give up, and takes no nonsense', async () => {
    wire = await dial(world.port);
    wire.send(`a AUTHENTICATE SCRAM-SHA-256 ${base64('n,,n=ann@example.org,r=abc')}\r\n`);
    await wire.line();
    wire.send('*\r\n');
    assert.match(await wire.line(), /^a BAD/);
    for (const bad of ['', 'x', 'n,,', 'n,,n=,r=a', 'n,,n=a', 'n,,n=a,r=', 'n,,m=x,n=a,r=b', 'n,,n=a=zz,r=b', 'q,,n=a,r=b', `n,,n=${'a'.repeat(5000)},r=b`]) {
      assert.throws(() => parseClientFirst(base64(bad), false, false), { name: 'Malformed' }, bad);
    }
    assert.throws(() => parseClientFirst('n,,n=a,r=b', false, false), { name: 'Malformed' });
    for (const bad of ['', 'c=biws', 'c=biws,r=x', 'c=biws,p=AA==', 'r=x,p=AA==', 'c=b!,r=x,p=AA==', 'c=biws,r=x,p=AA==,z=1']) assert.throws(() => parseClientFinal(base64(bad)), { name: 'Malformed' }, bad);
    assert.equal(parseClientFirst(base64('n,,n=a=2Cb=3Dc,r=x'), false, false).user, 'a,b=c');
    assert.match((await scram(wire)).answer, /^x OK/);
  });

  it('reads the example of RFC 7677 §3', () => {
    const first = parseClientFirst('biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=', false, false);
    assert.deepEqual([first.user, first.nonce, first.bare], ['user', 'rOprNGfwEbeRWgbNEkqO', 'n=user,r=rOprNGfwEbeRWgbNEkqO']);
    const final = parseClientFinal(base64('c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='));
    assert.equal(final.withoutProof, 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0');
    assert.equal(final.proof.length, 32);
  });
});
