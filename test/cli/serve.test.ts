import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FakeSystem } from './fake-server.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

describe('cli/serve', () => {
  /** Runs until the signal is given to this process: the test gives it when `ready` was said. */
  async function served(system: FakeSystem, line: string) {
    const running = system.run(`${line} --log-level info`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.emit('SIGTERM', 'SIGTERM');
    return running;
  }

  it('makes a first domain and user, and says how to reach them, once', async () => {
    const system = new FakeSystem();
    system.answers = { domains: [], userAdd: { id: 'u', address: 'me@colombier.test', recoveryCode: 'code-1' } };
    const { status, out, err } = await served(system, 'start');
    assert.equal(status, 0, err);
    assert.equal(system.stopped, 1);
    assert.deepEqual(system.calls.slice(0, 2), [['domains'], ['domainAdd', 'colombier.test']]);
    const password = system.calls[2][2] as string;
    assert.match(password, /^(\w{4}-){3}\w{4}$/);
    for (const text of ['a notice\n', 'me@colombier.test', password, 'code-1', '127.0.0.1 port 1143, STARTTLS', '127.0.0.1 port 1025', 'LMTP  off']) assert.ok(out.includes(text), `${text} in ${out}`);
    assert.doesNotMatch(err, new RegExp(`${password}|code-1`));
    assert.match(err, /info - ready smtp=1025 imap=1143 pid=\d+\n.*stopping signal=SIGTERM\n.*stopped\n/);

    const again = new FakeSystem();
    again.answers = { domains: [{ domain: 'colombier.test', users: 1, addresses: 1 }] };
    const second = await served(again, 'start');
    assert.deepEqual(again.calls, [['domains']]);
    assert.doesNotMatch(second.out, /first account|Password/);
  });

  it('takes another first address, and makes none for serve', async () => {
    const system = new FakeSystem();
    system.answers = { domains: [], userAdd: { id: 'u', address: 'ann@example.org', recoveryCode: 'c' } };
    await served(system, 'start --address ann@example.org');
    assert.deepEqual(system.calls.map((c) => c.slice(0, 2)), [['domains'], ['domainAdd', 'example.org'], ['userAdd', 'ann@example.org']]);
    const plain = new FakeSystem();
    plain.answers = { domains: [] };
    const { status, err } = await served(plain, 'serve');
    assert.equal(status, 0);
    assert.deepEqual(plain.calls, [['domains']]);
    assert.match(err, /warn - the store has no domain: all mail is put off until "domain add" makes one/);
    plain.answers = { domains: [{ domain: 'x.test', users: 0, addresses: 0 }] };
    assert.doesNotMatch((await served(plain, 'serve')).err, /warn/);
    assert.equal((await plain.run('start --address nobody')).err, 'colombier: address: "nobody" is no mail address\n');
  });

  describe('as a process', () => {
    let folder: string;
    let child: ChildProcess;
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'colombier-'))));
    afterEach(() => {
      child?.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    });

    /** A process whose stop takes `stopMs`. */
    function start(stopMs: number): { output: () => string; ended: Promise<number | null>; ready: Promise<void> } {
      const script = join(folder, 'main.ts');
      writeFileSync(
        script,
        `import { run } from ${JSON.stringify(here('../../src/cli/run.ts'))};
        const service = { ports: {}, notices: [], admin: { domains: async () => ['x.test'] }, stop: () => new Promise((r) => setTimeout(r, ${stopMs})) };
        const server = async () => ({ serve: async () => { setTimeout(() => { throw new Error('a bug'); }, 5); setInterval(() => {}, 1000).unref(); globalThis.keep = setInterval(() => {}, 1000); return { ...service, stop: async () => { await service.stop(); clearInterval(globalThis.keep); } }; }, admin: async () => ({}) });
        process.exitCode = await run(['serve'], { stdin: process.stdin, out: (t) => process.stdout.write(t), err: (t) => process.stderr.write(t), env: {}, server });`,
      );
      child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      let isReady = () => {};
      const ready = new Promise<void>((resolve) => (isReady = resolve));
      for (const s of [child.stdout!, child.stderr!]) {
        s.on('data', (d) => {
          text += d;
          if (text.includes('a bug')) isReady();
        });
      }
      return { output: () => text, ended: new Promise((resolve) => child.on('exit', resolve)), ready };
    }

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      it(`drains on ${signal} and exits 0, and survives a bug`, async () => {
        const p = start(50);
        await p.ready;
        child.kill(signal);
        child.kill(signal);
        assert.equal(await p.ended, 0, p.output());
        assert.match(p.output(), /error - bug reason="Error: a bug"/);
        assert.match(p.output(), /stopped\n/);
      });

    it('ends at once on a later second signal', async () => {
      const p = start(20_000);
      await p.ready;
      child.kill('SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 1200));
      child.kill('SIGTERM');
      assert.equal(await p.ended, 1);
      assert.match(p.output(), /ended at once\n$/);
    });
  });
});
