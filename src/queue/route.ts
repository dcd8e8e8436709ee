// How a message reaches a destination: through the smarthost, or the hosts of DNS, over connections that are kept for a
// short time.
import { Refused, Unavailable, limits, reason } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import type { Dns, Host } from './dns.ts';
import { domainOf } from './header.ts';
import { NotConnected, Remote, outcomeOf } from './remote.ts';
import type { Envelope, RemoteOutcome, RemoteSettings } from './remote.ts';
import type { StsPolicy, UnreadPolicy } from './sts.ts';
import { NO_POLICY, targetsFor } from './tls-policy.ts';
import type { TlsFailure } from './tls-check.ts';
import type { AppliedPolicy, Demand, Target } from './tls-policy.ts';
import type { SignedDns } from './validating.ts';

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
  /** For DANE; null: no resolver whose word counts. */
  signed?: SignedDns | null;
  /** For MTA-STS: the policy of a domain, or null. */
  sts?: ((domain: string) => Promise<StsPolicy | UnreadPolicy | null>) | null;
  /** Own addresses that a sender's domain uses; none: as the machine likes. */
  from?: (domain: string) => readonly string[];
  /** Hears of each connection to a server that DNS names, for TLS-RPT. */
  onSession?: (session: TlsSession) => void;
}

/** One connection, as TLS-RPT counts it (RFC 8460 §4). */
export interface TlsSession {
  domain: string;
  policy: AppliedPolicy;
  host: Host;
  /** Own address of the connection, or empty. */
  from: string;
  failure: { type: string; why: string } | null;
}

/** A connection that waits for the next message. */
interface Idle {
  readonly remote: Remote;
  readonly cancelQuit: () => void;
}

/** All mail goes there. */
const SMARTHOST = 'smarthost';
const PLAIN_MAX = 1000;
/** After these another server of the destination is tried (REQUIRETLS). */
const NEXT = ['5.7.10', '5.7.30'];

const mustShow = (d: Demand): boolean => d.kind !== 'may' && (d.kind !== 'pkix' || d.enforce);
/** Whether a connection of which `had` was asked will do. Which records name its certificate was looked at when it came. */
const willDo = (asked: Demand, had: Demand): boolean => !mustShow(asked) || (mustShow(had) && asked.kind === had.kind);

export class Route {
  readonly #o: RouteOptions;
  readonly #idle = new Map<string, Idle[]>();
  /** Names of hosts that offer chunks and do not know them. */
  readonly #plain = new Set<string>();
  #closed = false;

  constructor(options: RouteOptions) {
    this.#o = options;
  }

  /** Recipients with the same destination go together. */
  destination(address: string): string {
    return this.#o.smarthost ? SMARTHOST : domainOf(address);
  }

  /**
   * Sends to recipients of one destination. `message` is asked for at each try. Never rejects for what the network or
   * another server does.
   */
  async send(destination: string, envelope: Envelope, message: () => AsyncIterable<Buffer>, mayEnd: () => boolean, over: AbortSignal): Promise<RemoteOutcome[]> {
    const all = (text: string, host = '') => envelope.to.map((r) => outcomeOf(r.index, text, host));
    let targets: Target[];
    try {
      targets = await this.#targets(destination);
    } catch (e) {
      if (e instanceof Refused) return all(`${e.smtp} ${e.message}`);
      return all(`451 4.4.3 ${reason(e)}`);
    }
    const from = this.#o.from?.(domainOf(envelope.from)) ?? [];
    // Connections of other demands or from other addresses are others.
    const key = `${destination} ${envelope.anyTls ? 'any' : ''} ${from.join()}`;
    let last: RemoteOutcome[] = all('451 4.4.1 no host answers');
    for (let remote = await this.#kept(key); remote !== null; remote = await this.#kept(key)) {
      // A policy that came since counts for what is sent since.
      if (!envelope.anyTls && !targets.some((t) => t.host.name === remote!.host.name && willDo(t.demand, remote!.demand))) {
        remote.quit().catch(() => {});
        continue;
      }
      const outcomes = await this.#through(key, remote, envelope, message, mayEnd, over);
      // It was kept again and would come again: a new connection may show more.
      if (outcomes.every((o) => NEXT.includes(o.status))) break;
      // A kept connection may have died meanwhile: only a live one's answer counts.
      if (remote.open || remote.uncertain || over.aborted || !mayEnd() || !outcomes.every((o) => o.status === '4.4.2')) return outcomes;
    }
    // Where there are many, those that keep silent must leave an attempt's time to the others.
    const { queue_greeting_ms_max: most, queue_connect_ms_max: least } = limits;
    const greetingMs = Math.max(least, Math.min(most, (2 * most) / targets.length));
    let refusing = 0;
    for (const target of targets) {
      if (over.aborted || !mayEnd()) break;
      try {
        const remote = await this.#connect(destination, target, envelope.anyTls ?? false, from, greetingMs);
        const outcomes = await this.#through(key, remote, envelope, message, mayEnd, over);
        // A server that is closing (421) or puts all off may have a neighbour that doesn't (RFC 5321 §5.1), and so may one
        // that lacks what the sender requires (RFC 8689 §4.2.1).
        if (remote.uncertain || outcomes.some((o) => o.result !== 'deferred' && !NEXT.includes(o.status))) return outcomes;
        last = outcomes;
      } catch (e) {
        if (!(e instanceof NotConnected)) throw e;
        // Where each server refuses whatever this one calls itself, five days change nothing. One's own smarthost is mended.
        if (e.refusal !== '' && !this.#o.smarthost && ++refusing === targets.length) return all(e.refusal, target.host.name);
        if (!last.some((o) => NEXT.includes(o.status))) last = all(`451 ${e.tls ? '4.7.5' : '4.4.1'} ${e.message}`);
      }
    }
    return last;
  }

  async #connect(destination: string, { host, demand, policy, fault }: Target, anyTls: boolean, from: readonly string[], greetingMs: number): Promise<Remote> {
    const { smarthost, mxPort, onSession, hostname, clock } = this.#o;
    const settings: RemoteSettings = { hostname, clock, auth: smarthost?.auth ?? null, trusted: smarthost !== null && smarthost.auth !== null, implicitTls: smarthost?.port === 465, from, plain: this.#plain.has(host.name), greetingMs };
    const counted = (from: string, tls: TlsFailure | null) => {
      const failure = tls ? { type: tls.type, why: tls.message } : fault ? { type: fault.type, why: fault.why } : null;
      if (!smarthost && !anyTls) onSession?.({ domain: destination, policy, host, from, failure });
    };
    const asked: Demand = anyTls ? { kind: 'may' } : demand;
    try {
      const remote = await Remote.connect(host, smarthost?.port ?? mxPort, settings, asked);
      counted(remote.from, remote.tlsFailure);
      return remote;
    } catch (e) {
      if (e instanceof NotConnected && e.tls) counted(e.from, e.tls);
      throw e;
    }
  }

  async #targets(destination: string): Promise<Target[]> {
    const { smarthost, dns, random, signed = null, sts = null, mxPort } = this.#o;
    if (!smarthost) return targetsFor(destination, { dns, random, signed, sts, port: mxPort });
    return (await this.#smarthosts(smarthost)).map((host) => ({ host, demand: { kind: 'may' }, policy: NO_POLICY }));
  }

  async #smarthosts(smarthost: Smarthost): Promise<Host[]> {
    const { dns } = this.#o;
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

  async #through(key: string, remote: Remote, envelope: Envelope, message: () => AsyncIterable<Buffer>, mayEnd: () => boolean, over: AbortSignal): Promise<RemoteOutcome[]> {
    const outcomes = await remote.send(envelope, message(), mayEnd, over);
    if (remote.knowsNoChunks && this.#plain.size < PLAIN_MAX) this.#plain.add(remote.host.name);
    await this.#keep(key, remote);
    return outcomes;
  }

  async #kept(destination: string): Promise<Remote | null> {
    const list = this.#idle.get(destination);
    const idle = list?.pop();
    if (list?.length === 0) this.#idle.delete(destination);
    if (!idle) return null;
    idle.cancelQuit();
    const { remote } = idle;
    remote.onClosed = () => {};
    return remote.open ? remote : this.#kept(destination);
  }

  async #keep(destination: string, remote: Remote): Promise<void> {
    if (!remote.open || this.#closed || !(await remote.reset())) return remote.close();
    const list = this.#idle.get(destination) ?? [];
    this.#idle.set(destination, list);
    const drop = () => {
      idle.cancelQuit();
      const now = this.#idle.get(destination)!;
      now.splice(now.indexOf(idle), 1);
      if (now.length === 0) this.#idle.delete(destination);
    };
    const cancelQuit = this.#o.clock.after(limits.queue_connection_idle_ms, () => {
      drop();
      remote.onClosed = () => {};
      remote.quit().catch(() => {});
    });
    const idle: Idle = { remote, cancelQuit };
    list.push(idle);
    remote.onClosed = drop;
  }

  close(): void {
    this.#closed = true;
    for (const list of [...this.#idle.values()]) for (const { remote } of [...list]) remote.close();
    this.#idle.clear();
  }
}
