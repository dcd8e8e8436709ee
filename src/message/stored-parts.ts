// Envelope and body structure in the stored index, version 1 (see stored.ts).
import { Corrupt, limits } from '../base/index.ts';
import type { Address, BodyPart, Envelope, Parameters } from '../base/index.ts';
import { emptyEnvelope } from './entity.ts';
import type { StringReader, StringWriter } from './pool.ts';
import type { KeptField } from './types.ts';

/** Address lists: absent, the very list of From, else the count and 2. */
const ABSENT = 0;
const AS_FROM = 1;
const COUNT_FROM = 2;

// What a part is, and what else it has.
const MULTIPART = 1;
const MESSAGE = 2;
const LINES = 4;
const ID = 8;
const DESCRIPTION = 16;
const MD5 = 32;
const DISPOSITION = 64;
const LANGUAGE = 128;
const LOCATION = 256;

/** Writes an envelope; `fields` are those whose values are the pool, in order (none for an inner message). */
export function encodeEnvelope(w: StringWriter, e: Envelope, fields: KeptField[]): void {
  const value = (name: string, text: string | null, lastCounts: boolean) => {
    const place = text === null ? null : findField(fields, name, lastCounts);
    if (text === null || place === null) w.write(text);
    else w.writeValue(text, place.value, place.offset);
  };
  const list = (name: string, addresses: Address[] | null) => {
    if (addresses === null) w.out.varint(ABSENT);
    else if (addresses === e.from && name !== 'from') w.out.varint(AS_FROM);
    else {
      w.out.varint(addresses.length + COUNT_FROM);
      w.seek(findField(fields, name, false)?.offset ?? 0);
      for (const a of addresses) {
        w.write(a.name);
        w.write(a.mailbox);
        w.write(a.host);
      }
    }
  };
  value('date', e.date, true);
  value('subject', e.subject, true);
  list('from', e.from);
  list('sender', e.sender);
  list('reply-to', e.replyTo);
  list('to', e.to);
  list('cc', e.cc);
  list('bcc', e.bcc);
  value('in-reply-to', e.inReplyTo, true);
  value('message-id', e.messageId, true);
}

function findField(fields: KeptField[], name: string, last: boolean): { value: string; offset: number } | null {
  let offset = 0;
  let found: { value: string; offset: number } | null = null;
  for (const field of fields) {
    if (field.name === name && (last || found === null)) found = { value: field.value, offset };
    offset += field.value.length;
  }
  return found;
}

export function decodeEnvelope(r: StringReader): Envelope {
  const e = emptyEnvelope();
  e.date = r.text();
  e.subject = r.text();
  e.from = decodeAddresses(r, null);
  e.sender = decodeAddresses(r, e.from);
  e.replyTo = decodeAddresses(r, e.from);
  e.to = decodeAddresses(r, null);
  e.cc = decodeAddresses(r, null);
  e.bcc = decodeAddresses(r, null);
  e.inReplyTo = r.text();
  e.messageId = r.text();
  return e;
}

/** An envelope without its addresses. */
export type EnvelopeTexts = Pick<Envelope, 'date' | 'subject' | 'inReplyTo' | 'messageId'>;

const ADDRESS_LISTS = 6;

export function decodeEnvelopeTexts(r: StringReader): EnvelopeTexts {
  const date = r.text();
  const subject = r.text();
  for (let list = 0; list < ADDRESS_LISTS; list++) {
    for (let strings = Math.max(0, r.varint() - COUNT_FROM) * 3; strings > 0; strings--) r.pass();
  }
  return { date, subject, inReplyTo: r.text(), messageId: r.text() };
}

function decodeAddresses(r: StringReader, from: Address[] | null): Address[] | null {
  const head = r.varint();
  if (head === ABSENT) return null;
  if (head === AS_FROM) return from;
  const count = head - COUNT_FROM;
  if (count * 3 > r.left) throw new Corrupt('stored message index: too many addresses');
  const list: Address[] = [];
  for (let i = 0; i < count; i++) list.push({ name: r.text(), mailbox: r.text(), host: r.text() });
  return list;
}

/** Writes a whole body structure; `fields` as for encodeEnvelope. */
export function encodeBody(w: StringWriter, body: BodyPart, fields: KeptField[]): void {
  w.seek(findField(fields, 'content-type', false)?.offset ?? 0);
  encodePart(w, body, 0);
}

/** Offsets are written as distances: the header's from `at`, where the last thing ended; returns this part's end. */
function encodePart(w: StringWriter, part: BodyPart, at: number): number {
  const { out } = w;
  out.varint(
    (part.parts === null ? 0 : MULTIPART) |
      (part.message === null ? 0 : MESSAGE) |
      (part.lines === 0 ? 0 : LINES) |
      (part.id === null ? 0 : ID) |
      (part.description === null ? 0 : DESCRIPTION) |
      (part.md5 === null ? 0 : MD5) |
      (part.disposition === null ? 0 : DISPOSITION) |
      (part.language === null ? 0 : LANGUAGE) |
      (part.location === null ? 0 : LOCATION),
  );
  out.varint(part.headerStart - at).varint(part.bodyStart - part.headerStart).varint(part.bodyEnd - part.bodyStart);
  if (part.lines !== 0) out.varint(part.lines);
  w.write(part.type);
  w.write(part.subtype);
  encodeParams(w, part.params);
  w.write(part.encoding);
  if (part.id !== null) w.write(part.id);
  if (part.description !== null) w.write(part.description);
  if (part.md5 !== null) w.write(part.md5);
  if (part.disposition !== null) {
    w.write(part.disposition.type);
    encodeParams(w, part.disposition.params);
  }
  if (part.language !== null) {
    out.varint(part.language.length);
    for (const tag of part.language) w.write(tag);
  }
  if (part.location !== null) w.write(part.location);
  if (part.parts !== null) {
    out.varint(part.parts.length);
    let end = part.bodyStart;
    for (const sub of part.parts) end = encodePart(w, sub, end);
  }
  if (part.message !== null) {
    encodeEnvelope(w, part.message.envelope, []);
    encodePart(w, part.message.body, part.bodyStart);
  }
  return part.bodyEnd;
}

function encodeParams(w: StringWriter, params: Parameters): void {
  w.out.varint(params.length);
  for (const [name, value] of params) {
    w.write(name);
    w.write(value);
  }
}

export function decodeBody(r: StringReader): BodyPart {
  const body = decodePart(r, 0, 0);
  r.finish();
  return body;
}

function decodePart(r: StringReader, at: number, depth: number): BodyPart {
  if (depth > limits.mime_nesting_max + 1) throw new Corrupt('stored message index: nested too deep');
  const has = r.varint();
  const headerStart = at + r.varint();
  const bodyStart = headerStart + r.varint();
  const bodyEnd = bodyStart + r.varint();
  const lines = has & LINES ? r.varint() : 0;
  const part: BodyPart = {
    type: r.must(),
    subtype: r.must(),
    params: decodeParams(r),
    id: null,
    description: null,
    encoding: r.must(),
    md5: null,
    disposition: null,
    language: null,
    location: null,
    headerStart,
    bodyStart,
    bodyEnd,
    lines,
    parts: null,
    message: null,
  };
  if (has & ID) part.id = r.must();
  if (has & DESCRIPTION) part.description = r.must();
  if (has & MD5) part.md5 = r.must();
  if (has & DISPOSITION) part.disposition = { type: r.must(), params: decodeParams(r) };
  if (has & LANGUAGE) {
    part.language = [];
    for (let n = r.count(); n > 0; n--) part.language.push(r.must());
  }
  if (has & LOCATION) part.location = r.must();
  if (has & MULTIPART) {
    part.parts = [];
    let end = bodyStart;
    for (let n = r.count(); n > 0; n--) {
      const sub = decodePart(r, end, depth + 1);
      part.parts.push(sub);
      end = sub.bodyEnd;
    }
  }
  if (has & MESSAGE) part.message = { envelope: decodeEnvelope(r), body: decodePart(r, bodyStart, depth + 1) };
  return part;
}

function decodeParams(r: StringReader): Parameters {
  const params: Parameters = [];
  for (let n = r.count(2); n > 0; n--) params.push([r.must(), r.must()]);
  return params;
}
