// Dovecot 2.3 with Maildir in a temp folder and with ports of its own, set up as a careful administrator would for speed: all
// services reuse their processes, logins run in the "high-performance" way, what authenticates is cached, and what it answers
// for is on disk first (its default for LMTP and APPEND).
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { argon2Sync, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ARGON2_COST } from '../../../src/seal/index.ts';
import { open } from '../wire.ts';
import { DOMAIN, UNSEEN, USERS, eventually } from './host.ts';
import { freePorts } from '../../ports.ts';
import type { Host, User } from './host.ts';
import { tree } from './process-memory.ts';

const BINARY = '/usr/sbin/dovecot';
/** Debian's "nobody": Dovecot stores no mail as root. */
const NOBODY = 65534;

/** Null, or why there is no Dovecot and how to get it. */
export function dovecotMissing(): string | null {
  if (!existsSync(BINARY) || !existsSync('/usr/lib/dovecot/lmtp')) return 'Dovecot is not installed (Debian: apt-get install dovecot-imapd dovecot-lmtpd)';
  const version = execFileSync(BINARY, ['--version'], { encoding: 'utf8' });
  if (!version.startsWith('2.3.')) return `Dovecot ${version.trim()} is not the 2.3 that this compares with`;
  return process.getuid?.() === 0 ? null : 'Dovecot is measured only as root, who may start its processes';
}

/** Starts it. `cert` and `key` are files in PEM. */
export async function startDovecot(folder: string, tls: { cert: string; key: string }): Promise<Host> {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'home'));
  chownSync(join(folder, 'home'), NOBODY, NOBODY);
  const named = (name: string): User => ({ address: `${name}@${DOMAIN}`, password: randomBytes(9).toString('hex') });
  const users = Array.from({ length: USERS }, (_, i) => named(`u${i}`));
  const unseen = Array.from({ length: UNSEEN }, (_, i) => named(`new${i}`));
  const big = named('big');
  const returning = named('returning');
  const durable = named('durable');
  const lines = [...users, big, returning, durable].map((u) => `${u.address}:{PLAIN}${u.password}`);
  for (const u of unseen) lines.push(`${u.address}:{ARGON2ID}${argon2id(u.password)}`);
  writeFileSync(join(folder, 'users'), `${lines.join('\n')}\n`, { mode: 0o644 });
  writeFileSync(join(folder, 'synced'), `${durable.address}::${NOBODY}:${NOBODY}::${folder}/home/${durable.address}::userdb_mail_fsync=always\n`, { mode: 0o644 });
  const [lmtp, imap, imaps] = await freePorts(3);
  const config = join(folder, 'dovecot.conf');
  writeFileSync(config, settings(folder, { lmtp, imap, imaps }, tls));
  return new Dovecot(folder, config, { lmtp, imap, imaps }, { users, big, returning, durable, unseen }).start();
}

function argon2id(password: string): string {
  const nonce = randomBytes(16);
  const { memoryKib, passes } = ARGON2_COST;
  const hash = argon2Sync('argon2id', { message: password, nonce, memory: memoryKib, passes, parallelism: 1, tagLength: 32 });
  const text = (b: Buffer) => b.toString('base64').replaceAll('=', '');
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$${text(nonce)}$${text(hash)}`;
}

const settings = (folder: string, ports: { lmtp: number; imap: number; imaps: number }, tls: { cert: string; key: string }): string => `
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <${tls.cert}
ssl_key = <${tls.key}
disable_plaintext_auth = no
auth_mechanisms = plain
auth_cache_size = 16 M
auth_verbose = no
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_max_userip_connections = 10000
mailbox_list_index = yes
default_client_limit = 4000
default_process_limit = 2000
default_vsz_limit = 1 G
passdb {
  driver = passwd-file
  args = username_format=%u ${folder}/users
}
userdb {
  driver = passwd-file
  args = username_format=%u ${folder}/synced
}
userdb {
  driver = static
  args = uid=${NOBODY} gid=${NOBODY} home=${folder}/home/%u
}
namespace inbox {
  inbox = yes
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  process_limit = 2
  client_limit = 4000
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.imaps}
    ssl = yes
  }
}
service imap {
  service_count = 0
  process_min_avail = 8
  process_limit = 2000
}
service lmtp {
  service_count = 0
  process_min_avail = 8
  process_limit = 100
  inet_listener lmtp {
    port = ${ports.lmtp}
  }
}
service auth {
  client_limit = 8000
}
service anvil {
  client_limit = 8000
}
service stats {
  client_limit = 8000
}
`;

class Dovecot implements Host {
  readonly name = 'Dovecot';
  readonly lmtp: number;
  readonly imap: number;
  readonly imaps: number;
  readonly users: readonly User[];
  readonly big: User;
  readonly returning: User;
  readonly durable: User;
  readonly unseen: readonly User[];
  readonly second = null;
  readonly #folder: string;
  readonly #config: string;
  #child: ChildProcess | null = null;

  constructor(folder: string, config: string, ports: { lmtp: number; imap: number; imaps: number }, people: Pick<Host, 'users' | 'big' | 'returning' | 'durable' | 'unseen'>) {
    this.#folder = folder;
    this.#config = config;
    this.lmtp = ports.lmtp;
    this.imap = ports.imap;
    this.imaps = ports.imaps;
    this.users = people.users;
    this.big = people.big;
    this.returning = people.returning;
    this.durable = people.durable;
    this.unseen = people.unseen;
  }

  async start(): Promise<this> {
    const child = spawn(BINARY, ['-F', '-c', this.#config], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    let said = '';
    child.stderr!.on('data', (chunk: Buffer) => (said += chunk));
    child.once('exit', () => {
      if (this.#child === child) this.#child = null;
    });
    try {
      for (const port of [this.lmtp, this.imap, this.imaps]) (await eventually(() => open({ port }), () => this.#child === child)).destroy();
    } catch (e) {
      await this.stop();
      const log = existsSync(join(this.#folder, 'log')) ? readFileSync(join(this.#folder, 'log'), 'utf8').slice(-1000) : '';
      throw new Error(`Dovecot did not start: ${e}\n${said}${log}`, { cause: e });
    }
    return this;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Without its index and cache files. What gives messages their UIDs (dovecot-uidlist) and keywords stays: that is no cache. */
  async forget(): Promise<void> {
    await this.stop();
    const home = join(this.#folder, 'home');
    for (const name of readdirSync(home, { recursive: true, encoding: 'utf8' })) if (/(^|\/)dovecot\.(list\.)?index[^/]*$/.test(name)) rmSync(join(home, name));
    await this.start();
  }

  processes(): number[] {
    return this.#child ? tree(this.#child.pid!) : [];
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const all = this.processes();
    child.kill('SIGTERM');
    await ended;
    // Its children end when they notice; ports and memory must be free before the next start.
    for (const pid of all.slice(1)) await eventually(async () => gone(pid), () => true, 5000).catch(() => process.kill(pid, 'SIGKILL'));
  }
}

function gone(pid: number): void {
  if (existsSync(`/proc/${pid}`)) throw new Error('still there');
}
