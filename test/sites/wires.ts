// What a test says to the wires between its sites (wire-process.ts). A site is known by its address: site 1 speaks and
// listens at 127.0.0.11, site 2 at 127.0.0.12, …; whoever speaks from elsewhere is at site 0, which is never cut off.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../ports.ts';

/** What speaks: Garage nodes with each other, replicas with Garage nodes, replicas with each other. */
export type Kind = 'rpc' | 's3' | 'peer';
export const KINDS: readonly Kind[] = ['rpc', 's3', 'peer'];

/** What is between two sites, both ways. */
export interface Between {
  /** `silent`: nothing passes, and all that was sent arrives when it is over; `reset`: connections are ended and refused. */
  mode: 'open' | 'silent' | 'reset';
  /** Milliseconds each way, and what chance adds to them. */
  delay: number;
  jitter: number;
  /** How often a connection ends when an answer comes, 0 to 1. */
  lostAnswers: number;
}

export type ToWires =
  | { id: number; say: 'listen'; host: string; port: number; site: number; kind: Kind; to: { host: string; port: number } }
  | { id: number; say: 'set'; rules: { a: number; b: number; kind: Kind; rule: Between }[] };

export const addressOf = (site: number): string => `127.0.0.${10 + site}`;
export const open: Between = { mode: 'open', delay: 0, jitter: 0, lostAnswers: 0 };

export class Wires {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, () => void>();
  readonly #rules = new Map<string, Between>();
  #id = 0;

  constructor() {
    this.#child = fork(fileURLToPath(new URL('wire-process.ts', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ done }: { done: number }) => {
      this.#waiting.get(done)?.();
      this.#waiting.delete(done);
    });
  }

  #say(message: Omit<Extract<ToWires, { say: 'listen' }>, 'id'> | Omit<Extract<ToWires, { say: 'set' }>, 'id'>): Promise<void> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ ...message, id }, (e) => e && reject(e));
    });
  }

  /** A way to `to`, which is at `site`. Resolves with its `host:port`. */
  async to(site: number, kind: Kind, to: { host: string; port: number }): Promise<{ host: string; port: number }> {
    const host = addressOf(site);
    const [port] = await freePorts(1, host);
    await this.#say({ say: 'listen', host, port, site, kind, to });
    return { host, port };
  }

  /** Changes what is between two sites (or within one: a = b), of these kinds or of all. */
  async set(a: number, b: number, change: Partial<Between>, kinds: readonly Kind[] = KINDS): Promise<void> {
    const rules = kinds.map((kind) => {
      const key = `${Math.min(a, b)}-${Math.max(a, b)}-${kind}`;
      const rule = { ...(this.#rules.get(key) ?? open), ...change };
      this.#rules.set(key, rule);
      return { a, b, kind, rule };
    });
    await this.#say({ say: 'set', rules });
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }
}
