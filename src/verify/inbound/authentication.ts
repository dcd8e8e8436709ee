// SPF, DKIM, ARC and DMARC of one message, by a library that is loaded with the first one. The body passes through and is
// not kept.
import { PassThrough } from 'node:stream';
import { leanHttp } from '../../base/index.ts';
import { recordTags } from './dmarc-seen.ts';
import type { DmarcFacts } from './dmarc-seen.ts';
import type { Ask } from './questions.ts';

type Library = Awaited<ReturnType<typeof load>>;
const load = async () => {
  leanHttp();
  const [dkim, spf, dmarc, arc] = await Promise.all([import('mailauth/lib/dkim/verify.js'), import('mailauth/lib/spf/index.js'), import('mailauth/lib/dmarc/index.js'), import('mailauth/lib/arc/index.js')]);
  return { dkimVerify: dkim.dkimVerify, spf: spf.spf, evaluateDmarc: dmarc.evaluateDmarc, arc: arc.arc };
};
let library: Promise<Library> | null = null;

/** Takes about 35 MB and a fifth of a second, once. */
export const loadLibrary = (): Promise<Library> => (library ??= load());

export interface Authenticated {
  /** One for each method, as they stand in Authentication-Results. */
  rows: string[];
  spf: string;
  /** Of the best signature. */
  dkim: string;
  arc: string;
  dmarc: string;
  /** What the author's domain asks for when it fails. */
  policy: 'none' | 'quarantine' | 'reject';
  /** The chain is whole, all its seals are of trusted domains, and the first of them saw DMARC pass for this author. */
  arcVouches: boolean;
  /** No author, or more than one (RFC 9989 §11.5 calls it suspicious). */
  author: 'one' | 'none' | 'many';
  /** For the report to the author's domain, where it has a record. */
  facts: DmarcFacts | null;
}

export interface AboutClient {
  remote: string;
  helo: string;
  from: string;
  hostname: string;
  /** Domains whose ARC seals are believed; `*`: all. */
  arcTrusted: readonly string[];
}

/** Signatures in the header field. */
const ROWS_MAX = 10;
/** A key of less is no key (RFC 8301 §3.2). */
const RSA_BITS_MIN = 1024;

const BEST = ['pass', 'temperror', 'policy', 'fail', 'neutral', 'none'];
const within = (domain: string, of: string): boolean => domain === of || domain.endsWith(`.${of}`);

export class Authentication {
  readonly #ask: Ask;
  readonly #about: AboutClient;
  readonly #library: Library;
  readonly #stream = new PassThrough();
  readonly #dkim: ReturnType<Library['dkimVerify']>;
  readonly #spf: ReturnType<Library['spf']>;

  constructor(library: Library, ask: Ask, about: AboutClient) {
    this.#library = library;
    this.#ask = ask;
    this.#about = about;
    const resolver = ask as never;
    this.#dkim = library.dkimVerify(this.#stream, { resolver, sender: about.from, minBitLength: RSA_BITS_MIN, rejectRsaSha1: true } as never);
    const helo = about.helo === '' ? about.remote : about.helo;
    this.#spf = library.spf({ resolver, sender: about.from, ip: about.remote, helo, mta: about.hostname } as never);
    // Whoever waits for them hears of it; after an abort nobody does.
    this.#dkim.catch(() => {});
    this.#spf.catch(() => {});
  }

  /** Resolves when more may come. */
  write(piece: Buffer): Promise<void> | void {
    if (this.#stream.write(piece) || this.#stream.destroyed) return;
    return new Promise((resolve) => {
      const go = () => {
        this.#stream.off('drain', go).off('close', go);
        resolve();
      };
      this.#stream.on('drain', go).on('close', go);
    });
  }

  abort(): void {
    this.#stream.destroy();
  }

  async end(): Promise<Authenticated> {
    this.#stream.end();
    const [dkim, spf] = await Promise.all([this.#dkim, this.#spf]);
    const resolver = this.#ask as never;
    const signatures = dkim.results ?? [];
    const sets = (dkim as unknown as { arc: { chain: ArcSet[] | false } }).arc;
    // Now: verifying takes these values away.
    const saw = sets.chain ? firstSaw(sets.chain) : null;
    const arc = await this.#library.arc(sets as never, { resolver, minBitLength: RSA_BITS_MIN });
    const passed = signatures.filter((s) => s.status.result === 'pass');
    const dkimDomains = passed.map((s) => ({ id: s.id, domain: s.signingDomain, aligned: s.status.aligned, underSized: s.status.underSized }));
    const spfDomains = spf.status.result === 'pass' && spf.domain ? [spf.domain] : [];
    const { headerFrom } = dkim as { headerFrom?: string[] };
    const { fromFields } = dkim as { fromFields?: number };
    const { response, reason } = await this.#library.evaluateDmarc({ headerFrom, fromFields, spfDomains, dkimDomains, arcResult: arc, resolver } as never);
    const rows = [spf.info ?? '', ...signatures.slice(0, ROWS_MAX).map((s) => s.info ?? ''), arc.info ?? '', response === false ? '' : (response.info ?? '')].filter((row) => row !== '');
    return {
      rows,
      spf: spf.status.result,
      dkim: BEST.find((r) => signatures.some((s) => s.status.result === r)) ?? 'none',
      arc: arc.status.result,
      dmarc: response === false ? 'none' : response.status.result,
      policy: response === false ? 'none' : policyOf((response as { policy?: string }).policy),
      arcVouches: response !== false && arc.status.result === 'pass' && saw !== null && saw === authorOf(response) && sealedBy(sets.chain as ArcSet[], this.#about.arcTrusted),
      facts: response === false || !['pass', 'fail'].includes(response.status.result) ? null : factsOf(response as never, signatures as never, spf as never),
      author: response !== false ? 'one' : reason === 'no-author-domain' ? 'none' : 'many',
    };
  }
}

const policyOf = (text: string | undefined): Authenticated['policy'] => (text === 'reject' || text === 'quarantine' ? text : 'none');

interface Verified {
  status: { header?: { from?: string } };
  policyDomain?: string;
  rr?: string;
  alignment?: { spf?: { result?: unknown }; dkim?: { result?: unknown } };
}

const SIGNATURES_REPORTED = 4;

function factsOf(response: Verified, signatures: { signingDomain?: string; selector?: string; status: { result: string } }[], spf: { domain?: string; status: { result: string } }): DmarcFacts | null {
  const { policyDomain, rr, alignment, status } = response;
  if (!policyDomain || !rr) return null;
  return {
    domain: policyDomain,
    ...recordTags(rr),
    headerFrom: status.header?.from ?? policyDomain,
    dkim: alignment?.dkim?.result ? 'pass' : 'fail',
    spf: alignment?.spf?.result ? 'pass' : 'fail',
    dkimResults: signatures.filter((s) => s.signingDomain).slice(0, SIGNATURES_REPORTED).map((s) => ({ domain: s.signingDomain!, selector: s.selector ?? '', result: s.status.result })),
    spfResult: { domain: spf.domain ?? '', result: spf.status.result },
  };
}

interface ArcSet {
  'arc-seal'?: { parsed?: { d?: { value?: unknown } } };
  'arc-authentication-results'?: { parsed?: { dmarc?: { value?: unknown; header?: { from?: unknown } } } };
}

const lower = (text: unknown): string | null => (typeof text === 'string' && text !== '' ? text.toLowerCase() : null);
const authorOf = (response: { status: { header?: { from?: unknown } } }): string | null => lower(response.status.header?.from);

/** The author for whom the first sealer saw DMARC pass. */
function firstSaw(chain: ArcSet[]): string | null {
  const dmarc = chain[0]?.['arc-authentication-results']?.parsed?.dmarc;
  return dmarc?.value === 'pass' ? lower(dmarc.header?.from) : null;
}

/** Anybody can make a chain that verifies: it says as much as those who sealed it are worth. */
function sealedBy(chain: ArcSet[], trusted: readonly string[]): boolean {
  return chain.every((set) => {
    const domain = lower(set['arc-seal']?.parsed?.d?.value);
    return domain !== null && trusted.some((t) => t === '*' || within(domain, t));
  });
}
