// Libraries that mail programs are made with: IMAPClient (Python), go-imap (Go), Roundcube's own (PHP). Each makes a round of all
// that it can, and what it reads at the end is what the server has.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonMissing } from '../seal/python.ts';
import { line, serverShelf } from './agreement.ts';
import { message } from './mail.ts';
import { Site } from './site.ts';
import type { Person, Replica } from './site.ts';
import { needs, skip } from './tools.ts';

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'colombier');
const RUN_MS = 40_000;
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const MIXED = Buffer.from(
  [
    'From: =?utf-8?q?J=C3=BCrgen?= <j@elsewhere.example>', 'To: ann@real.example', 'Subject: =?utf-8?b?R3LDvMOfZQ==?=', 'Message-ID: <mixed@elsewhere.example>',
    'Date: Tue, 03 Jan 2023 10:00:00 +0100', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b1', '',
    '--b1', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: quoted-printable', '', 'Gr=C3=BC=C3=9Fe aus K=C3=B6ln',
    '--b1', 'Content-Type: application/octet-stream; name=x.bin', 'Content-Transfer-Encoding: base64', 'Content-Disposition: attachment; filename=x.bin', '',
    Buffer.alloc(3000, 7).toString('base64').match(/.{1,76}/g)!.join('\r\n'), '--b1--', '',
  ].join('\r\n'),
);

describe('real: libraries', function () {
  this.timeout(120_000);
  let site: Site;
  let people: Record<'ann' | 'bob' | 'cyd', Person>;
  let replica: Replica;
  before(async () => {
    site = new Site();
    people = await site.people('ann', 'bob', 'cyd');
    replica = await site.start();
  });
  after(() => site.end());

  /** Runs a round for this person, whose INBOX has eight messages; brings one more when it says "idle". */
  async function round(person: Person, program: string, ...words: string[]): Promise<void> {
    const imap = await replica.client(person);
    for (let i = 0; i < 7; i++) await imap.append('INBOX', message(`all-${i}`, 300 + 1500 * i), i % 2 === 0 ? '\\Seen' : '');
    await imap.append('INBOX', MIXED);
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS);
    child.stdin.on('error', () => {}).end(`${JSON.stringify({ port: replica.imap, imaps: replica.imaps, ...person })}\n`);
    let [out, err] = ['', ''];
    let brought: Promise<unknown> = Promise.resolve();
    child.stderr.on('data', (d) => (err += d));
    child.stdout.on('data', (d) => {
      if (/^idle$/m.test(out)) out += d;
      else if (/^idle$/m.test((out += d))) brought = replica.sender().then((sender) => sender.stored(person.address, message('all-idle')));
    });
    const status = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    clearTimeout(timer);
    await brought;
    assert.equal(status, 0, out.slice(-1000) + err);
    const read = JSON.parse(out.trim().split('\n').at(-1)!) as Record<string, [string, string[] | null][]>;
    const shelf = Object.fromEntries(Object.entries(read).map(([mailbox, rows]) => [mailbox, rows.map(([text, flags]) => line(text, flags ?? [])).sort()]));
    const expected = await serverShelf(imap);
    assert.deepEqual(shelf, expected);
    // And that is what the round was meant to make.
    const row = (n: number, ...flags: string[]) => line(message(`all-${n}`, 300 + 1500 * n).toString('latin1'), flags);
    const arrived = out.includes('idle\n') ? [line(message('all-idle').toString('latin1'), [])] : [];
    assert.deepEqual(expected.INBOX.slice().sort(), [row(0), row(1, '\\Flagged'), row(2, '\\Seen'), row(3, '\\Flagged'), row(6, '\\Seen'), line(MIXED.toString('latin1'), []), ...arrived].sort());
    assert.deepEqual(expected.Archive, [row(4, '\\Seen')]);
    assert.equal(expected.Neu.length, 2);
  }

  it('IMAPClient', async function () {
    const missing = pythonMissing();
    if (missing !== null) skip(this, missing);
    await round(people.ann, join(CACHE, 'python', 'bin', 'python'), file('imapclient_round.py'));
  });

  it('go-imap', async function () {
    const program = join(CACHE, 'go-imap-round');
    if (!existsSync(program)) skip(this, 'the Go client is not built: node scripts/mail-libraries.mjs');
    await round(people.bob, program);
  });

  it("Roundcube's library", async function () {
    needs(this, 'php', ['-r', 'mb_internal_encoding();'], 'apt install php-cli php-mbstring');
    const folder = join(CACHE, 'roundcube', 'usr/share/roundcube/program/lib/Roundcube');
    if (!existsSync(folder)) skip(this, "Roundcube's library is not there: node scripts/mail-libraries.mjs");
    await round(people.cyd, 'php', file('roundcube_round.php'), folder);
  });
});
