import assert from 'node:assert/strict';
import { answerer, remoteAdmin } from '../../src/admin-channel.ts';
import { Corrupt, Malformed, Refused, ReplicaAway, Unavailable, createLogger, silent } from '../../src/base/index.ts';
import type { Asking } from '../../src/peers/index.ts';
import { FakeSystem } from './fake-server.ts';

describe('the command line through a replica', () => {
  let system: FakeSystem;
  let log = '';
  const pipe = (admin = () => system.admin as FakeSystem['admin'] | null) => {
    const answer = answerer(admin, createLogger('debug', (line) => void (log += line)));
    const asking = { ask: (request: Buffer, tell: (m: Buffer) => void) => answer(request, async (m) => tell(m)), close: () => {} };
    return { answer, remote: remoteAdmin(asking as unknown as Asking) };
  };
  beforeEach(() => {
    system = new FakeSystem();
    log = '';
  });

  it('carries every command with its arguments and its answer', async () => {
    const { remote } = pipe();
    system.answers.userAdd = { id: 'u', address: 'a@x.test', recoveryCode: 'code' };
    system.answers.domains = [{ domain: 'x.test', users: 1, addresses: 2 }];
    assert.deepEqual(await remote.userAdd('a@x.test', 'pässword'), system.answers.userAdd);
    assert.deepEqual(await remote.domains(), system.answers.domains);
    assert.equal(await remote.domainAdd('x.test') ?? undefined, undefined);
    await remote.users(null);
    await remote.password('a@x.test', { recoveryCode: 'c' }, 'new');
    system.answers.check = (_: string, found: (f: object) => void) => {
      found({ user: 'u', object: null, problem: 'one' });
      found({ user: 'u', object: 'x', problem: 'two' });
      return { users: 1, objects: 2, bytes: 3, findings: 2 };
    };
    const problems: string[] = [];
    assert.equal((await remote.check('a@x.test', (f) => problems.push(f.problem), { password: 'p' })).findings, 2);
    assert.deepEqual(problems, ['one', 'two']);
    await remote.check(null, () => {});
    await remote.check(null, () => {}, undefined, true);
    assert.deepEqual(system.calls.map((c) => c.filter((x) => typeof x !== 'function')), [
      ['userAdd', 'a@x.test', 'pässword'],
      ['domains'],
      ['domainAdd', 'x.test'],
      ['users', null],
      ['password', 'a@x.test', { recoveryCode: 'c' }, 'new'],
      ['check', 'a@x.test', { password: 'p' }],
      ['check', null, undefined],
      ['check', null, undefined, true],
    ]);
    assert.equal(log, '');
  });

  it('gives back the four kinds of error; a bug is told to the replica\'s log without what was asked', async () => {
    const { remote } = pipe();
    for (const e of [new Malformed('m'), new Refused('r', 'NONEXISTENT'), new Unavailable('u'), new ReplicaAway('a'), new Corrupt('c')]) {
      system.answers.user = e;
      await assert.rejects(remote.user('x'), (got: Error & { code?: string }) => got.name === e.name && got.message === e.message && got.constructor === e.constructor && (got.code ?? null) === ((e as Refused).code ?? null));
    }
    system.answers.userAdd = new TypeError('a bug');
    await assert.rejects(remote.userAdd('a@x.test', 'very-secret'), (e) => e instanceof ReplicaAway && /error of its own/.test(e.message));
    assert.match(log, /a bug/);
    assert.doesNotMatch(log, /very-secret/);
    await assert.rejects(pipe(() => null).remote.domains(), (e) => e instanceof ReplicaAway && /starting or stopping/.test(e.message));
  });

  it('does nothing that is not a command with its arguments', async () => {
    const { answer } = pipe();
    for (const request of ['', 'null', '7', '{}', '{"method":"close","args":[]}', '{"method":"constructor","args":[]}', '{"method":"__proto__","args":[]}', '{"method":"user","args":[]}', '{"method":"user","args":[7]}', '{"method":"user","args":["a","b"]}', '{"method":"password","args":["a",{},"b"]}', '{"method":"password","args":["a",{"password":"x","recoveryCode":"y"},"b"]}', '{"method":"check","args":[]}', '{"method":"check","args":["a","b"]}', '{"method":"user","args":{"length":1}}']) {
      const { error } = JSON.parse(String(await answer(Buffer.from(request), async () => {}))) as { error: { kind: string } };
      assert.equal(error?.kind, 'Malformed', request);
    }
    assert.deepEqual(system.calls, []);
  });

  it('a check stops at the next finding when nobody listens', async () => {
    let told = 0;
    system.answers.check = async (_: unknown, found: (f: object) => void) => {
      for (;;) {
        found({ user: 'u', object: null, problem: 'x' });
        await new Promise((r) => setImmediate(r));
      }
    };
    const answer = answerer(() => system.admin, silent);
    const bytes = await answer(Buffer.from('{"method":"check","args":[null]}'), async () => {
      if (++told > 3) throw new Unavailable('gone');
    });
    assert.match(String(bytes), /nobody listens/);
  });
});
