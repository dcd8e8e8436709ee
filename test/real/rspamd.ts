// A real rspamd of the test's own: a few rules, a Bayes filter in a file, no network.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freePorts } from '../ports.ts';
import { sleep } from './site.ts';

export const PASSWORD = 'a-word-for-tests';
const START_MS = 60_000;
/** Of the Debian package. */
const PLUGINS = '/usr/share/rspamd/plugins';

const RULES = `
local function subject(word)
  return function(task) return (task:get_subject() or ''):find(word, 1, true) ~= nil end
end
rspamd_config:register_symbol({ name = 'TEST_JUNK', callback = subject('junk'), score = 8, group = 'g' })
rspamd_config:register_symbol({ name = 'TEST_BAD', callback = subject('bad'), score = 20, group = 'g' })
rspamd_config:register_symbol({ name = 'TEST_SOFT', callback = function(task)
  if subject('soft')(task) then task:set_pre_result('soft reject', 'wait a little') end
end, score = 0, group = 'g' })
-- What one user calls junk need not be another's.
rspamd_config:register_symbol({ name = 'TEST_PICKY', callback = function(task)
  local to = task:get_recipients('smtp')
  return to and #to == 1 and to[1].user == 'picky'
end, score = 7, group = 'g' })
`;

/** What every virus scanner takes for a virus, by the agreement of their makers; in two pieces, so that this file is none. */
export const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');

/** Speaks as clamd does (INSTREAM), and knows that one virus. `scanned`: how many pieces it has looked at. */
export async function fakeClamd(): Promise<{ port: number; scanned: number; stop(): void }> {
  const server = createServer((socket) => {
    let all = Buffer.alloc(0);
    socket.on('error', () => {}).on('data', (piece) => {
      all = Buffer.concat([all, piece]);
      const begin = all.indexOf('INSTREAM') + 'INSTREAM'.length + 1;
      const pieces: Buffer[] = [];
      for (let at = begin; at + 4 <= all.length; ) {
        const size = all.readUInt32BE(at);
        if (size === 0) {
          clamd.scanned++;
          return void socket.end(`stream: ${Buffer.concat(pieces).includes(EICAR) ? 'Eicar-Signature FOUND' : 'OK'}\0`);
        }
        pieces.push(all.subarray(at + 4, (at += 4 + size)));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const clamd = { port: (server.address() as AddressInfo).port, scanned: 0, stop: () => void server.close() };
  return clamd;
}

export class RealRspamd {
  readonly url: string;
  #child: ChildProcess;

  /** `clamd`: port of a virus scanner that it asks. */
  static async start(folder: string, clamd: number): Promise<RealRspamd> {
    const [port] = await freePorts(1);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'rules.lua'), RULES);
    writeFileSync(join(folder, 'rspamd.conf'), `
options { pidfile = "${folder}/pid"; url_tld = "/dev/null"; disable_hyperscan = true; tempdir = "${folder}"; filters = ""; dns { nameserver = ["127.0.0.1:9:1"]; timeout = 0.1s; retransmits = 1; } }
lua = "${folder}/rules.lua";
logging { type = "file"; filename = "${folder}/log"; level = "info"; }
worker "controller" { bind_socket = "127.0.0.1:${port}"; count = 1; password = "${PASSWORD}"; enable_password = "${PASSWORD}"; secure_ip = []; }
modules { path = "${PLUGINS}/antivirus.lua"; }
antivirus { clamav { type = "clamav"; symbol = "CLAM_VIRUS"; servers = "127.0.0.1:${clamd}"; action = "reject"; message = 'virus found: "\${VIRUS}"'; scan_mime_parts = true; log_clean = true; } }
actions { reject = 15; add_header = 6; greylist = 4; }
classifier "bayes" {
  tokenizer { name = "osb"; }
  backend = "sqlite3";
  statfile { symbol = "BAYES_HAM"; path = "${folder}/ham.sqlite"; spam = false; }
  statfile { symbol = "BAYES_SPAM"; path = "${folder}/spam.sqlite"; spam = true; }
}
`);
    const child = spawn('rspamd', ['-f', '-i', '-c', join(folder, 'rspamd.conf')], { stdio: 'ignore' });
    const rspamd = new RealRspamd(`http://127.0.0.1:${port}`, child);
    const end = Date.now() + START_MS;
    while (!(await fetch(`${rspamd.url}/ping`).then((r) => r.ok, () => false))) {
      if (child.exitCode !== null || Date.now() > end) {
        await rspamd.stop();
        throw new Error('rspamd did not start');
      }
      await sleep(100);
    }
    return rspamd;
  }

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
    process.once('exit', () => child.kill('SIGKILL'));
  }

  /** How many messages it has learned from. */
  async learned(): Promise<number> {
    const stat = (await (await fetch(`${this.url}/stat`, { headers: { Password: PASSWORD } })).json()) as { statfiles: { symbol: string; revision: number }[] };
    return stat.statfiles.reduce((sum, s) => sum + s.revision, 0);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  }
}
