// `npm run sites` as a person uses it: mail in at one site, out at the others, while a replica and a node are killed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { garageMissing } from '../real/garage.ts';
import { Imap } from '../real/imap.ts';
import { Mail } from '../real/mail.ts';
import { until } from '../real/site.ts';
import { skip } from '../real/tools.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/sites.mjs', import.meta.url));

interface Place {
  imap: string;
  smtp: string;
  http: string;
  pid: number;
  node: number;
}

const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);

async function socketTo(place: string) {
  const [host, port] = place.split(':');
  const socket = connect(Number(port), host);
  socket.setNoDelay(true);
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}

describe('npm run sites', function () {
  this.timeout(120_000);
  let child: ChildProcess;
  let out = '';
  let places: Place[];
  let user: string;
  let password: string;

  before(async function () {
    const missing = garageMissing();
    if (missing) return skip(this, missing);
    child = spawn(process.execPath, [SCRIPT, '--free-ports'], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdout!.on('data', (d) => (out += d));
    await says(/Ctrl-C +take all of it down/, 90_000);
    places = [...out.matchAll(/^ {2}site \d +(\S+) +\S+ +(\S+) +(\S+) +(\d+) +http:\S+ +(\d+)$/gm)].map(([, imap, smtp, http, pid, node]) => ({ imap, smtp, http, pid: Number(pid), node: Number(node) }));
    assert.equal(places.length, 3, out);
    [, user] = /^User name +(\S+)$/m.exec(out)!;
    [, password] = /^Password +(\S+)$/m.exec(out)!;
  });
  after(() => {
    if (child?.exitCode === null) child.kill('SIGTERM');
  });

  const says = (what: RegExp, ms = 30_000) => until(() => what.test(out) || (child.exitCode === null ? false : Promise.reject(new Error(`it ended: ${out}`))), ms, () => `never says ${what}: ${out}`);
  async function deliver(at: number, subject: string): Promise<void> {
    const mail = new Mail(await socketTo(places[at].smtp));
    await mail.reply();
    await mail.say('EHLO test.example');
    await mail.stored(user, Buffer.from(`From: a@b.example\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@b.example>\r\n\r\nx\r\n`));
    mail.close();
  }
  async function read(at: number): Promise<string[]> {
    const imap = new Imap(await socketTo(places[at].imap));
    try {
      await imap.hears(/^OK/);
      await imap.ok(`LOGIN ${user} ${password}`);
      await imap.ok('SELECT INBOX');
      const rows = await imap.ok('FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])');
      return rows.map((row) => /Subject: (\S+)/.exec(row)?.[1]).filter((s) => s !== undefined);
    } finally {
      imap.close();
    }
  }
  async function types(line: string, answer: RegExp): Promise<void> {
    out = '';
    child.stdin!.write(`${line}\n`);
    await says(answer);
  }

  it('delivers at one site and shows it at another; all three are ready and know each other', async () => {
    await deliver(0, 'one');
    assert.deepEqual(await read(1), ['one']);
    assert.deepEqual(await read(2), ['one']);
    for (const { http } of places) {
      assert.equal((await fetch(`http://${http}/ready`)).status, 200);
      await until(async () => /colombier_peers\{state="connected"\} 2/.test(await (await fetch(`http://${http}/metrics`)).text()), 15_000);
    }
  });

  it('goes on without a replica and a node of another site', async () => {
    await types('kill 1', /replica 1: down/);
    assert.ok(!alive(places[0].pid));
    await types('kill node 2', /node 2: down/);
    assert.ok(!alive(places[1].node));
    // The replica at site 2 has lost its own node and asks another site's.
    await deliver(1, 'two');
    for (const at of [1, 2]) assert.deepEqual(await read(at), ['one', 'two']);
    await types('start node 2', /node 2: runs/);
    await types('start 1', /replica 1: runs/);
    // A Garage node that has just returned gives no good answers for some seconds: nobody notices.
    for (const at of [0, 1]) assert.deepEqual(await read(at), ['one', 'two']);
    await types('what?', /Type:/);
  });

  it('Ctrl-C takes all of it down, and nothing stays', async () => {
    await types('status', /site 3 .*\n/);
    const pids = [...out.matchAll(/^ {2}site .* (\d+) +http:\S+ +(\d+)$/gm)].flatMap((m) => [Number(m[1]), Number(m[2])]);
    assert.equal(pids.length, 6);
    assert.ok(pids.every(alive));
    const ended = new Promise((resolve) => child.once('exit', (status, signal) => resolve(signal ?? status)));
    child.kill('SIGINT');
    child.kill('SIGINT'); // npm sends it again
    assert.equal(await ended, 0);
    assert.deepEqual(pids.filter(alive), []);
    await assert.rejects(socketTo(places[2].imap));
  });
});
