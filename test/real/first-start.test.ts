// `npm start` in a copy of the tracked files, as in a fresh clone.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Imap } from './imap.ts';
import { Mail, message } from './mail.ts';
import { until } from './site.ts';
import { freePorts } from '../ports.ts';
import { skip } from './tools.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('real: npm start', function () {
  this.timeout(90_000);
  let folder = '';
  let child: ChildProcess | null = null;
  before(function () {
    if (spawnSync('git', ['ls-files', '--error-unmatch', 'package.json'], { cwd: ROOT, stdio: 'ignore' }).status !== 0) skip(this, 'this is no git checkout, so it is not known which files are tracked (git clone it)');
    folder = mkdtempSync(join(tmpdir(), 'colombier-clone-'));
    for (const file of execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0')) {
      if (file === '' || !existsSync(join(ROOT, file))) continue;
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      copyFileSync(join(ROOT, file), join(folder, file));
    }
    // Links to each file, never one to the folder: should packages differ, `npm ci` empties its own node_modules only.
    const copied = spawnSync('cp', ['-al', join(ROOT, 'node_modules'), join(folder, 'node_modules')]).status === 0 || spawnSync('cp', ['-a', join(ROOT, 'node_modules'), join(folder, 'node_modules')]).status === 0;
    if (!copied) skip(this, 'node_modules can not be copied here (cp -a)');
  });
  after(() => {
    if (child?.pid && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  });

  interface Run {
    ports: { imap: number; lmtp: number };
    out: string;
    ctrlC(): Promise<number | null>;
  }

  async function start(): Promise<Run> {
    const [smtp, lmtp, imap, imaps] = await freePorts(4);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^COLOMBIER_|^npm_/i.test(name)));
    Object.assign(env, { COLOMBIER_SMTP_PORT: String(smtp), COLOMBIER_LMTP_PORT: String(lmtp), COLOMBIER_IMAP_PORT: String(imap), COLOMBIER_IMAPS_PORT: String(imaps), COLOMBIER_HTTP_PORT: '0', COLOMBIER_SUBMISSION_PORT: '0', COLOMBIER_SUBMISSIONS_PORT: '0' });
    // A group of its own, so that the signal goes to npm and to the program, as a terminal sends it.
    const running = spawn('npm', ['start'], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    child = running;
    let [out, err] = ['', ''];
    running.stdout!.on('data', (d) => (out += d));
    running.stderr!.on('data', (d) => (err += d));
    const ended = new Promise<number | null>((resolve) => running.once('close', resolve));
    await until(() => / ready /.test(err) || (running.exitCode !== null ? Promise.reject(new Error(`it ended: ${out}${err}`)) : false), 60_000, () => `not ready: ${out}${err}`);
    await until(() => /Ctrl-C ends it/.test(out));
    return {
      ports: { imap, lmtp },
      out,
      ctrlC() {
        process.kill(-running.pid!, 'SIGINT');
        return ended;
      },
    };
  }

  it('makes an account once, keeps all data, and Ctrl-C ends with 0', async () => {
    const first = await start();
    const value = (name: string) => [...first.out.matchAll(new RegExp(`^ +${name} +(\\S+)$`, 'gm'))].map((m) => m[1]);
    const [[address, ...more], [password], [code]] = [value('Address'), value('Password'), value('Recovery code')];
    assert.match(address, /^\S+@\S+$/);
    assert.deepEqual(more, []);
    assert.ok(password.length >= 16 && code.length >= 26, first.out);
    for (const port of Object.values(first.ports)) assert.match(first.out, new RegExp(`port ${port}\\b`));
    const mail = await Mail.connect(first.ports.lmtp, 'lmtp');
    await mail.stored(address, message('first-start'));
    const imap = await Imap.connect(first.ports.imap);
    await imap.ok(`LOGIN ${address} ${password}`);
    await imap.ok('CREATE Kept');
    assert.equal(await first.ctrlC(), 0);
    assert.ok(readdirSync(join(folder, 'data')).includes('store'));

    const second = await start();
    assert.doesNotMatch(second.out, /Password|Recovery code|cluster secret was made|certificate was made/i);
    for (const secret of [password, code]) assert.ok(!second.out.includes(secret));
    const again = await Imap.connect(second.ports.imap);
    await again.ok(`LOGIN ${address} ${password}`);
    assert.match((await again.ok('LIST "" Kept')).join(), /Kept/);
    await again.ok('SELECT INBOX');
    assert.match((await again.ok('FETCH 1 (BODY.PEEK[])')).join(), /token first-start/);
    assert.equal(await second.ctrlC(), 0);
    for (const talk of [mail, imap, again]) talk.close();
  });
});
