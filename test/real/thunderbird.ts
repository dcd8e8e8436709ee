// Thunderbird in a profile of its own under a display that nobody sees, told what to do over its automation port (Marionette): scripts
// run where its own windows' scripts run, so they do what its menus do. What they share is thunderbird-inside.js.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { freePorts } from '../ports.ts';
import { sleep, until } from './site.ts';

const START_MS = 60_000;
const SCRIPT_MS = 60_000;
const END_MS = 15_000;
const INSIDE = readFileSync(new URL('thunderbird-inside.js', import.meta.url), 'utf8');

/** Nothing is asked of other machines, nobody is greeted, nothing is indexed beside the test. */
const PREFS: Record<string, string | number | boolean> = {
  'app.update.disabledForTesting': true,
  'app.normandy.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'calendar.timezone.useSystemTimezone': true,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'mail.phishing.detection.enabled': false,
  'mail.provider.suppress_dialog_on_startup': true,
  'mail.rights.version': 1,
  'mail.shell.checkDefaultClient': false,
  'mail.spotlight.firstRunDone': true,
  'mail.winsearch.firstRunDone': true,
  'mailnews.database.global.indexer.enabled': false,
  'mailnews.start_page.enabled': false,
  'mailnews.start_page_override.mstone': 'ignore',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.manage-offline-status': false,
  'services.settings.server': 'http://127.0.0.1:1/v1',
  'toolkit.telemetry.enabled': false,
};

/** Whatever ends the tests ends it too. */
function killedAtExit(child: ChildProcess): void {
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
}

/** A display without a screen (Xvfb). */
export class Display {
  readonly name: string;
  readonly #child: ChildProcess;

  static async start(): Promise<Display> {
    const child = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1024x768x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.on('data', (d) => (said += d));
    const number = await until(() => /^(\d+)\n/.exec(said)?.[1], START_MS, () => `Xvfb does not start: ${said}`);
    return new Display(child, `:${number}`);
  }

  private constructor(child: ChildProcess, name: string) {
    this.#child = child;
    this.name = name;
    killedAtExit(child);
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
  }
}

export class Thunderbird {
  readonly #child: ChildProcess;
  readonly #socket: net.Socket;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(e: Error): void }>();
  #rest: Buffer = Buffer.alloc(0);
  #id = 0;
  /** What it has said on its output. */
  said = '';

  /** Starts it with this profile folder, which may have been used before; resolves when its window is there. */
  static async start(profile: string, display: Display): Promise<Thunderbird> {
    mkdirSync(profile, { recursive: true });
    const [port] = await freePorts(1);
    const lines = Object.entries({ ...PREFS, 'marionette.port': port }).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    writeFileSync(`${profile}/user.js`, lines.join(''));
    const child = spawn('thunderbird', ['--profile', profile, '--no-remote', '--marionette', '--remote-allow-system-access'], {
      env: { ...process.env, HOME: profile, DISPLAY: display.name, MOZ_CRASHREPORTER_DISABLE: '1', LANG: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let thunderbird: Thunderbird | null = null;
    try {
      const socket = await until(() => (child.exitCode === null ? connected(port) : Promise.reject(new Error('Thunderbird ended'))), START_MS, () => 'Thunderbird does not listen');
      thunderbird = new Thunderbird(child, socket);
      await thunderbird.#command('WebDriver:NewSession', {});
      await thunderbird.#command('Marionette:SetContext', { value: 'chrome' });
      await thunderbird.#command('WebDriver:SetTimeouts', { script: SCRIPT_MS });
      return thunderbird;
    } catch (e) {
      if (thunderbird) await thunderbird.end();
      else child.kill('SIGKILL');
      throw e;
    }
  }

  private constructor(child: ChildProcess, socket: net.Socket) {
    this.#child = child;
    this.#socket = socket;
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (d) => (this.said = (this.said + d).slice(-20_000)));
    killedAtExit(child);
    socket.on('data', (d: Buffer) => this.#data(d));
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`Thunderbird has gone: ${this.said}`));
    });
  }

  /** Messages are `length:[1, id, error, result]`. The greeting has no id that anybody waits for. */
  #data(piece: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, piece]);
    for (;;) {
      const colon = this.#rest.indexOf(':');
      if (colon < 0) return;
      const end = colon + 1 + Number(this.#rest.toString('latin1', 0, colon));
      if (this.#rest.length < end) return;
      const message = JSON.parse(this.#rest.toString('utf8', colon + 1, end)) as [number, number, { message: string; stacktrace: string } | null, { value?: unknown }];
      this.#rest = this.#rest.subarray(end);
      if (!Array.isArray(message)) continue;
      const [, id, error, result] = message;
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(`${error.message}\n${error.stacktrace}`));
      else waiting?.resolve(result?.value);
    }
  }

  #command(name: string, parameters: unknown): Promise<unknown> {
    const id = ++this.#id;
    const text = Buffer.from(JSON.stringify([0, id, name, parameters]));
    this.#socket.write(Buffer.concat([Buffer.from(`${text.length}:`), text]));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** Calls a function of thunderbird-inside.js, to its end. */
  call<T = void>(name: string, ...words: unknown[]): Promise<T> {
    const script = `${INSIDE}\nconst [words, done] = [[...arguments].slice(0, -1), arguments[arguments.length - 1]];\n` +
      `(async () => ${name}(...words))().then((value) => done({ value: value ?? null }), (e) => done({ error: String(e) + '\\n' + (e?.stack ?? '') }));`;
    return this.#command('WebDriver:ExecuteAsyncScript', { script, args: words, newSandbox: true, sandbox: 'system' }).then((answer) => {
      const { value, error } = answer as { value: T; error?: string };
      if (error !== undefined) throw new Error(error);
      return value;
    }).catch((e) => {
      throw new Error(`${name}(${words.join(' ')}): ${e.message}`);
    });
  }

  /** Ends it as its menu does; kills it when that takes too long. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    void this.#command('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => {});
    await Promise.race([ended, sleep(END_MS)]);
    this.#child.kill('SIGKILL');
    await ended;
    this.#socket.destroy();
  }
}

/** A socket, or undefined as long as nobody listens. */
function connected(port: number): Promise<net.Socket | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    socket.once('connect', () => resolve(socket)).once('error', () => resolve(undefined));
  });
}
