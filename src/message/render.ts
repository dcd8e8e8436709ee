// ENVELOPE, BODY and BODYSTRUCTURE as IMAP text (RFC 9051 §7.5.2): latin1, one character a byte.
import type { Address, BodyPart, Envelope, HeaderText, Parameters } from '../base/index.ts';

/** A quoted string longer than this goes as a literal: some clients read lines into small buffers. */
const QUOTED_BYTES_MAX = 4096;
// eslint-disable-next-line no-control-regex
const NOT_PLAIN = /["\\\r\n\0\x80-\xff]/;
// eslint-disable-next-line no-control-regex
const NOT_QUOTABLE = /[\r\n\0\x80-\xff]/;
/** NUL can stand in no IMAP string (RFC 9051 §9): U+FFFD in UTF-8 stands for it. */
const NUL_SHOWN = '\xef\xbf\xbd';
/** A multipart must have a part (RFC 9051 §7.5.2); one without is shown with an empty one. */
const NO_PART = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0';

/** An nstring: NIL, quoted, or a literal when there are 8-bit characters, CR, LF or NUL in it or it is over-long. */
export function renderString(text: HeaderText | null): string {
  if (text === null) return 'NIL';
  if (text.length <= QUOTED_BYTES_MAX) {
    if (!NOT_PLAIN.test(text)) return `"${text}"`;
    if (!NOT_QUOTABLE.test(text)) return `"${text.replace(/["\\]/g, '\\$&')}"`;
  }
  const shown = text.includes('\0') ? text.replaceAll('\0', NUL_SHOWN) : text;
  return `{${shown.length}}\r\n${shown}`;
}

/** `(date subject from sender reply-to to cc bcc in-reply-to message-id)`. */
export function renderEnvelope(e: Envelope): string {
  const from = renderAddresses(e.from);
  const sender = e.sender === e.from ? from : renderAddresses(e.sender);
  const replyTo = e.replyTo === e.from ? from : renderAddresses(e.replyTo);
  return `(${renderString(e.date)} ${renderString(e.subject)} ${from} ${sender} ${replyTo} ${renderAddresses(e.to)} ${renderAddresses(e.cc)} ${renderAddresses(e.bcc)} ${renderString(e.inReplyTo)} ${renderString(e.messageId)})`;
}

function renderAddresses(list: Address[] | null): string {
  if (list === null || list.length === 0) return 'NIL';
  let out = '(';
  for (const a of list) out += `(${renderString(a.name)} NIL ${renderString(a.mailbox)} ${renderString(a.host)})`;
  return `${out})`;
}

/**
 * BODY, or with `extended` BODYSTRUCTURE. `global`: the client enabled IMAP4rev2, which shows the message inside a
 * message/global as it does for message/rfc822; older clients take it for a plain part (RFC 3501 §9 media-message).
 */
export function renderBody(part: BodyPart, extended: boolean, global = false): string {
  if (part.parts !== null) return renderMultipart(part, part.parts, extended, global);
  const text = isText(part.type);
  const params = text ? renderTextParams(part.params) : renderParams(part.params);
  let out = `(${renderString(part.type)} ${renderString(part.subtype)} ${params} ${renderString(part.id)} ${renderString(part.description)} ${renderString(part.encoding)} ${part.bodyEnd - part.bodyStart}`;
  if (text) out += ` ${part.lines}`;
  else if (part.message !== null && (global || part.subtype.toLowerCase() === 'rfc822')) {
    out += ` ${renderEnvelope(part.message.envelope)} ${renderBody(part.message.body, extended, global)} ${part.lines}`;
  }
  return extended ? `${out} ${renderString(part.md5)}${renderExtension(part)})` : `${out})`;
}

function renderMultipart(part: BodyPart, parts: BodyPart[], extended: boolean, global: boolean): string {
  let out = '(';
  for (const sub of parts) out += renderBody(sub, extended, global);
  if (parts.length === 0) out += extended ? `${NO_PART} NIL NIL NIL NIL)` : `${NO_PART})`;
  out += ` ${renderString(part.subtype)}`;
  return extended ? `${out} ${renderParams(part.params)}${renderExtension(part)})` : `${out})`;
}

function renderExtension(part: BodyPart): string {
  const { disposition, language } = part;
  if (disposition === null && language === null && part.location === null) return ' NIL NIL NIL';
  const shown = disposition === null ? 'NIL' : `(${renderString(disposition.type)} ${renderParams(disposition.params)})`;
  const tags = language === null || language.length === 0 ? 'NIL' : `(${language.map(renderString).join(' ')})`;
  return ` ${shown} ${tags} ${renderString(part.location)}`;
}

function renderParams(params: Parameters): string {
  if (params.length === 0) return 'NIL';
  let out = '';
  for (const [name, value] of params) out += `${out === '' ? '(' : ' '}${renderString(name)} ${renderString(value)}`;
  return `${out})`;
}

/** Text without a charset is US-ASCII (RFC 2046 §4.1.2), and said to be. */
function renderTextParams(params: Parameters): string {
  for (const [name] of params) if (name.length === 7 && name.toLowerCase() === 'charset') return renderParams(params);
  if (params.length === 0) return '("charset" "us-ascii")';
  return `${renderParams(params).slice(0, -1)} "charset" "us-ascii")`;
}

function isText(type: HeaderText): boolean {
  return type.length === 4 && type.toLowerCase() === 'text';
}
