// How a message reaches a destination: through the smarthost, or the hosts of DNS, over connections that are kept for a
// short time.
import { Refused, Unavailable, limits, reason } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import { hostsFor } from './dns.ts';
import type { Dns, Host } from './dns.ts';
import type { Outcome } from './ops.ts';
import { NotConnected, Remote, outcomeOf } from './remote.ts';
import type { Envelope, RemoteSettings } from './remote.ts';

export interface Smarthost {
  host: string;
  port: number;
  auth: { user: string; pass: string } | null;
}

export interface RouteOptions {
  smarthost: Smarthost | null;
  dns: Dns;
  mxPort: number;
  hostname: string;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** All mail goes there. */
const SMARTHOST = 'smarthost';

export class Route {
  readonly #o: RouteOptions;
  readonly #idle = new Map<string, Remote[]>();
  #closed = false;

  constructor(options: RouteOptions) {
    this.#o = options;
  }

  /** Recipients with the same destination go together. */
  destination(address: string): string {
    return this.#o.smarthost ? SMARTHOST : address.slice(address.lastIndexOf('@') + 1).toLowerCase();
  }

  /**
   * Sends to recipients of one destination. `message` is asked for at each try. Never rejects for what the network or
   * another server does.
   */
  async send(destination: string, envelope: Envelope, message: () => AsyncIterable<Buffer>, mayEnd: () => boolean, over: AbortSignal): Promise<Outcome[]> {
    const all = (text: string, host = '') => envelope.to.map((r) => outcomeOf(r.index, text, host));
    let hosts: Host[];
    try {
      hosts = await this.#hosts(destination);
    } catch (e) {
      if (e instanceof Refused) return all(`${e.smtp} ${e.message}`);
      return all(`451 4.4.3 ${reason(e)}`);
    }
    let text = '451 4.4.1 no host answers';
    for (let remote = await this.#kept(destination); remote !== null; remote = await this.#kept(destination)) {
      const outcomes = await this.#through(destination, remote, envelope, message, mayEnd, over);
      // A kept connection may have died meanwhile: only a live one's answer counts.
      if (remote.open || remote.uncertain || over.aborted || !mayEnd() || !outcomes.every((o) => o.status === '4.4.2')) return outcomes;
    }
    for (const host of hosts) {
      if (over.aborted || !mayEnd()) break;
      try {
        const remote = await Remote.connect(host, this.#o.smarthost?.port ?? this.#o.mxPort, this.#settings());
        const outcomes = await this.#through(destination, remote, envelope, message, mayEnd, over);
        // A server that is closing (421) or puts all off may have a neighbour that doesn't (RFC 5321 §5.1).
        if (outcomes.some((o) => o.result !== 'deferred') || remote.uncertain) return outcomes;
        text = outcomes[0].text;
      } catch (e) {
        if (!(e instanceof NotConnected)) throw e;
        text = `451 4.4.1 ${e.message}`;
      }
    }
    return all(text);
  }

  #settings(): RemoteSettings {
    const { smarthost, hostname, clock } = this.#o;
    return { hostname, clock, auth: smarthost?.auth ?? null, trusted: smarthost !== null && smarthost.auth !== null, implicitTls: smarthost?.port === 465 };
  }

  async #hosts(destination: string): Promise<Host[]> {
    const { smarthost, dns, random } = this.#o;
    if (!smarthost) return hostsFor(destination, dns, random);
    if (/^[\d.]+$|:/.test(smarthost.host)) return [{ name: smarthost.host, address: smarthost.host }];
    const [six, four] = await Promise.allSettled([dns.aaaa(smarthost.host), dns.a(smarthost.host)]);
    const found = [four, six].flatMap((x) => (x.status === 'fulfilled' ? x.value : []));
    if (found.length === 0) {
      if (smarthost.host === 'localhost') return [{ name: 'localhost', address: '127.0.0.1' }];
      // A smarthost is one's own setting: a name that is gone is a fault to be mended, not a reason to return mail.
      throw new Unavailable(`the smarthost ${smarthost.host} has no address`);
    }
    return found.map((address) => ({ name: smarthost.host, address }));
  }

  async #through(destination: string, remote: Remote, envelope: Envelope, message: () => AsyncIterable<Buffer>, mayEnd: () => boolean, over: AbortSignal): Promise<Outcome[]> {
    const outcomes = await remote.send(envelope, message(), mayEnd, over);
    await this.#keep(destination, remote);
    return outcomes;
  }

  async #kept(destination: string): Promise<Remote | null> {
    const list = this.#idle.get(destination);
    const remote = list?.pop() ?? null;
    if (list?.length === 0) this.#idle.delete(destination);
    if (remote === null) return null;
    remote.onClosed = () => {};
    return remote.open ? remote : this.#kept(destination);
  }

  async #keep(destination: string, remote: Remote): Promise<void> {
    if (!remote.open || this.#closed || !(await remote.reset())) return remote.close();
    const list = this.#idle.get(destination) ?? [];
    this.#idle.set(destination, list);
    list.push(remote);
    const drop = () => {
      const now = this.#idle.get(destination);
      const at = now?.indexOf(remote) ?? -1;
      if (at < 0) return false;
      now!.splice(at, 1);
      if (now!.length === 0) this.#idle.delete(destination);
      return true;
    };
    remote.onClosed = drop;
    this.#o.clock.after(limits.queue_connection_idle_ms, () => {
      if (drop()) remote.quit().catch(() => {});
    });
  }

  close(): void {
    this.#closed = true;
    for (const list of [...this.#idle.values()]) for (const remote of [...list]) remote.close();
    this.#idle.clear();
  }
}
