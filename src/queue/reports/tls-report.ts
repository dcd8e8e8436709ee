// Reports of how TLS went with a domain's servers (RFC 8460): what is counted, and the JSON of one day.
import type { TlsSession } from '../route.ts';
import type { AppliedPolicy } from '../tls-policy.ts';
import { mailtoOf } from './mailto.ts';

export interface TlsRow {
  policy: AppliedPolicy;
  failure: { type: string; why: string; mx: string; ip: string } | null;
}

const WHY_CHARS_MAX = 200;

export function tlsRow({ policy, host, failure }: TlsSession): TlsRow {
  return { policy, failure: failure && { type: failure.type, why: failure.why.slice(0, WHY_CHARS_MAX), mx: host.name, ip: host.address } };
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

const seconds = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** §4.4. */
export function tlsReport(o: TlsReportOptions): object {
  const policies = new Map<string, { policy: AppliedPolicy; good: number; bad: number; failures: Map<string, { 'result-type': string; 'receiving-mx-hostname': string; 'receiving-ip': string; 'failed-session-count': number; 'failure-reason-code': string }> }>();
  for (const [row, n] of o.rows) {
    const key = JSON.stringify(row.policy);
    let p = policies.get(key);
    if (!p) policies.set(key, (p = { policy: row.policy, good: 0, bad: 0, failures: new Map() }));
    if (row.failure === null) {
      p.good += n;
      continue;
    }
    p.bad += n;
    const { type, mx, ip, why } = row.failure;
    const what = `${type} ${mx} ${ip} ${why}`;
    const was = p.failures.get(what);
    if (was) was['failed-session-count'] += n;
    else p.failures.set(what, { 'result-type': type, 'receiving-mx-hostname': mx, 'receiving-ip': ip, 'failed-session-count': n, 'failure-reason-code': why });
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
