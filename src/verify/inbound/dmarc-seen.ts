// What another domain's daily report says of one message (RFC 7489 §7.2).
import type { Decision } from './decide.ts';
import type { InboundSettings } from './settings.ts';

type PassFail = 'pass' | 'fail';

/** What the checks found of it. */
export interface DmarcFacts {
  /** Whose record applied. */
  domain: string;
  published: { adkim: string; aspf: string; p: string; sp: string; pct: number; fo: string };
  /** As published, `mailto:` and all. */
  rua: string[];
  headerFrom: string;
  /** Aligned and passed. */
  dkim: PassFail;
  spf: PassFail;
  dkimResults: { domain: string; selector: string; result: string }[];
  spfResult: { domain: string; result: string };
}

export interface DmarcSeen extends DmarcFacts {
  ip: string;
  /** The domain of MAIL FROM. */
  envelopeFrom: string;
  disposition: 'none' | 'quarantine' | 'reject';
  override: 'local_policy' | null;
}

const RUA_MAX = 5;

/** Tags of a published record. */
export function recordTags(text: string): { published: DmarcFacts['published']; rua: string[] } {
  const tags = new Map(text.split(';').map((t) => [t.slice(0, Math.max(0, t.indexOf('='))).trim().toLowerCase(), t.slice(t.indexOf('=') + 1).trim()]));
  const one = (name: string, of: readonly string[], otherwise: string): string => of.find((v) => v === tags.get(name)?.toLowerCase()) ?? otherwise;
  const policies = ['none', 'quarantine', 'reject'];
  const p = one('p', policies, 'none');
  const fo = tags.get('fo')?.toLowerCase() ?? '';
  const pct = Number(tags.get('pct') ?? 100);
  const published = { adkim: one('adkim', ['r', 's'], 'r'), aspf: one('aspf', ['r', 's'], 'r'), p, sp: one('sp', policies, p), pct: Number.isInteger(pct) && pct >= 0 && pct <= 100 ? pct : 100, fo: /^[01ds](:[01ds]){0,3}$/.test(fo) ? fo : '0' };
  return { published, rua: (tags.get('rua') ?? '').split(',').map((u) => u.trim()).filter((u) => u !== '').slice(0, RUA_MAX) };
}

/** What became of it as far as DMARC goes: Junk for another reason is no disposition. */
export function dmarcSeen(facts: DmarcFacts, policy: DmarcSeen['disposition'], ip: string, from: string, decision: Decision, settings: InboundSettings): DmarcSeen {
  const failed = facts.dkim === 'fail' && facts.spf === 'fail';
  const asked = failed ? policy : 'none';
  const disposition = !failed || decision.arcSaved || settings.dmarc === 'none' ? 'none' : decision.because === 'dmarc' && decision.refused !== null ? 'reject' : asked === 'none' ? 'none' : 'quarantine';
  return { ...facts, ip, envelopeFrom: from.slice(from.lastIndexOf('@') + 1).toLowerCase(), disposition, override: disposition === asked ? null : 'local_policy' };
}
