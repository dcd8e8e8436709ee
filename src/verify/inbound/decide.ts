// From what the checks found to what becomes of the message: no network, no clock.
import { Refused } from '../../base/index.ts';
import type { Authenticated } from './authentication.ts';
import type { Helo, Origin } from './origin.ts';
import type { RspamdAnswer } from './rspamd.ts';
import type { InboundSettings } from './settings.ts';

export interface Found {
  /** Null: the checks failed by a fault of ours. */
  auth: Authenticated | null;
  origin: Origin | null;
  helo: Helo | null;
  /** Block lists that have the client. */
  listed: number;
  /** Null: not asked, or no answer. */
  rspamd: RspamdAnswer | null;
}

export interface Decision {
  /** The message is not taken. */
  refused: Refused | null;
  junk: boolean;
  /** Why it is junk or refused; null where it is neither. */
  because: 'dmarc' | 'score' | 'rspamd' | null;
  /** DMARC failed, and did not count because of ARC. */
  arcSaved: boolean;
  score: number;
  rules: (readonly [string, number])[];
}

// What a server looks like is a hint and never enough: all of PTR and HELO together stay below the score of Junk.
const POINTS = {
  'ptr-none': 1,
  'ptr-mismatch': 1,
  'helo-address': 1,
  'helo-plain': 1,
  'helo-unknown': 0.5,
  'helo-ours': 3,
  'spf-fail': 2,
  'spf-softfail': 0.5,
  'dkim-fail': 0.5,
  'dmarc-fail': 1.5,
  'from-none': 2,
  'from-many': 3,
  listed: 4,
} as const;

function rulesOf({ auth, origin, helo, listed }: Found): (readonly [string, number])[] {
  const names: (keyof typeof POINTS)[] = [];
  if (origin?.iprev === 'permerror') names.push('ptr-none');
  if (origin?.iprev === 'fail') names.push('ptr-mismatch');
  if (helo !== null && helo !== 'good') names.push(`helo-${helo}`);
  if (auth?.spf === 'fail') names.push('spf-fail');
  if (auth?.spf === 'softfail') names.push('spf-softfail');
  if (auth?.dkim === 'fail') names.push('dkim-fail');
  // Lists change what they pass on: a trusted seal says that it was good before.
  if (auth?.dmarc === 'fail' && !auth.arcVouches) names.push('dmarc-fail');
  if (auth !== null && auth.author !== 'one') names.push(`from-${auth.author}`);
  return [...names.map((n) => [n, POINTS[n]] as const), ...(listed > 0 ? [['listed', POINTS.listed * listed] as const] : [])];
}

export function decide(found: Found, settings: InboundSettings): Decision {
  const { auth, rspamd } = found;
  const rules = rulesOf(found);
  const score = Math.round(rules.reduce((sum, [, points]) => sum + points, 0) * 10) / 10;
  const failed = auth !== null && auth.dmarc === 'fail' && auth.policy !== 'none' && settings.dmarc !== 'none';
  const arcSaved = failed && auth.arcVouches;
  const decision: Decision = { refused: null, junk: false, because: null, arcSaved, score, rules };
  if (rspamd?.verdict === 'soft') return { ...decision, refused: new Refused(rspamd.text ?? 'try again later', null, '451 4.7.1'), because: 'rspamd' };
  if (failed && !arcSaved) {
    // A chain that verifies and whose sealers nobody knows here: a list, perhaps. It is not refused, since that would end its members' subscriptions.
    if (settings.dmarc === 'reject' && auth.policy === 'reject' && auth.arc !== 'pass') {
      return { ...decision, refused: new Refused("the policy of the author's domain (DMARC) refuses this message", null, '550 5.7.1'), because: 'dmarc' };
    }
    Object.assign(decision, { junk: true, because: 'dmarc' });
  }
  if (rspamd?.verdict === 'reject' && settings.rspamd?.reject === 'reject') return { ...decision, refused: new Refused(rspamd.text ?? 'the message looks like spam', null, '550 5.7.1'), because: 'rspamd' };
  if (rspamd?.verdict === 'junk' || rspamd?.verdict === 'reject') Object.assign(decision, { junk: true, because: 'rspamd' });
  if (settings.junkScore > 0 && score >= settings.junkScore) Object.assign(decision, { junk: true, because: decision.because ?? 'score' });
  return decision;
}
