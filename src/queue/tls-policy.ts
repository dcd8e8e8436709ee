// What each server of a destination must show before mail is handed to it: by DANE (RFC 7672) where its DNS is signed, else
// by MTA-STS (RFC 8461), else nothing.
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { reason } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { hostsFor } from './dns.ts';
import type { Dns, Host } from './dns.ts';
import { usableRecords } from './dane.ts';
import { bareName } from './dns-message.ts';
import type { DnsAnswer, Tlsa } from './dns-message.ts';
import { stsAllows } from './sts.ts';
import type { StsPolicy, UnreadPolicy } from './sts.ts';
import type { SignedDns } from './validating.ts';

/** What a server must show. */
export type Demand =
  /** TLS if it offers it, whatever its certificate. */
  | { kind: 'may' }
  /** TLS, whatever its certificate: its TLSA records are of no kind that SMTP knows (RFC 7672 §2.2). */
  | { kind: 'encrypt' }
  | { kind: 'dane'; records: Tlsa[]; names: string[] }
  /** A certificate that anyone would trust, for its name. Not `enforce`: tested only, for the report. */
  | { kind: 'pkix'; enforce: boolean }
  /** Nothing is handed to it. `type` as RFC 8460 §4.3 calls it. */
  | { kind: 'never'; why: string; type: string };

/** As TLS-RPT names what was in force (RFC 8460 §4.2). */
export interface AppliedPolicy {
  type: 'tlsa' | 'sts' | 'no-policy-found';
  strings: string[];
  mx: string[];
}

export interface Target {
  host: Host;
  demand: Demand;
  policy: AppliedPolicy;
  /** What is wrong with the policy itself, for the report. */
  fault?: UnreadPolicy | null;
}

type Asked = Omit<Target, 'host'>;

export const NO_POLICY: AppliedPolicy = { type: 'no-policy-found', strings: [], mx: [] };

export interface TlsPolicyOptions {
  dns: Dns;
  signed: SignedDns | null;
  /** The policy of a domain, or null; null: MTA-STS is off. */
  sts: ((domain: string) => Promise<StsPolicy | UnreadPolicy | null>) | null;
  random: Random;
  /** Port of mail servers, in the names of TLSA records. */
  port: number;
}

const none = (code: string) => Object.assign(new Error(code), { code });

/** What a validating resolver says, in the words of node:dns; `answers` keeps what was said of each name. */
function plainDns(signed: SignedDns, dns: Dns, answers: Map<string, DnsAnswer>): Dns {
  const ask = async (name: string, type: 'MX' | 'A' | 'AAAA') => {
    const answer = await signed.ask(name, type).catch((e) => Promise.reject(Object.assign(new Error(reason(e)), { code: 'ESERVFAIL' })));
    answers.set(`${type} ${bareName(name)}`, answer);
    return answer;
  };
  const addresses = (type: 'A' | 'AAAA') => async (name: string) => {
    const { addresses: found } = await ask(name, type);
    if (found.length === 0) throw none('ENODATA');
    return found;
  };
  return {
    ...dns,
    mx: async (name) => {
      const { mx } = await ask(name, 'MX');
      if (mx.length === 0) throw none('ENODATA');
      return mx;
    },
    a: addresses('A'),
    aaaa: addresses('AAAA'),
  };
}

/** The servers of a domain in order, each with its demand. Refused and Unavailable as `hostsFor`; Unavailable of the store. */
export async function targetsFor(domain: string, o: TlsPolicyOptions): Promise<Target[]> {
  if (domain.startsWith('[')) return (await hostsFor(domain, o.dns, o.random)).map((host) => ({ host, demand: { kind: 'may' }, policy: NO_POLICY }));
  const answers = new Map<string, DnsAnswer>();
  const name = domainToASCII(domain);
  const [hosts, sts] = await Promise.all([hostsFor(domain, o.signed ? plainDns(o.signed, o.dns, answers) : o.dns, o.random), o.sts?.(name) ?? null]);
  const dane = new Map<string, Promise<Asked | null>>();
  return Promise.all(
    hosts.map(async (host): Promise<Target> => {
      let found = dane.get(host.name);
      if (!found) dane.set(host.name, (found = o.signed ? byDane(name, host.name, answers, o.signed, o.port) : Promise.resolve(null)));
      return { host, ...((await found) ?? bySts(host.name, sts)) };
    }),
  );
}

/** Null: the domain or its server has no signed DNS, or no TLSA. */
async function byDane(domain: string, host: string, answers: Map<string, DnsAnswer>, signed: SignedDns, port: number): Promise<Asked | null> {
  const mx = answers.get(`MX ${domain}`);
  const addresses = ['A', 'AAAA'].map((type) => answers.get(`${type} ${bareName(host)}`)).filter((a) => a !== undefined && a.addresses.length > 0);
  if (isIP(host) || !mx?.signed || addresses.length === 0 || !addresses.every((a) => a!.signed)) return null;
  // The name that an alias leads to comes first (§2.2.2).
  for (const base of new Set([addresses[0]!.name, bareName(host)])) {
    let answer: DnsAnswer;
    try {
      answer = await signed.ask(`_${port}._tcp.${base}`, 'TLSA');
    } catch (e) {
      // Somebody may keep the records back (§2.1.2).
      return { demand: { kind: 'never', why: reason(e), type: 'dnssec-invalid' }, policy: { ...NO_POLICY, type: 'tlsa' } };
    }
    if (!answer.signed || answer.tlsa.length === 0) continue;
    const records = usableRecords(answer.tlsa);
    const strings = answer.tlsa.slice(0, 20).map((r) => `${r.usage} ${r.selector} ${r.matching} ${r.data.toString('hex').slice(0, 256)}`);
    return { demand: records.length === 0 ? { kind: 'encrypt' } : { kind: 'dane', records, names: [base, bareName(host), domain] }, policy: { type: 'tlsa', strings, mx: [] } };
  }
  return null;
}

function bySts(host: string, sts: StsPolicy | UnreadPolicy | null): Asked {
  if (!sts || sts.mode === 'none') return { demand: { kind: 'may' }, policy: NO_POLICY };
  if (sts.mode === 'unread') return { demand: { kind: 'may' }, policy: { ...NO_POLICY, type: 'sts' }, fault: sts };
  const policy: AppliedPolicy = { type: 'sts', strings: ['version: STSv1', `mode: ${sts.mode}`, ...sts.mx.map((m) => `mx: ${m}`), `max_age: ${sts.maxAgeMs / 1000}`], mx: sts.mx };
  const enforce = sts.mode === 'enforce';
  if (stsAllows(sts, host)) return { demand: { kind: 'pkix', enforce }, policy };
  // A server that the policy does not name fails the test too, whatever it shows.
  return { demand: enforce ? { kind: 'never', why: `the policy of the domain (MTA-STS) does not name ${host}`, type: 'validation-failure' } : { kind: 'may' }, policy };
}
