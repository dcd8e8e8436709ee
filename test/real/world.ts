// The world around a mail server, on loopback: a resolver that checks the signatures of zones made here (unbound), and another
// mail server (Postfix) with mailboxes for some domains. Each with settings and folders of its own, ended by its own id.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { freePorts } from '../ports.ts';
import { until } from './site.ts';
import { run } from './tools.ts';

/** Debian's "nobody". */
const NOBODY = 65534;

/** Why there is no such world here, or null. */
export function worldMissing(): string | null {
  for (const program of ['/usr/sbin/postfix', '/usr/sbin/unbound', '/usr/bin/ldns-signzone', '/usr/bin/swaks']) {
    if (!existsSync(program)) return `${program} is not installed (Debian: apt-get install postfix unbound ldnsutils swaks)`;
  }
  if (!/TLS supported/.test(spawnSync('/usr/bin/swaks', ['--support'], { encoding: 'utf8' }).stdout)) return 'swaks has no TLS (Debian: apt-get install libnet-ssleay-perl)';
  return process.getuid?.() === 0 ? null : 'Postfix starts as root only';
}

async function listens(port: number, child: ChildProcess, log: () => string): Promise<void> {
  const ask = () => new Promise<boolean>((resolve, reject) => {
    if (child.exitCode !== null || child.signalCode !== null) return reject(new Error(`it ended: ${log()}`));
    const socket = createConnection({ host: '127.0.0.1', port }, () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
  await until(ask, 20_000, () => `nothing listens: ${log()}`);
}

/** Ends with the tests, whatever becomes of them. */
function guarded(child: ChildProcess): ChildProcess {
  const orphan = () => child.kill('SIGKILL');
  process.once('exit', orphan);
  child.once('exit', () => process.off('exit', orphan));
  return child;
}
const ended = (child: ChildProcess) => new Promise<void>((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve())));

export interface Zone {
  name: string;
  /** Lines of a zone file. */
  records: string;
  signed: boolean;
}

export class Resolver {
  readonly port: number;
  readonly #folder: string;
  #child: ChildProcess | null = null;

  constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
    mkdirSync(folder, { recursive: true });
  }

  /** Starts it with these zones, or anew with others. */
  async serve(zones: Zone[]): Promise<void> {
    await this.stop();
    const anchors: string[] = [];
    const lines = ['server:', ` interface: 127.0.0.1@${this.port}`, ' access-control: 127.0.0.0/8 allow', ' username: ""', ' chroot: ""', ` directory: "${this.#folder}"`, ` pidfile: "${join(this.#folder, 'pid')}"`, ' do-daemonize: no', ' use-syslog: no', ` logfile: "${join(this.#folder, 'log')}"`, ' num-threads: 1', ' do-ip6: no', ' module-config: "validator iterator"'];
    const parts: string[] = [];
    for (const zone of zones) {
      const file = join(this.#folder, `${zone.name}.zone`);
      writeFileSync(file, `$TTL 5\n${zone.name}. IN SOA ns.${zone.name}. admin.${zone.name}. 1 3600 600 86400 5\n${zone.name}. IN NS ns.${zone.name}.\nns.${zone.name}. IN A 127.0.0.1\n${zone.records}\n`);
      if (zone.signed) {
        const made = await run('/usr/bin/ldns-keygen', ['-a', 'ECDSAP256SHA256', '-k', '-r', '/dev/urandom', zone.name], { cwd: this.#folder });
        const key = made.out.trim();
        const signed = await run('/usr/bin/ldns-signzone', ['-f', `${file}.signed`, file, key], { cwd: this.#folder });
        if (signed.status !== 0) throw new Error(`ldns-signzone: ${made.err}${signed.err}`);
        anchors.push(` trust-anchor-file: "${join(this.#folder, `${key}.key`)}"`);
      }
      parts.push('auth-zone:', ` name: "${zone.name}"`, ` zonefile: "${zone.signed ? `${file}.signed` : file}"`, ' for-upstream: yes', ' for-downstream: no', ' fallback-enabled: no');
    }
    const config = join(this.#folder, 'unbound.conf');
    writeFileSync(config, `${[...lines, ...anchors, ...parts, 'remote-control:', ' control-enable: no'].join('\n')}\n`);
    this.#child = guarded(spawn('/usr/sbin/unbound', ['-d', '-c', config], { stdio: 'ignore' }));
    await listens(this.port, this.#child, () => readFileSync(join(this.#folder, 'log'), 'utf8'));
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    child?.kill('SIGTERM');
    if (child) await ended(child);
  }
}

export interface PostfixSettings {
  folder: string;
  hostname: string;
  /** Domains whose mail it keeps, in one mailbox. */
  domains: string[];
  /** Other domains: `domain` → port of a server on loopback. */
  routes: Record<string, number>;
  /** PEM. */
  tls: { key: string; cert: string };
  /** Lines of main.cf. */
  more?: string[];
}

const SERVICES = `pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

export class Postfix {
  readonly port: number;
  readonly #o: PostfixSettings;
  #child: ChildProcess | null = null;

  static async start(settings: PostfixSettings): Promise<Postfix> {
    const [port] = await freePorts(1);
    const postfix = new Postfix(settings, port);
    await postfix.start();
    return postfix;
  }

  private constructor(settings: PostfixSettings, port: number) {
    this.#o = settings;
    this.port = port;
  }

  async start(): Promise<void> {
    const { folder, hostname, domains, routes, tls, more = [] } = this.#o;
    const at = (name: string) => join(folder, name);
    const owner = Number(spawnSync('id', ['-u', 'postfix'], { encoding: 'utf8' }).stdout);
    for (const name of ['', 'etc', 'queue', 'data', 'mail', 'log']) mkdirSync(at(name), { recursive: true });
    for (const name of ['', 'etc', 'queue', 'log']) chmodSync(at(name), 0o755);
    // Its processes run as somebody else, and must come to here.
    chmodSync(dirname(folder), 0o711);
    chownSync(at('data'), owner, -1);
    chownSync(at('mail'), NOBODY, NOBODY);
    writeFileSync(at('etc/tls.pem'), `${tls.key.trim()}\n${tls.cert.trim()}\n`, { mode: 0o600 });
    writeFileSync(at('etc/main.cf'), [
      'compatibility_level = 3.6', `queue_directory = ${at('queue')}`, `data_directory = ${at('data')}`, `maillog_file = ${at('log/mail')}`, `maillog_file_prefixes = ${folder}`,
      'command_directory = /usr/sbin', 'daemon_directory = /usr/lib/postfix/sbin', 'mail_owner = postfix', 'setgid_group = postdrop', `myhostname = ${hostname}`, 'mydestination =', 'alias_maps =', 'inet_interfaces = 127.0.0.1', 'inet_protocols = ipv4', 'mynetworks = 127.0.0.0/8',
      `virtual_mailbox_domains = ${domains.join(', ')}`, `virtual_mailbox_base = ${at('mail')}`, 'virtual_mailbox_maps = static:box/', `virtual_uid_maps = static:${NOBODY}`, `virtual_gid_maps = static:${NOBODY}`, 'virtual_minimum_uid = 1',
      Object.keys(routes).length === 0 ? '' : `transport_maps = inline:{${Object.entries(routes).map(([d, p]) => `{${d} = smtp:[127.0.0.1]:${p}}`).join(', ')}}`,
      `smtpd_tls_chain_files = ${at('etc/tls.pem')}`, 'smtpd_tls_security_level = may', 'smtpd_tls_received_header = yes', 'smtp_tls_security_level = may', 'smtpd_relay_restrictions = permit_mynetworks, reject', 'minimal_backoff_time = 2s', 'maximal_backoff_time = 5s', 'queue_run_delay = 2s', ...more,
    ].map((l) => `${l}\n`).join(''));
    writeFileSync(at('etc/master.cf'), `127.0.0.1:${this.port} inet n - n - - smtpd\n${SERVICES}`);
    this.#child = guarded(spawn('/usr/sbin/postfix', ['-c', at('etc'), 'start-fg'], { stdio: 'ignore', detached: true }));
    await listens(this.port, this.#child, () => this.log);
  }

  get log(): string {
    const file = join(this.#o.folder, 'log/mail');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** All messages that it keeps, as they are stored. */
  get mails(): string[] {
    const box = join(this.#o.folder, 'mail/box/new');
    return existsSync(box) ? readdirSync(box).sort().map((f) => readFileSync(join(box, f), 'latin1')) : [];
  }

  get processes(): number[] {
    const file = join(this.#o.folder, 'queue/pid/master.pid');
    return existsSync(file) ? [Number(readFileSync(file, 'utf8'))] : [];
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child) return;
    const [master] = this.processes;
    if (master) process.kill(master, 'SIGTERM');
    else child.kill('SIGTERM');
    await ended(child);
  }
}
