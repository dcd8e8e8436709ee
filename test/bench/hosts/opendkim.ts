// OpenDKIM, which signs for Postfix as our queue signs by itself: RSA of 2048 bits, relaxed/relaxed.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './host.ts';

const BINARY = '/usr/sbin/opendkim';

/** Null, or why there is none and how to get it. */
export const opendkimMissing = (): string | null => (existsSync(BINARY) ? null : 'OpenDKIM is not installed (Debian: apt-get install opendkim)');

export class OpenDkim {
  readonly #socket: string;
  readonly #child: ChildProcess;

  /** Signs what says to be from `domain` and comes from loopback. */
  static async start(folder: string, domain: string): Promise<OpenDkim> {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o755);
    const key = join(folder, 'key.pem');
    writeFileSync(key, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    // A path: over TCP each of its answers waits 40 ms for an acknowledgement.
    const socket = join(folder, 'socket');
    const config = join(folder, 'opendkim.conf');
    writeFileSync(config, ['Background no', 'Mode s', `Socket local:${socket}`, 'UMask 000', `Domain ${domain}`, 'Selector bench', `KeyFile ${key}`, 'Canonicalization relaxed/relaxed', 'SignatureAlgorithm rsa-sha256', 'InternalHosts 127.0.0.1', 'Syslog no', ''].join('\n'));
    const child = spawn(BINARY, ['-f', '-x', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    let ended = false;
    child.stderr!.on('data', (chunk: Buffer) => (said += chunk));
    child.once('exit', () => (ended = true));
    try {
      await eventually(async () => statSync(socket), () => !ended);
    } catch (e) {
      child.kill();
      throw new Error(`OpenDKIM did not start: ${said}`, { cause: e });
    }
    return new OpenDkim(socket, child);
  }

  private constructor(socket: string, child: ChildProcess) {
    this.#socket = socket;
    this.#child = child;
  }

  /** For Postfix: each message goes through it, and none without. */
  get settings(): string[] {
    return [`smtpd_milters = unix:${this.#socket}`, 'milter_protocol = 6', 'milter_default_action = tempfail'];
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (!this.#child.kill()) return;
    await ended;
  }
}
