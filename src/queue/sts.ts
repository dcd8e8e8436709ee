// MTA-STS (RFC 8461): what a domain says over HTTPS about the TLS of its mail servers. What was read counts for as long as it
// says, at every replica, whatever DNS says meanwhile: so it is kept in the store.
import { ByteReader, ByteWriter, Corrupt, Malformed, limits, reason } from '../base/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import type { Dns } from './dns.ts';

export interface StsPolicy {
  mode: 'enforce' | 'testing' | 'none';
  /** Names of servers, or `*.` and what follows one label. */
  mx: string[];
  maxAgeMs: number;
}

/** A policy that a domain says it has and that could not be read; none is kept of former days. `type` as RFC 8460 §4.3.2 calls it. */
export interface UnreadPolicy {
  mode: 'unread';
  type: 'sts-policy-fetch-error' | 'sts-policy-invalid' | 'sts-webpki-invalid';
  why: string;
}

/** A policy as it is kept. `id`: of the TXT record that led to it. Times: ms since 1970. */
export interface KeptPolicy extends StsPolicy {
  domain: string;
  id: string;
  fetchedAt: number;
}

/** Where policies outlive a process; names and contents are sealed. */
export interface PolicyShelf {
  /** The newest one of a domain, or null. Unavailable. */
  get(domain: string): Promise<Uint8Array | null>;
  put(domain: string, at: number, bytes: Uint8Array): Promise<void>;
}

export type FetchText = (host: string, path: string) => Promise<string>;

const MODES = ['enforce', 'testing', 'none'] as const;
const VERSION = 1;
/** RFC 8461 §3.2. */
const MAX_AGE_S = 31557600;
const MX_MAX = 200;

/** The id of the one record that counts (§3.1), or null. */
export function stsRecordId(texts: readonly string[]): string | null {
  const found = texts.filter((t) => /^v=STSv1\s*(;|$)/.test(t));
  if (found.length !== 1) return null;
  return /;\s*id\s*=\s*([A-Za-z0-9]{1,32})\s*(;|$)/.exec(found[0])?.[1] ?? null;
}

/** Throws Malformed. */
export function parseStsPolicy(text: string): StsPolicy {
  const fields = new Map<string, string>();
  const mx: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const m = /^\s*([A-Za-z0-9_.-]{1,64})\s*:\s*(.*?)\s*$/.exec(line);
    if (!m) continue;
    if (m[1] === 'mx') mx.push(m[2].toLowerCase().replace(/\.$/, ''));
    // Of what is there twice the first counts.
    else if (!fields.has(m[1])) fields.set(m[1], m[2]);
  }
  const mode = MODES.find((x) => x === fields.get('mode'));
  const age = fields.get('max_age') ?? '';
  if (fields.get('version') !== 'STSv1' || !mode || !/^\d{1,10}$/.test(age)) throw new Malformed('not a policy of MTA-STS');
  if (mx.length > MX_MAX || mx.some((n) => !/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(n)) || (mx.length === 0 && mode !== 'none')) throw new Malformed('a policy of MTA-STS with bad mx lines');
  return { mode, mx, maxAgeMs: Math.min(Number(age), MAX_AGE_S) * 1000 };
}

/** What OpenSSL and Node say of a certificate. */
const CERTIFICATE = /CERT|SIGNATURE|UNABLE_TO_|CRL/;

function unread(e: unknown): UnreadPolicy {
  const { code = '' } = e as { code?: unknown };
  const type = e instanceof Malformed ? 'sts-policy-invalid' : CERTIFICATE.test(String(code)) ? 'sts-webpki-invalid' : 'sts-policy-fetch-error';
  return { mode: 'unread', type, why: reason(e) };
}

/** §4.1: `*` stands for one label, the first. */
export function stsAllows(policy: StsPolicy, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return policy.mx.some((p) => (p.startsWith('*.') ? name.includes('.') && name.slice(name.indexOf('.')) === p.slice(1) : p === name));
}

export function encodePolicy(p: KeptPolicy): Buffer {
  const w = new ByteWriter(256).u8(VERSION).string(p.domain).string(p.id).varint(p.fetchedAt).u8(MODES.indexOf(p.mode)).varint(p.maxAgeMs).varint(p.mx.length);
  for (const name of p.mx) w.string(name);
  return w.done();
}
/** Throws Corrupt. */
export function decodePolicy(bytes: Uint8Array): KeptPolicy {
  const r = new ByteReader(bytes);
  if (r.u8() !== VERSION) throw new Corrupt('queue: a policy written by a newer version');
  const [domain, id, fetchedAt, mode, maxAgeMs] = [r.string(), r.string(), r.varint(), MODES[r.u8()], r.varint()];
  if (!mode) throw new Corrupt('queue: a policy of an unknown mode');
  const mx = Array.from({ length: r.count() }, () => r.string());
  r.finish();
  return { domain, id, fetchedAt, mode, maxAgeMs, mx };
}

export interface StsOptions {
  dns: Pick<Dns, 'txt'>;
  fetch: FetchText;
  shelf: PolicyShelf;
  clock: Clock;
  logger: Logger;
}

/** What is known of one domain here. `askedAt`, `triedAt`: monotonic, of DNS and of HTTPS. */
interface Known {
  policy: KeptPolicy | null;
  askedAt: number;
  triedAt: number;
  /** What went wrong with HTTPS the last time. */
  fault: UnreadPolicy | null;
}

export class StsPolicies {
  readonly #o: StsOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<StsPolicy | UnreadPolicy | null>>();

  constructor(options: StsOptions) {
    this.#o = options;
  }

  /** The policy in force, or null; or why it is not known. Never rejects but with Unavailable of the store: a kept policy must not be overlooked. */
  policyOf(domain: string): Promise<StsPolicy | UnreadPolicy | null> {
    const known = this.#known.get(domain);
    if (known && this.#o.clock.monotonic() - known.askedAt < limits.sts_ask_ms && this.#isValid(known.policy)) return Promise.resolve(known.policy ?? known.fault);
    let asking = this.#asking.get(domain);
    if (!asking) {
      asking = this.#ask(domain).finally(() => this.#asking.delete(domain));
      this.#asking.set(domain, asking);
    }
    return asking;
  }

  /** Null is valid: for a domain without policy. */
  #isValid(p: KeptPolicy | null): boolean {
    return p === null || this.#o.clock.now() - p.fetchedAt < p.maxAgeMs;
  }

  async #ask(domain: string): Promise<StsPolicy | UnreadPolicy | null> {
    const { dns, clock, logger } = this.#o;
    const known = this.#known.get(domain) ?? (await this.#load(domain));
    known.askedAt = clock.monotonic();
    if (!this.#isValid(known.policy)) known.policy = null;
    let id: string | null = null;
    try {
      id = stsRecordId(await dns.txt(`_mta-sts.${domain}`));
    } catch {
      // No record, or no answer: what is kept stays in force until its time is over (§3.3).
    }
    if (id === null) known.fault = null;
    const old = known.policy !== null && clock.now() - known.policy.fetchedAt > limits.sts_refresh_ms;
    if (id !== null && (known.policy?.id !== id || old) && clock.monotonic() - known.triedAt > limits.sts_fetch_again_ms) {
      known.triedAt = clock.monotonic();
      try {
        await this.#fetch(domain, id, known);
        known.fault = null;
      } catch (e) {
        known.fault = unread(e);
        logger.info('a policy of MTA-STS was not read', { domain, why: reason(e) });
      }
    }
    return known.policy ?? known.fault;
  }

  async #load(domain: string): Promise<Known> {
    let policy: KeptPolicy | null = null;
    try {
      const bytes = await this.#o.shelf.get(domain);
      if (bytes) policy = decodePolicy(bytes);
      if (policy && policy.domain !== domain) throw new Corrupt('queue: a policy of another domain');
    } catch (e) {
      if (!(e instanceof Corrupt)) throw e;
      // Mail must not wait for ever for what can be read anew.
      this.#o.logger.error('a kept policy of MTA-STS can not be read', { domain, why: reason(e) });
      policy = null;
    }
    const known: Known = { policy, askedAt: -Infinity, triedAt: -Infinity, fault: null };
    if (this.#known.size >= limits.sts_policies_max) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(domain, known);
    return known;
  }

  async #fetch(domain: string, id: string, known: Known): Promise<void> {
    const { fetch, shelf, clock, logger } = this.#o;
    const policy = parseStsPolicy(await fetch(`mta-sts.${domain}`, '/.well-known/mta-sts.txt'));
    known.policy = { ...policy, domain, id, fetchedAt: clock.now() };
    await shelf.put(domain, known.policy.fetchedAt, encodePolicy(known.policy)).catch((e) => logger.info('a policy of MTA-STS is not kept', { domain, why: reason(e) }));
  }
}
