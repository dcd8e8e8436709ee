// The one table from errors to SMTP replies: code, enhanced status (RFC 3463), text.
import { Corrupt, Malformed, Refused, Unavailable } from '../base/index.ts';
import { BadParameter } from './address.ts';

export interface Answer {
  readonly code: number;
  readonly status: string;
  readonly text: string;
}

const answer = (code: number, status: string, text: string): Answer => ({ code, status, text });

export const answers = {
  stored: answer(250, '2.6.0', 'message stored'),
  sender: answer(250, '2.1.0', 'sender accepted'),
  recipient: answer(250, '2.1.5', 'recipient accepted'),
  chunk: answer(250, '2.0.0', 'octets received'),
  chunked: answer(503, '5.5.1', 'the message has begun with BDAT'),
  go: answer(354, '', 'end with <CR><LF>.<CR><LF>'),
  noSender: answer(503, '5.5.1', 'MAIL FROM first'),
  noRecipient: answer(503, '5.5.1', 'RCPT TO first'),
  noValidRecipient: answer(554, '5.5.1', 'no valid recipients'),
  // RFC 2033 §4.2.
  noValidRecipientLmtp: answer(503, '5.5.1', 'no valid recipients'),
  nested: answer(503, '5.5.1', 'a transaction is under way'),
  noArgument: answer(501, '5.5.4', 'takes no argument'),
  parameter: answer(555, '5.5.4', 'parameter not known'),
  tooLarge: answer(552, '5.3.4', 'message too large'),
  recipients: answer(452, '4.5.3', 'too many recipients'),
  unknowns: answer(421, '4.7.0', 'too many unknown recipients'),
  loop: answer(554, '5.4.6', 'too many hops: the message goes in a loop'),
  lineTooLong: answer(500, '5.5.2', 'line too long'),
  slow: answer(421, '4.4.2', 'the message takes too long'),
  idle: answer(421, '4.4.2', 'nothing came for too long'),
  connections: answer(421, '4.7.0', 'too many connections'),
  closing: answer(421, '4.3.2', 'shutting down'),
  later: answer(451, '4.3.0', 'cannot store it now, try again later'),
  broken: answer(451, '4.3.0', 'internal error, try again later'),
} as const;

/** `550 5.1.1` of a Refused, or its code alone. */
function ofRefused(e: Refused): Answer {
  const m = /^([45]\d\d)(?: ([45]\.\d{1,3}\.\d{1,3}))?$/.exec(e.smtp ?? '');
  if (m !== null) return answer(Number(m[1]), m[2] ?? `${m[1][0]}.0.0`, e.message);
  if (e.code === 'OVERQUOTA') return answer(552, '5.2.2', e.message);
  if (e.code === 'LIMIT') return answer(452, '4.3.1', e.message);
  return answer(550, '5.0.0', e.message);
}

/** The reply for what was thrown; null for a bug. Texts of Unavailable and Corrupt are for the log, not for strangers. */
export function answerOf(e: unknown, malformed: { code: number; status: string } = { code: 501, status: '5.5.4' }): Answer | null {
  if (e instanceof Refused) return ofRefused(e);
  if (e instanceof BadParameter) return answer(501, '5.5.4', e.message);
  if (e instanceof Malformed) return answer(malformed.code, malformed.status, e.message);
  if (e instanceof Unavailable) return answers.later;
  // Temporary, so that the sender keeps the message until the store was mended.
  if (e instanceof Corrupt) return answers.broken;
  return null;
}

export const isTemporary = (a: Answer): boolean => a.code >= 400 && a.code < 500;

/**
 * SMTP's one answer for the copies of all recipients. Some stored and some refused is 451: the sender repeats, what is
 * stored is known by its delivery key, and what is refused is refused at RCPT TO, each for itself.
 */
export function together(all: readonly Answer[]): Answer {
  const bad = all.filter((a) => a.code >= 400);
  if (bad.length === 0) return answers.stored;
  const temporary = bad.find(isTemporary);
  if (temporary !== undefined) return temporary;
  return bad.length === all.length ? bad[0] : answers.later;
}
