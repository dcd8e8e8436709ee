// Whoever reads what a process says goes away, or the disk takes no more of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { MAIN, Site, cleanEnv } from './site.ts';
import { freePorts } from '../ports.ts';
import { skip } from './tools.ts';

describe('real: output that nobody reads', function () {
  this.timeout(60_000);
  let site: Site;
  const children: ChildProcess[] = [];
  before(async () => {
    site = new Site();
    await site.people('ann');
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await site.end();
  });

  const begin = (words: string[], out: 'pipe' | number, settings: Record<string, string> = {}): ChildProcess => {
    const child = spawn(process.execPath, [MAIN, ...words], { env: { ...cleanEnv(), ...site.settings, ...settings }, stdio: ['ignore', out, 'pipe'] });
    children.push(child);
    return child;
  };
  const said = async (child: ChildProcess): Promise<string> => {
    let text = '';
    for await (const piece of child.stderr!) text += piece;
    return text;
  };

  it('by a command: it ends with status 1, and says nothing', async () => {
    const child = begin(['user', 'list'], 'pipe');
    child.stdout!.destroy();
    const [err, [status]] = await Promise.all([said(child), once(child, 'exit')]);
    assert.deepEqual([err, status], ['', 1]);
  });

  it('to a disk that is full: a line says so', async function () {
    if (!existsSync('/dev/full')) skip(this, 'there is no /dev/full');
    const full = openSync('/dev/full', 'w');
    const child = begin(['user', 'list'], full);
    const [err, [status]] = await Promise.all([said(child), once(child, 'exit')]);
    closeSync(full);
    assert.deepEqual([err, status], ['colombier: what is to be shown could not be written: ENOSPC\n', 1]);
  });

  it('by a replica: it serves on without its log, and ends as it should', async () => {
    const [imap] = await freePorts(1);
    const off = Object.fromEntries(['SMTP', 'LMTP', 'IMAPS', 'SUBMISSION', 'SUBMISSIONS', 'HTTP'].map((name) => [`COLOMBIER_${name}_PORT`, '0']));
    const child = begin(['serve'], 'pipe', { ...off, COLOMBIER_IMAP_PORT: String(imap) });
    for await (const line of child.stderr!.iterator({ destroyOnReturn: false })) if (String(line).includes(' ready ')) break;
    child.stderr!.destroy();
    // Each is a line of the log.
    for (let i = 0; i < 3; i++) {
      const socket = connect(imap, '127.0.0.1');
      socket.write('a LOGIN nobody@real.example wrong\r\n');
      let answer = '';
      for await (const piece of socket) if ((answer += piece).includes('\r\na ')) break;
      assert.match(answer, /^a NO /m);
    }
    child.kill('SIGTERM');
    const [status] = await once(child, 'exit');
    assert.equal(status, 0);
  });
});
