// Reports of how TLS went with a domain's servers (RFC 8460): what is counted, and the JSON of one day.
import { isIP } from 'node:net';
import { Networks } from '../../base/index.ts';
import type { TlsSession } from '../route.ts';
import type { AppliedPolicy } from '../tls-policy.ts';
import { mailtoOf } from './mailto.ts';

export interface TlsRow {
  policy: AppliedPolicy;
  /** `from`: own address; absent: none that tells others anything. */
  failure: { type: string; why: string; mx: string; ip: string; from?: string } | null;
}

const WHY_CHARS_MAX = 200;

/** Behind them others see another address. */
const PRIVATE = new Networks(['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16', '::1', 'fc00::/7', 'fe80::/10']);
const isPublic = (address: string): boolean => isIP(address) !== 0 && !PRIVATE.has(address);

export function tlsRow({ policy, host, from, failure }: TlsSession): TlsRow {
  return { policy, failure: failure && { type: failure.type, why: failure.why.slice(0, WHY_CHARS_MAX), mx: host.name, ip: host.address, ...(isPublic(from) ? { from } : {}) } };
}

/** Where reports go: addresses of the record at `_smtp._tls` (§3). Reports by https are not sent. */
export function tlsReportAddresses(texts: readonly string[]): string[] {
  const found = texts.filter((t) => /^v=TLSRPTv1\s*;/i.test(t));
  if (found.length !== 1) return [];
  const rua = /;\s*rua\s*=\s*([^;]+)/i.exec(found[0])?.[1] ?? '';
  return rua.split(',').map((u) => mailtoOf(u)?.address).filter((a) => a !== undefined).slice(0, 5);
}

export interface TlsReportOptions {
  organization: string;
  contact: string;
  id: string;
  domain: string;
  /** Beginning of the day and of the next, ms since 1970. */
  from: number;
  to: number;
  rows: readonly (readonly [TlsRow, number])[];
}

interface FailureDetails {
  'result-type': string;
  'sending-mta-ip'?: string;
  'receiving-mx-hostname': string;
  'receiving-ip': string;
  'failed-session-count': number;
  'failure-reason-code': string;
}

const seconds = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** §4.4. */
export function tlsReport(o: TlsReportOptions): object {
  const policies = new Map<string, { policy: AppliedPolicy; good: number; bad: number; failures: Map<string, FailureDetails> }>();
  for (const [row, n] of o.rows) {
    const key = JSON.stringify(row.policy);
    let p = policies.get(key);
    if (!p) policies.set(key, (p = { policy: row.policy, good: 0, bad: 0, failures: new Map() }));
    if (row.failure === null) {
      p.good += n;
      continue;
    }
    p.bad += n;
    const { type, mx, ip, from = '', why } = row.failure;
    const what = `${type} ${mx} ${ip} ${from} ${why}`;
    const was = p.failures.get(what);
    if (was) was['failed-session-count'] += n;
    else p.failures.set(what, { 'result-type': type, ...(from === '' ? {} : { 'sending-mta-ip': from }), 'receiving-mx-hostname': mx, 'receiving-ip': ip, 'failed-session-count': n, 'failure-reason-code': why });
  }
  return {
    'organization-name': o.organization,
    'date-range': { 'start-datetime': seconds(o.from), 'end-datetime': seconds(o.to - 1000) },
    'contact-info': o.contact,
    'report-id': o.id,
    policies: [...policies.values()].map(({ policy, good, bad, failures }) => ({
      policy: { 'policy-type': policy.type, ...(policy.strings.length > 0 ? { 'policy-string': policy.strings } : {}), 'policy-domain': o.domain, ...(policy.mx.length > 0 ? { 'mx-host': policy.mx } : {}) },
      summary: { 'total-successful-session-count': good, 'total-failure-session-count': bad },
      ...(failures.size > 0 ? { 'failure-details': [...failures.values()] } : {}),
    })),
  };
}
