// The header fields that stand before a message: Return-Path, Delivered-To, Received (RFC 5321 §4.4).
import { mailDate } from '../base/index.ts';

export interface Trace {
  lmtp: boolean;
  /** EHLO or LHLO was used, not HELO. */
  extended: boolean;
  /** Version and cipher, or null in clear. */
  tls: { protocol: string; cipher: string } | null;
  utf8: boolean;
  /** The client has logged in. */
  authenticated?: boolean;
  /** Its name and address are left out. */
  hideClient?: boolean;
  /** As the client called itself. */
  helo: string;
  /** The client's IP address. */
  remote: string;
  hostname: string;
  id: string;
  now: number;
}

/** RFC 3848, RFC 6531 §4.3. */
function protocolOf(t: Trace): string {
  const tls = `${t.tls === null ? '' : 'S'}${t.authenticated ? 'A' : ''}`;
  if (t.lmtp) return t.utf8 ? `UTF8LMTP${tls}` : `LMTP${tls}`;
  if (!t.extended) return 'SMTP';
  return t.utf8 ? `UTF8SMTP${tls}` : `ESMTP${tls}`;
}

/** Received without the recipient, for all copies; `for` is named only when there is one recipient, so that none learns of another. */
export function receivedField(t: Trace, recipient: string | null): string {
  // A HELO name is any text: only what can't break the field or a comment in it stays.
  const helo = t.helo.replace(/[^A-Za-z0-9.:_[\]-]/g, '?').slice(0, 255) || 'unknown';
  const address = t.remote.includes(':') ? `[IPv6:${t.remote}]` : `[${t.remote}]`;
  const tls = t.tls === null ? '' : ` (${t.tls.protocol} ${t.tls.cipher})`;
  const forWhom = recipient === null ? '' : `\r\n\tfor <${recipient}>`;
  const from = t.hideClient ? '' : `from ${helo} (${address})\r\n\t`;
  return `Received: ${from}by ${t.hostname} with ${protocolOf(t)}${tls} id ${t.id}${forWhom};\r\n\t${mailDate(t.now)}\r\n`;
}

/** All that stands before the copy of one recipient. */
export function prefixOf(from: string, recipient: string, received: string): Buffer {
  return Buffer.from(`Return-Path: <${from}>\r\nDelivered-To: ${recipient}\r\n${received}`);
}
