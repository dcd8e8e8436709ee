// Bad input and slow clients: a clear answer, bounded memory and time, and others served meanwhile.
import assert from 'node:assert/strict';
import { Proxies, limits, systemClock } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { dial, startWorld } from './dialogue.ts';
import type { World } from './dialogue.ts';

/** A clock whose time the test moves; what is due runs when it is moved. */
class HandClock implements Clock {
  time = 0;
  #due: { at: number; run: () => void }[] = [];
  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time;
  }
  sleep = systemClock.sleep;
  after(ms: number, run: () => void): () => void {
    const entry = { at: this.time + ms, run };
    this.#due.push(entry);
    return () => (this.#due = this.#due.filter((other) => other !== entry));
  }
  forward(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.#due.sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#due.shift();
      this.time = next.at;
      next.run();
    }
    this.time = end;
  }
}

const turn = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));

describe('imap: bounds', () => {
  let world: World;
  let clock: HandClock;
  beforeEach(async () => {
    clock = new HandClock();
    world = await startWorld({ clock });
  });
  afterEach(() => world.stop());

  it('an oversized line before log-in and after it', async () => {
    const before = await dial(world.port);
    before.send(`a LOGIN ${'x'.repeat(limits.imap_line_unauthenticated_bytes_max)} y\r\n`);
    assert.equal(await before.rest(), 'a BAD [TOOBIG] line too long\r\n* BYE line too long\r\n');
    const after = await dial(world.port, { login: true });
    after.send(`a FETCH ${'1,'.repeat(limits.imap_line_bytes_max / 2)}1 FLAGS\r\n`);
    assert.equal(await after.rest(), 'a BAD [TOOBIG] line too long\r\n* BYE line too long\r\n');
  });

  it('a line without end', async () => {
    const wire = await dial(world.port);
    wire.send('x'.repeat(100_000));
    assert.equal(await wire.rest(), '* BAD [TOOBIG] line too long\r\n* BYE line too long\r\n');
  });

  it('a sequence set of a megabyte', async () => {
    const inbox = world.user.mailbox('INBOX');
    for (let i = 0; i < 20; i++) inbox.add('x');
    const wire = await dial(world.port, { login: true });
    await wire.command('s', 'SELECT INBOX');
    const set = Array.from({ length: 100_000 }, (_, i) => (i * 7919 * 64) % 6_400_000 || 64).join(',');
    assert.ok(set.length > 700_000);
    assert.equal((await wire.command('a', `UID FETCH ${set} UID`)).length, 21);
    wire.close();
  });

  it('oversized literals: refused before they come, or skipped', async () => {
    const wire = await dial(world.port, { login: true });
    const size = limits.imap_literal_bytes_max + 1;
    assert.deepEqual(await wire.command('a', `SELECT {${size}}`), ['a BAD [TOOBIG] literal too large']);
    wire.send(`b SELECT {${size}+}\r\n${'x'.repeat(size)} {2+}\r\nab\r\nc NOOP\r\n`);
    assert.deepEqual(await wire.until('c'), ['b BAD [TOOBIG] literal too large', 'c OK NOOP completed']);
    const many = `{600000+}\r\n${'x'.repeat(600_000)} `.repeat(8);
    wire.send(`d SEARCH ${many}\r\ne NOOP\r\n`);
    assert.match((await wire.until('e'))[0], /^d BAD \[TOOBIG\]/);
    const lines = `${'x'.repeat(900_000)} {1+}\r\nx `.repeat(5);
    wire.send(`f SEARCH ${lines}\r\ng NOOP\r\n`);
    assert.match((await wire.until('g'))[0], /^f BAD \[TOOBIG\] command too long/);
    const early = await dial(world.port);
    assert.deepEqual(await early.command('a', 'LOGIN {1000000}'), ['a BAD [TOOBIG] literal too large']);
    early.send('b LOGIN {99999999999+}\r\n');
    assert.match(await early.rest(), /^b BAD \[TOOBIG\] literal too large\r\n\* BYE/);
    wire.close();
  });

  it('parentheses without end', async () => {
    const wire = await dial(world.port, { login: true });
    await wire.command('s', 'SELECT INBOX');
    assert.match((await wire.command('a', `LIST ${'('.repeat(100_000)}`))[0], /^a BAD /);
    assert.match((await wire.command('b', `SEARCH ${'('.repeat(100_000)}`))[0], /^b BAD /);
    assert.match((await wire.command('c', `SEARCH ${'NOT '.repeat(100_000)}ALL`))[0], /^c BAD /);
    wire.close();
  });

  it('long commands of all connections together, which are free again when their commands are done or gone', async () => {
    const kept = limits.imap_commands_bytes_max;
    limits.imap_commands_bytes_max = 200_000;
    try {
      const used = async (right: (bytes: number) => boolean) => {
        for (let i = 0; i < 500 && !right(world.server.commandRoom.used); i++) await turn();
        assert.ok(right(world.server.commandRoom.used), String(world.server.commandRoom.used));
      };
      const [first, second] = [await dial(world.port, { login: true }), await dial(world.port, { login: true })];
      const half = `SEARCH SUBJECT {200000+}\r\n${'x'.repeat(150_000)}`;
      const long = 'a SEARCH SUBJECT {200000+}'.length + 200_000 - limits.imap_command_small_bytes;
      const rest = `${'x'.repeat(50_000)}\r\n`;
      for (const wire of [first, second]) await wire.command('s', 'SELECT INBOX');
      first.send(`a ${half}`);
      await used((n) => n === long);
      assert.deepEqual(await second.command('a', 'SEARCH SUBJECT {200000}'), ['a BAD [TOOBIG] too many long commands at once, try again']);
      second.send(`b ${half}${rest}`);
      assert.deepEqual(await second.until('b'), ['b BAD [TOOBIG] too many long commands at once, try again']);
      assert.match((await second.command('c', `SEARCH SUBJECT {3+}\r\nabc`)).at(-1)!, /^c OK/);
      first.send(rest);
      assert.match((await first.until('a')).at(-1)!, /^a OK/);
      await used((n) => n === 0);
      second.send(`d ${half}`);
      await used((n) => n === long);
      second.close();
      await used((n) => n === 0);
      assert.match((await first.command('e', `${half}${rest.trimEnd()}`)).at(-1)!, /^e OK/);
      first.close();
      await turn();
      // A line that has not ended, and many small literals.
      const [line, small] = [await dial(world.port, { login: true }), await dial(world.port, { login: true })];
      line.send(`a SEARCH SUBJECT ${'x'.repeat(150_000)}`);
      await used((n) => n > 80_000);
      await small.command('s', 'SELECT INBOX');
      small.send(`b SEARCH ${`SUBJECT {60000+}\r\n${'x'.repeat(60_000)} `.repeat(6)}ALL\r\n`);
      assert.deepEqual(await small.until('b'), ['b BAD [TOOBIG] too many long commands at once, try again']);
      small.send(`c SEARCH SUBJECT ${'x'.repeat(300_000)}`);
      assert.equal(await small.rest(), 'c BAD [TOOBIG] too many long commands at once, try again\r\n* BYE too many long commands at once, try again\r\n');
      line.close();
      await used((n) => n === 0);
    } finally {
      limits.imap_commands_bytes_max = kept;
    }
  });

  it('too many connections from one address', async () => {
    const kept = limits.connections_per_address_max;
    limits.connections_per_address_max = 3;
    try {
      const wires = [await dial(world.port), await dial(world.port), await dial(world.port)];
      const fourth = await dial(world.port, { greeting: false });
      assert.equal(await fourth.rest(), '* BYE too many connections\r\n');
      wires[0].close();
      await turn();
      wires.push(await dial(world.port));
      for (const wire of wires) wire.close();
    } finally {
      limits.connections_per_address_max = kept;
    }
  });

  it('too many connections from the many addresses of one machine (IPv6)', async () => {
    const kept = limits.connections_per_address_max;
    limits.connections_per_address_max = 2;
    const proxied = await startWorld({ clock, proxies: new Proxies(['127.0.0.1'], clock) });
    const from = async (address: string) => {
      const wire = await dial(proxied.port, { greeting: false });
      wire.send(`PROXY TCP6 ${address} 2001:db8::ffff 4000 143\r\n`);
      return { wire, said: await wire.line() };
    };
    try {
      const first = await from('2001:db8::1');
      assert.match(first.said, /^\* OK /);
      assert.match((await from('2001:db8::2')).said, /^\* OK /);
      assert.equal((await from('2001:db8::3')).said, '* BYE too many connections');
      assert.match((await from('2001:db8:0:1::3')).said, /^\* OK /);
      first.wire.close();
      await turn();
      assert.match((await from('2001:db8::4')).said, /^\* OK /);
    } finally {
      limits.connections_per_address_max = kept;
      await proxied.stop();
    }
  });

  it('silence: before log-in a minute, afterwards half an hour, IDLE too', async () => {
    const early = await dial(world.port);
    const idle = await dial(world.port, { login: true });
    const idling = await dial(world.port, { login: true });
    idling.send('a IDLE\r\n');
    await idling.line();
    clock.forward(limits.imap_unauthenticated_ms_max + 10_000);
    assert.equal(await early.rest(), '* BYE idle for too long\r\n');
    clock.forward(limits.imap_idle_ms_max - limits.imap_unauthenticated_ms_max - 20_000);
    await idle.command('b', 'NOOP');
    clock.forward(20_000);
    assert.equal(await idling.rest(), '* BYE idle for too long\r\n');
    assert.deepEqual(await idle.command('c', 'NOOP'), ['c OK NOOP completed']);
    clock.forward(limits.imap_idle_ms_max + 10_000);
    assert.equal(await idle.rest(), '* BYE idle for too long\r\n');
  });

  it('commands without end and without log-in', async () => {
    const wire = await dial(world.port);
    for (let waited = 0; waited < limits.imap_login_ms_max; waited += 30_000) {
      assert.deepEqual(await wire.command('n', 'NOOP'), ['n OK NOOP completed']);
      clock.forward(30_000);
    }
    clock.forward(10_000);
    assert.equal(await wire.rest(), '* BYE idle for too long\r\n');
  });

  it('a TLS handshake that does not end', async () => {
    const wire = await dial(world.tlsPort, { greeting: false });
    await turn();
    clock.forward(limits.tls_handshake_ms_max + 10_000);
    assert.equal(await wire.rest(), '');
  });

  it('half a literal, then nothing', async () => {
    const wire = await dial(world.port, { login: true });
    wire.send('a APPEND INBOX {100}\r\n');
    await wire.line();
    wire.send('12345');
    await turn();
    clock.forward(limits.imap_idle_ms_max + 10_000);
    assert.equal(await wire.rest(), '* BYE idle for too long\r\n');
    assert.equal(world.user.mailbox('INBOX').count, 0);
  });

  it('a slow reader is waited for, a reader that takes nothing is cut off', async () => {
    const inbox = world.user.mailbox('INBOX');
    const body = Buffer.alloc(1_000_000, 'x');
    for (let i = 0; i < 60; i++) inbox.add(body);
    const wire = await dial(world.port, { login: true });
    await wire.command('s', 'SELECT INBOX');
    let reads = 0;
    world.user.before = (name) => void (name === 'read' && reads++);
    wire.socket.pause();
    wire.send('a FETCH 1:* BODY.PEEK[]\r\n');
    await turn(300);
    const first = reads;
    await turn(100);
    assert.equal(reads, first);
    const other = await dial(world.port, { login: true });
    assert.deepEqual(await other.command('b', 'NOOP'), ['b OK NOOP completed']);
    other.close();
    clock.forward(limits.imap_output_stalled_ms_max / 2);
    assert.equal(world.user.sessions.size, 2);
    // Progress gives more time.
    wire.socket.resume();
    await turn(30);
    wire.socket.pause();
    await turn(200);
    clock.forward(limits.imap_output_stalled_ms_max / 2 + 10_000);
    await turn();
    assert.ok(world.server.connections >= 1);
    clock.forward(limits.imap_output_stalled_ms_max + 10_000);
    await turn(50);
    assert.equal(world.server.connections, 0);
    assert.equal(world.user.sessions.size, 0);
    assert.equal(world.server.bugs, 0);
    wire.close();
  });

  it('what a client sends while its command waits stays with the client', async () => {
    const wire = await dial(world.port, { login: true });
    let release = () => {};
    world.user.before = () => new Promise<void>((resolve) => (release = resolve));
    wire.send('a STATUS INBOX (MESSAGES)\r\n');
    const size = 30_000_000;
    for (let i = 0; i < 30; i++) wire.send('b NOOP\r\n'.repeat(size / 30 / 8));
    await turn(300);
    // The kernel's buffers hold a few megabytes; the server must not hold the rest.
    assert.ok(wire.socket.writableLength > size / 2, String(wire.socket.writableLength));
    wire.close();
    release();
    await turn();
    assert.equal(world.server.bugs, 0);
  });

  it('a flood of pipelined commands is read as fast as it is answered', async () => {
    const wire = await dial(world.port, { login: true });
    const count = 20_000;
    wire.send(Array.from({ length: count }, (_, i) => `t${i} NOOP\r\n`).join(''));
    assert.equal((await wire.until(`t${count - 1}`)).length, count);
    wire.close();
  });
});
