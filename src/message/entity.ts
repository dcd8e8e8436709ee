// What a header says about its body (MIME) and, for a message, about itself (the envelope).
import type { Address, BodyPart, Envelope, HeaderText, Parameters } from '../base/index.ts';
import { parseAddresses } from './addresses.ts';
import { collapse, unfold } from './header.ts';
import { parseContentType, parseDisposition, parseLanguages, parseWord } from './params.ts';
import { limits } from '../base/index.ts';

/** A field as readFields gives it; only what is read here. */
export interface Field {
  name: string;
  value: HeaderText;
}

/**
 * The part that a header describes; its offsets are not known yet. Of repeated fields the first counts, of
 * Content-Disposition the last (as Dovecot has it).
 */
export function readPart(fields: Field[], headerStart: number, inDigest: boolean): BodyPart {
  let contentType: { type: HeaderText; subtype: HeaderText; params: Parameters } | null = null;
  let typed = false;
  const part: BodyPart = {
    type: 'text',
    subtype: 'plain',
    params: [],
    id: null,
    description: null,
    encoding: '',
    md5: null,
    disposition: null,
    language: null,
    location: null,
    headerStart,
    bodyStart: headerStart,
    bodyEnd: headerStart,
    lines: 0,
    parts: null,
    message: null,
  };
  for (const field of fields) {
    if (!field.name.startsWith('content-')) continue;
    const value = lookedAt(field.value);
    switch (field.name) {
      case 'content-type':
        if (!typed) contentType = parseContentType(value);
        typed = true;
        break;
      case 'content-transfer-encoding':
        part.encoding ||= parseWord(value) ?? '';
        break;
      case 'content-id':
        part.id ??= unfold(value).trim();
        break;
      case 'content-description':
        part.description ??= unfold(value).trim();
        break;
      case 'content-md5':
        part.md5 ??= unfold(value).trim();
        break;
      case 'content-disposition':
        part.disposition = parseDisposition(value);
        break;
      case 'content-language':
        part.language ??= parseLanguages(value);
        break;
      case 'content-location':
        part.location ??= unfold(value).trim();
        break;
    }
  }
  if (contentType !== null) {
    part.type = contentType.type;
    part.subtype = contentType.subtype;
    part.params = contentType.params;
  } else if (!typed && inDigest) {
    // RFC 2046 §5.1.5.
    part.type = 'message';
    part.subtype = 'rfc822';
  }
  part.encoding ||= '7bit';
  return part;
}

/**
 * The envelope of a message (RFC 9051 §2.3.5). Repeated address fields are read as one, so that nobody is shown a
 * different sender than another program; of other repeated fields the last counts.
 */
export function readEnvelope(fields: Field[]): Envelope {
  const e: Envelope = emptyEnvelope();
  for (const field of fields) {
    switch (field.name) {
      case 'date':
        e.date = unfold(lookedAt(field.value)).trim();
        break;
      case 'subject':
        e.subject = collapse(lookedAt(field.value));
        break;
      case 'message-id':
        e.messageId = unfold(lookedAt(field.value)).trim();
        break;
      case 'in-reply-to':
        e.inReplyTo = unfold(lookedAt(field.value)).trim();
        break;
      case 'from':
        e.from = moreAddresses(e.from, field.value);
        break;
      case 'sender':
        e.sender = moreAddresses(e.sender, field.value);
        break;
      case 'reply-to':
        e.replyTo = moreAddresses(e.replyTo, field.value);
        break;
      case 'to':
        e.to = moreAddresses(e.to, field.value);
        break;
      case 'cc':
        e.cc = moreAddresses(e.cc, field.value);
        break;
      case 'bcc':
        e.bcc = moreAddresses(e.bcc, field.value);
        break;
    }
  }
  e.sender ??= e.from;
  e.replyTo ??= e.from;
  return e;
}

export function emptyEnvelope(): Envelope {
  return { date: null, subject: null, from: null, sender: null, replyTo: null, to: null, cc: null, bcc: null, inReplyTo: null, messageId: null };
}

function moreAddresses(list: Address[] | null, value: HeaderText): Address[] | null {
  const room = limits.addresses_max - (list?.length ?? 0);
  if (room <= 0) return list;
  const more = parseAddresses(lookedAt(value), room);
  if (more.length === 0) return list;
  return list === null ? more : list.concat(more);
}

function lookedAt(value: HeaderText): HeaderText {
  return value.length > limits.header_field_bytes_max ? value.slice(0, limits.header_field_bytes_max) : value;
}
