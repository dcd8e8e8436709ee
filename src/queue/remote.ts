// The SMTP client: one transaction with another server over a connection that may be kept for the next one.
import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { Unavailable, leanHttp, limits, reason } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { Client } from './client.ts';
import type { Host } from './dns.ts';
import { NOTIFY } from './ops.ts';
import type { Outcome } from './ops.ts';
import { TlsFailure, checkTls } from './tls-check.ts';
import type { Demand } from './tls-policy.ts';

export interface RemoteSettings {
  /** In EHLO. */
  hostname: string;
  clock: Clock;
  /** Of the smarthost; null: none is asked for. */
  auth: { user: string; pass: string } | null;
  /** A smarthost's certificate is checked, and without TLS no password is sent; another server's TLS is as it comes. */
  trusted: boolean;
  /** TLS from the first byte (port 465). */
  implicitTls: boolean;
  /** Own addresses to connect from, of either kind; none: as the machine likes. */
  from?: readonly string[];
  /** No chunks, though the server offers them: it was seen not to know them. */
  plain?: boolean;
  /** Time for its greeting; absent: as much as any server gets. */
  greetingMs?: number;
}

export interface Envelope {
  from: string;
  /** `notify`: bits of NOTIFY; `orcpt`: as given, or empty. */
  to: { index: number; address: string; notify?: number; orcpt?: string }[];
  /** What a DSN should name and bring back (RFC 3461 §4.3, §4.4). */
  envid?: string;
  ret?: '' | 'FULL' | 'HDRS';
  bytes: number;
  eightBit: boolean;
  /** The message for a server that takes no 8-bit mail, and its size; null: there is no such form. Unavailable, Corrupt. */
  sevenBits?: () => Promise<{ bytes: number; message: AsyncIterable<Buffer> } | null>;
  utf8: boolean;
  /** Only over TLS with a certificate that was checked, and only to who promises the same (RFC 8689 §4). */
  requireTls?: boolean;
  /** Any TLS or none will do, whatever policies say (RFC 8689 §5). */
  anyTls?: boolean;
}

interface NodemailerError extends Error {
  code?: string;
  responseCode?: number;
  response?: string;
  command?: string;
  timeoutType?: string;
}

/** Nothing was sent: another host may be tried. `tls`: it was for want of good TLS. */
export class NotConnected extends Unavailable {
  readonly tls: TlsFailure | null;
  /** What it answered for good to EHLO and to HELO, or empty. */
  readonly refusal: string;
  /** Own address of the connection, or empty. */
  readonly from: string;
  constructor(text: string, { tls = null, refusal = '', from = '' }: Partial<Pick<NotConnected, 'tls' | 'refusal' | 'from'>> = {}) {
    super(text);
    this.tls = tls;
    this.refusal = refusal;
    this.from = from;
  }
}

const noLogger = false;
const CODE = /^(\d{3})[ -](?:([245]\.\d{1,3}\.\d{1,3})(?:\s|$))?/;
/** In quotes an address may hold them; the library then sends nothing to anybody. */
const UNSAID = /[<>]/;
/** What RFC 821 had servers say to too many recipients is about now (RFC 5321 §4.5.3.1.10). */
const TOO_MANY = /^55\d[ -]5\.5\.3(?= )/;
/** Characters of another server's answer that are kept. */
const TEXT_MAX = 300;

/** What another server said, as an outcome. `late`: ms since 1970 of the next try is the caller's affair. */
export function outcomeOf(index: number, response: string, host: string): Outcome {
  const m = CODE.exec(response);
  const code = m?.[1] ?? '451';
  const result = code[0] === '5' ? 'failed' : code[0] === '2' ? 'delivered' : 'deferred';
  const digit = result === 'failed' ? '5' : result === 'delivered' ? '2' : '4';
  const status = m?.[2]?.startsWith(digit) ? m[2] : `${digit}.0.0`;
  return { recipient: index, result, status, text: printable(response), host, nextAt: 0 };
}

/** An outcome whose sender hears of success from the server that took it (RFC 3461 §5.2.1). */
export interface RemoteOutcome extends Outcome {
  told?: boolean;
}

/** As `NOTIFY=` has it; undefined: nothing was asked. */
const notifyText = (bits: number): string | undefined => (bits === 0 ? undefined : (['never', 'success', 'failure', 'delay'] as const).filter((n) => bits & NOTIFY[n]).join(',').toUpperCase());

/** For the log: what another server says names recipients, and who writes to whom is nobody's affair. */
export const nameless = (text: string): string => text.replace(/[^\s<>()"',;:]+@[^\s<>()"',;:]+/g, '…');

export const printable = (text: string): string => text.replace(/[\x00-\x1f\x7f]+/g, ' ').trim().slice(0, TEXT_MAX);

export class Remote {
  readonly host: Host;
  /** What its TLS was asked to show. */
  readonly demand: Demand;
  readonly #connection: Client;
  #open = true;
  /** The last line of a message was handed over and nothing was heard since: it may have been delivered. */
  uncertain = false;
  /** Its certificate was checked, as a policy or the settings ask. */
  proven = false;
  /** What would have been wrong, where a policy is only tested or nothing is asked. */
  tlsFailure: TlsFailure | null = null;
  /** It offers chunks and does not know their command: the next connection does without. */
  knowsNoChunks = false;
  onClosed: () => void = () => {};
  /** The last transaction went through to its end: nothing of it is left to be reset (RFC 5321 §4.1.1.4). */
  #clean = false;
  /** Ends the transaction under way: the library forgets it when its connection is closed from here. */
  #giveUp: (e: Error) => void = () => {};

  constructor(host: Host, connection: Client, demand: Demand) {
    this.host = host;
    this.demand = demand;
    this.#connection = connection;
    connection.on('error', () => this.#ended());
    connection.on('end', () => this.#ended());
  }

  #ended(): void {
    if (!this.#open) return;
    this.#open = false;
    this.onClosed();
  }
  get open(): boolean {
    return this.#open;
  }

  /** Connects, says EHLO, upgrades, checks what is asked of its TLS, logs in. NotConnected. */
  static async connect(host: Host, port: number, settings: RemoteSettings, demand: Demand = { kind: 'may' }): Promise<Remote> {
    let from = '';
    const say = (e: unknown) => new NotConnected(`${host.name} [${host.address}]: ${reason(e)}`, { tls: e instanceof TlsFailure ? e : null, refusal: refusalOf(e), from });
    if (demand.kind === 'never') throw say(new TlsFailure(demand.type, demand.why));
    const socket = await dial(host.address, port, settings).catch((e) => Promise.reject(say(e)));
    from = socket.localAddress ?? '';
    let failure: TlsFailure;
    try {
      return await Remote.#connect(host, port, settings, demand, socket, false);
    } catch (e) {
      const must = settings.trusted || (demand.kind !== 'may' && !(demand.kind === 'pkix' && !demand.enforce));
      // Who says nothing at all says nothing about TLS.
      const mute = (e as NodemailerError).timeoutType === 'GREETING_TIMEOUT';
      if (must || mute || (e as NodemailerError).responseCode !== undefined) throw say(must ? tlsFailureOf(e, settings) : e);
      failure = tlsFailureOf(e, settings) as TlsFailure;
    }
    // A host whose TLS can't be had is spoken to in clear, once more from the start (RFC 7435), but never a smarthost.
    try {
      const remote = await Remote.#connect(host, port, settings, { kind: 'may' }, await dial(host.address, port, settings), true);
      if (failure instanceof TlsFailure) remote.tlsFailure = failure;
      return remote;
    } catch (e) {
      throw say(e);
    }
  }

  static async #connect(host: Host, port: number, settings: RemoteSettings, demand: Demand, socket: Socket, inClear: boolean): Promise<Remote> {
    const must = demand.kind === 'dane' || demand.kind === 'encrypt' || (demand.kind === 'pkix' && demand.enforce);
    // Under an alias the name that TLSA was found at (RFC 7672 §8.1).
    const name = demand.kind === 'dane' ? demand.names[0] : host.name;
    // The library, and what it loads, is 2 MB that a replica without mail to send has no use for.
    leanHttp();
    const { Client } = await import('./client.ts');
    const connection = new Client({
      connection: socket,
      host: host.name,
      port,
      name: settings.hostname,
      secure: settings.implicitTls,
      ignoreTLS: inClear,
      requireTLS: must || (settings.trusted && settings.auth !== null && !settings.implicitTls),
      tls: { rejectUnauthorized: settings.trusted, servername: /[[:]/.test(name) || /^[\d.]+$/.test(name) ? undefined : name, minVersion: 'TLSv1.2' },
      // It counts from here: the connection is there.
      connectionTimeout: settings.greetingMs ?? limits.queue_greeting_ms_max,
      greetingTimeout: settings.greetingMs ?? limits.queue_greeting_ms_max,
      socketTimeout: limits.queue_silence_ms_max,
      logger: noLogger,
    });
    connection.mayChunk = !settings.plain;
    const remote = new Remote(host, connection, demand);
    try {
      await new Promise<void>((resolve, reject) => {
        connection.once('error', reject);
        connection.connect((e) => (e ? reject(e) : resolve()));
      });
      // Nothing but a greeting was said until here.
      const { proven, failure } = checkTls(remote.#socket, demand, settings.clock.now());
      remote.proven = proven || settings.trusted;
      remote.tlsFailure = failure;
      if (settings.auth) await new Promise<void>((resolve, reject) => connection.login({ ...settings.auth!, credentials: undefined } as never, (e) => (e ? reject(e) : resolve())));
    } catch (e) {
      connection.close();
      socket.destroy();
      throw e;
    }
    return remote;
  }

  /** Own address of the connection, or empty. */
  get from(): string {
    return this.#socket?.localAddress ?? '';
  }

  get #socket(): Socket | null {
    return this.#connection._socket || null;
  }

  /**
   * One transaction. `mayEnd` is asked when all but the last line was handed over: when it says no, the connection is cut
   * and nothing is delivered. `over` cuts it at any time. NotConnected when the server never heard of the message.
   */
  async send(envelope: Envelope, message: AsyncIterable<Buffer>, mayEnd: () => boolean, over: AbortSignal): Promise<RemoteOutcome[]> {
    const { name } = this.host;
    const odd = envelope.to.filter((r) => UNSAID.test(r.address) || UNSAID.test(envelope.from));
    if (odd.length > 0) {
      const others = envelope.to.filter((r) => !odd.includes(r));
      const said = odd.map((r) => outcomeOf(r.index, UNSAID.test(r.address) ? '553 5.1.3 an address with < or > is not sent to' : '553 5.1.7 an address with < or > does not send', ''));
      return others.length === 0 ? said : [...said, ...(await this.send({ ...envelope, to: others }, message, mayEnd, over))];
    }
    if (envelope.requireTls && !this.proven) return envelope.to.map((r) => outcomeOf(r.index, `550 5.7.10 ${name} has no TLS that could be checked, which the sender requires`, name));
    if (envelope.requireTls && !this.#supports('REQUIRETLS')) return envelope.to.map((r) => outcomeOf(r.index, `550 5.7.30 ${name} does not promise REQUIRETLS, which the sender requires`, name));
    if (envelope.utf8 && !this.#supports('SMTPUTF8')) return envelope.to.map((r) => outcomeOf(r.index, `550 5.6.7 ${name} does not take internationalized mail`, name));
    if (envelope.eightBit && !this.#supports('8BITMIME')) {
      let other: Awaited<ReturnType<NonNullable<Envelope['sevenBits']>>> = null;
      try {
        other = (await envelope.sevenBits?.()) ?? null;
      } catch (e) {
        return envelope.to.map((r) => outcomeOf(r.index, `451 4.3.0 ${reason(e)}`, ''));
      }
      if (!other) return envelope.to.map((r) => outcomeOf(r.index, `554 5.6.3 ${name} does not take 8-bit mail`, name));
      envelope = { ...envelope, eightBit: false, bytes: other.bytes };
      message = other.message;
    }
    const cut = () => this.close();
    over.addEventListener('abort', cut, { once: true });
    try {
      return await this.#send(envelope, message, mayEnd);
    } finally {
      over.removeEventListener('abort', cut);
    }
  }

  #supports(extension: string): boolean {
    return this.#connection.offers(extension);
  }

  async #send(envelope: Envelope, message: AsyncIterable<Buffer>, mayEnd: () => boolean): Promise<RemoteOutcome[]> {
    this.#clean = false;
    const close = () => this.close();
    const mayFinish = () => {
      if (!mayEnd()) return false;
      this.uncertain = true;
      return true;
    };
    const { inChunks } = this.#connection;
    this.#connection.mayEnd = mayFinish;
    async function* checked() {
      yield* message;
      // Chunks are followed by a line of their own, right before which it is asked.
      if (inChunks || mayFinish()) return;
      close();
      throw new Unavailable('the time of this attempt is over');
    }
    const source = Readable.from(checked(), { objectMode: false });
    // An error that comes after the transaction is over concerns nobody.
    source.on('error', close);
    const to = envelope.to.map((r) => r.address);
    // What was asked, and nothing that was not (RFC 3461 §5.2.1).
    const dsn = { ret: envelope.ret || undefined, envid: envelope.envid || undefined };
    this.#connection.wishes = new Map(envelope.to.map((r) => [r.address, { notify: notifyText(r.notify ?? 0), orcpt: r.orcpt || undefined }]));
    this.#connection.refused.clear();
    this.#connection.utf8 = envelope.utf8;
    try {
      const info = await new Promise<{ response: string }>((resolve, reject) => {
        this.#giveUp = reject;
        this.#connection.send({ from: envelope.from, to, dsn, size: envelope.bytes, use8BitMime: envelope.eightBit, requireTLSExtensionEnabled: envelope.requireTls ?? false } as never, source, (e, done) => (e ? reject(e) : resolve(done as never)));
      });
      this.uncertain = false;
      this.#clean = true;
      return this.#outcomes(envelope, info.response);
    } catch (e) {
      return this.#failed(envelope, e as NodemailerError);
    } finally {
      source.destroy();
    }
  }

  /** `response` is about the message: a recipient that was refused before has its own answer, whatever became of the message. */
  #outcomes(envelope: Envelope, response: string): RemoteOutcome[] {
    const { name } = this.host;
    const { refused } = this.#connection;
    const tells = this.#supports('DSN');
    return envelope.to.map((r) => {
      const outcome = outcomeOf(r.index, refused.get(r.address)?.replace(TOO_MANY, '452 4.5.3') ?? response, name);
      return tells && outcome.result === 'delivered' ? { ...outcome, told: true } : outcome;
    });
  }

  #failed(envelope: Envelope, e: NodemailerError): Outcome[] {
    if (e.code === 'EMESSAGE' && e.command === 'MAIL FROM') return envelope.to.map((r) => outcomeOf(r.index, `552 5.3.4 larger than ${this.host.name} takes`, this.host.name));
    // What a server says before it hangs up counts; 421 and a broken connection are about now, not about the message.
    const response = e.response && /^[45]\d\d/.test(e.response) ? e.response : null;
    if (response === null) this.close();
    else this.uncertain = false;
    // That is about the command, not about the message.
    if (e.command === 'BDAT' && /^50\d/.test(response ?? '')) {
      this.knowsNoChunks = true;
      this.close();
      return this.#outcomes(envelope, `451 4.5.1 offers CHUNKING, and answers ${response}`);
    }
    return this.#outcomes(envelope, response ?? `451 4.4.2 ${reason(e)}`);
  }

  /** Ready for another message, or false. */
  async reset(): Promise<boolean> {
    if (!this.#open || this.#clean) return this.#open;
    return new Promise((resolve) => this.#connection.reset((e) => resolve(!e && this.#open)));
  }

  async quit(): Promise<void> {
    if (!this.#open) return;
    this.#connection.quit();
  }

  close(): void {
    this.#connection.close();
    this.#socket?.destroy();
    this.#ended();
    this.#giveUp(new Unavailable('the connection was cut'));
  }
}

/** The library says HELO where EHLO was refused. */
const refusalOf = (e: unknown): string => {
  const { command, responseCode = 0, response = '' } = e as NodemailerError;
  return command === 'HELO' && responseCode >= 500 ? response : '';
};

/** A failure to get TLS, told apart from other failures. */
function tlsFailureOf(e: unknown, settings: RemoteSettings): unknown {
  const { code, responseCode, command } = e as NodemailerError;
  if (e instanceof TlsFailure || settings.trusted) return e;
  if (responseCode !== undefined && (command === 'STARTTLS' || code === 'ETLS')) return new TlsFailure('starttls-not-supported', 'it does not offer TLS');
  return code === 'ETLS' || code === 'ESOCKET' ? new TlsFailure('validation-failure', `TLS: ${reason(e)}`) : e;
}

function dial(address: string, port: number, { from = [] }: RemoteSettings): Promise<Socket> {
  const localAddress = from.find((own) => isIP(own) === isIP(address));
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, localAddress, noDelay: true, timeout: limits.queue_connect_ms_max });
    const failed = (e: Error) => {
      socket.destroy();
      reject(e);
    };
    socket.once('error', failed);
    socket.once('timeout', () => failed(new Error('no connection in time')));
    socket.once('connect', () => {
      socket.removeListener('error', failed);
      socket.removeAllListeners('timeout');
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}
