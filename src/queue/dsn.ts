// Delivery status notifications (RFC 3461, 3464, 6522): what the sender hears of a message that failed, waits or arrived.
// The same state gives the same bytes at every replica, so one that is written twice is dropped once.
import { createHash } from 'node:crypto';
import type { Notice } from './ops.ts';
import type { QueuedMessage } from './fold.ts';
import { isWide } from './header.ts';
import { printable } from './remote.ts';

export interface DsnOptions {
  message: QueuedMessage;
  notice: Notice;
  /** Indexes of recipients, in order. */
  recipients: number[];
  /** The server that speaks. */
  hostname: string;
  /** Wall clock of what is told, ms. */
  at: number;
  /** The original, whole or its header alone. */
  original: Buffer;
  whole: boolean;
  /** Age at which it is given up, ms. */
  ageMsMax: number;
  date: (ms: number) => string;
  /** Whose message was forwarded: who reads this is the postmaster; null: the sender. */
  forwardedFrom?: string | null;
}

const ACTION = { failure: 'failed', delay: 'delayed', success: 'relayed' } as const;
const SUBJECT = { failure: 'Your message could not be delivered', delay: 'Your message is still on its way', success: 'Your message was handed on' } as const;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Of a success: they are here, so nothing is left to be told. */
const arrived = ({ message, notice, recipients }: DsnOptions): boolean => notice === 'success' && recipients.every((i) => !message.recipients[i].said?.host);

function opening(o: DsnOptions): string {
  if (arrived(o)) return 'Your message was delivered to the following recipients.';
  if (o.forwardedFrom) return `A message from ${o.forwardedFrom} to an address here that leads elsewhere could not be handed on to the\r\nfollowing recipients. It will not be tried again. Its sender was not told: a sender can be forged.`;
  if (o.notice === 'failure') return 'Your message could not be delivered to the following recipients. It will not be tried again.';
  if (o.notice === 'success') return 'Your message was handed to the mail server of the following recipients, which may not tell more.';
  return `Your message could not be delivered to the following recipients yet. You need not send it again: it is tried\r\nfor ${Math.round(o.ageMsMax / DAY_MS)} days, and you will hear if that fails.`;
}

/** The whole notification, CRLF at line ends. */
export function deliveryStatus(o: DsnOptions): Buffer {
  const { message: m, notice, hostname } = o;
  const id = createHash('sha256').update(`${m.id}\0${notice}\0${o.recipients.join(',')}`).digest('hex').slice(0, 32);
  const boundary = `=_${id}`;
  const original = o.original;
  const eightBit = original.some((b) => b > 127);
  const utf8 = m.utf8 || o.recipients.some((i) => isWide(m.recipients[i].address));
  const told = o.recipients.map((i) => m.recipients[i]);
  // Another server may have answered in its own language: people read that, but the fields for programs are ASCII (RFC 3464 §2).
  const wideText = utf8 || told.some((r) => isWide(r.said?.text ?? ''));
  const field = (text: string) => (utf8 ? printable(text) : printable(text).replace(/[^\x20-\x7e]/g, '?'));
  const lines = [
    `From: Mail Delivery System <mailer-daemon@${hostname}>`,
    `To: <${m.from}>`,
    `Subject: ${o.forwardedFrom ? 'A forwarded message could not be delivered' : arrived(o) ? 'Your message was delivered' : SUBJECT[notice]}`,
    `Date: ${o.date(o.at)}`,
    `Message-ID: <${id}@${hostname}>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${boundary}"`,
    ...(eightBit || wideText ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    ...(wideText ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    opening(o),
    '',
    ...told.flatMap((r) => [`  ${r.address}`, `    ${printable(r.said?.text ?? 'not tried yet') || r.said?.status || 'no reason was given'}`, '']),
    `--${boundary}`,
    `Content-Type: message/${utf8 ? 'global-' : ''}delivery-status`,
    ...(utf8 ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    `Reporting-MTA: dns; ${hostname}`,
    ...(m.envid === '' ? [] : [`Original-Envelope-Id: ${printable(m.envid)}`]),
    `Arrival-Date: ${o.date(m.at)}`,
    '',
    ...told.flatMap((r) => [
      ...(r.orcpt === '' ? [] : [`Original-Recipient: ${printable(r.orcpt)}`]),
      `Final-Recipient: ${isWide(r.address) ? 'utf-8' : 'rfc822'}; ${r.address}`,
      `Action: ${notice === 'success' && !r.said?.host ? 'delivered' : ACTION[notice]}`,
      `Status: ${r.said?.status ?? '4.0.0'}`,
      ...(r.said?.host ? [`Remote-MTA: dns; ${field(r.said.host)}`, `Diagnostic-Code: smtp; ${field(r.said.text)}`] : []),
      ...(r.said ? [`Last-Attempt-Date: ${o.date(r.said.at)}`] : []),
      ...(notice === 'delay' ? [`Will-Retry-Until: ${o.date(Math.max(m.at, m.releaseAt) + o.ageMsMax)}`] : []),
      '',
    ]),
    `--${boundary}`,
    `Content-Type: ${o.whole ? (m.utf8 ? 'message/global' : 'message/rfc822') : m.utf8 ? 'message/global-headers' : 'text/rfc822-headers'}`,
    ...(eightBit ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    '',
  ];
  return Buffer.concat([Buffer.from(lines.join('\r\n')), original, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}

/** The header of a message with its last line end; all of it when it has no body. */
export function headerOf(bytes: Buffer): Buffer {
  const end = bytes.indexOf('\r\n\r\n');
  return end < 0 ? bytes : bytes.subarray(0, end + 2);
}
