// Aggregate reports of DMARC (RFC 7489 §7.2): what is counted, where reports go, and the XML of one day.
import { mailtoOf } from './mailto.ts';
import type { ReportTarget } from './mailto.ts';

type PassFail = 'pass' | 'fail';

/** One message, as the checks of inbound mail saw it. */
export interface DmarcSeen {
  /** Whose record applied: the author's domain, or the one above it. */
  domain: string;
  /** As published; `rua`: its addresses for reports, `mailto:` and all. */
  published: { adkim: string; aspf: string; p: string; sp: string; pct: number; fo?: string };
  rua: string[];
  ip: string;
  headerFrom: string;
  envelopeFrom: string;
  disposition: 'none' | 'quarantine' | 'reject';
  /** Aligned and passed. */
  dkim: PassFail;
  spf: PassFail;
  /** Why the policy was not followed, if so. */
  override: 'forwarded' | 'mailing_list' | 'local_policy' | 'trusted_forwarder' | null;
  dkimResults: { domain: string; selector: string; result: string }[];
  spfResult: { domain: string; result: string };
}

/** What checks of inbound mail call for each message whose author's domain has a record. Never throws. */
export interface DmarcRecorder {
  record(seen: DmarcSeen): void;
}

const escape = (text: string) => text.replace(/[\x00-\x1f\x7f]/g, '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).slice(0, 300);
const tag = (name: string, value: string | number) => `<${name}>${escape(String(value))}</${name}>`;

/** Addresses of the record's rua. */
export function dmarcReportAddresses(rua: readonly string[]): ReportTarget[] {
  return rua.map(mailtoOf).filter((to) => to !== null).slice(0, 5);
}

/** The record by which another organization's domain says that it wants reports about this one (§7.1). */
export const permissionName = (about: string, to: string): string => `${about}._report._dmarc.${to}`;

export interface DmarcReportOptions {
  organization: string;
  contact: string;
  id: string;
  /** ms since 1970. */
  from: number;
  to: number;
  rows: readonly (readonly [DmarcSeen, number])[];
}

/** Appendix C. */
export function dmarcReport(o: DmarcReportOptions): string {
  const [{ domain, published }] = o.rows[0];
  const record = ([r, n]: readonly [DmarcSeen, number]) =>
    `<record><row>${tag('source_ip', r.ip)}${tag('count', n)}<policy_evaluated>${tag('disposition', r.disposition)}${tag('dkim', r.dkim)}${tag('spf', r.spf)}` +
    `${r.override ? `<reason>${tag('type', r.override)}</reason>` : ''}</policy_evaluated></row>` +
    `<identifiers>${tag('envelope_from', r.envelopeFrom)}${tag('header_from', r.headerFrom)}</identifiers>` +
    `<auth_results>${r.dkimResults.map((d) => `<dkim>${tag('domain', d.domain)}${tag('selector', d.selector)}${tag('result', d.result)}</dkim>`).join('')}` +
    // Of the null sender the client's name was looked at (RFC 7208 §2.4).
    `<spf>${tag('domain', r.spfResult.domain)}${tag('scope', r.envelopeFrom ? 'mfrom' : 'helo')}${tag('result', r.spfResult.result)}</spf></auth_results></record>`;
  return [
    '<?xml version="1.0" encoding="UTF-8" ?>',
    '<feedback>',
    '<version>1.0</version>',
    `<report_metadata>${tag('org_name', o.organization)}${tag('email', o.contact)}${tag('report_id', o.id)}<date_range>${tag('begin', Math.floor(o.from / 1000))}${tag('end', Math.floor(o.to / 1000) - 1)}</date_range></report_metadata>`,
    `<policy_published>${tag('domain', domain)}${tag('adkim', published.adkim)}${tag('aspf', published.aspf)}${tag('p', published.p)}${tag('sp', published.sp)}${tag('pct', published.pct)}${tag('fo', published.fo ?? '0')}</policy_published>`,
    ...o.rows.map(record),
    '</feedback>',
    '',
  ].join('\n');
}
