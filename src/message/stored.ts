// The stored form of a MessageIndex, version 1:
//
//   u8 version · size · headerBytes · flags · [sentAt s, sentDay - sentAt s] · received
//   fields: count, each (prefix number * 4 + line end) [prefix] (length of value) · pool: all values
//   elsewhere: count, u16 each · [references: count, each] · envelope · body (stored-parts.ts) · preview
//
// Numbers are varints; what is in brackets depends on the flags; fields, envelope and body stand behind their length,
// so that a reader passes over what it isn't asked for.
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import type { BodyPart, Envelope, HeaderText } from '../base/index.ts';
import { PREFIXES_V1, PREFIX_NAMES, prefixNumber } from './dictionary.ts';
import { parseId } from './ids.ts';
import { nameHash, textOf, valuesOf } from './kept.ts';
import type { FieldNames } from './kept.ts';
import { StringReader, StringWriter } from './pool.ts';
import { readReferences, ScannedIndex } from './scanned.ts';
import { decodeBody, decodeEnvelope, decodeEnvelopeTexts, encodeBody, encodeEnvelope } from './stored-parts.ts';
import type { EnvelopeTexts } from './stored-parts.ts';
import type { KeptField, MessageIndex } from './types.ts';

const VERSION = 1;
const CUT = 1;
const ATTACHMENT = 2;
const SENT = 4;
const OWN_REFERENCES = 8;
const LINE_ENDS = ['', '\n', '\r\n'] as const;

/** The stored form, usually 0.4 to 1.5 KB. Of an index that came from decodeIndex, the very bytes it was read from. */
export function encodeIndex(index: MessageIndex): Buffer {
  if (index instanceof StoredIndex) return index.bytes;
  if (!(index instanceof ScannedIndex)) throw new TypeError('no index of a scanned message');
  const pool = index.fields.map((field) => field.value).join('');
  const references = readReferences(valuesOf(index.fields, 'references'));
  const ownReferences = references.length !== index.references.length || references.some((id, i) => id !== index.references[i]);
  const out = new ByteWriter(1024);
  out.u8(VERSION).varint(index.size).varint(index.headerBytes);
  const sent = index.sentAt !== null && index.sentDay !== null;
  out.varint((index.cut ? CUT : 0) | (index.hasAttachment ? ATTACHMENT : 0) | (sent ? SENT : 0) | (ownReferences ? OWN_REFERENCES : 0));
  if (sent) out.signed(index.sentAt! / 1000).signed((index.sentDay! - index.sentAt!) / 1000);
  out.varint(index.received).bytes(encodeFields(index.fields)).latin1(pool);
  out.varint(index.elsewhere.length);
  for (const hash of index.elsewhere) out.u8(hash >> 8).u8(hash & 255);
  if (ownReferences) {
    out.varint(index.references.length);
    for (const id of index.references) out.latin1(id);
  }
  const envelope = new StringWriter(new ByteWriter(), pool);
  encodeEnvelope(envelope, index.envelope, index.fields);
  const body = new StringWriter(new ByteWriter(), pool);
  encodeBody(body, index.body, index.fields);
  return out.bytes(envelope.out.done()).bytes(body.out.done()).string(index.preview).done();
}

function encodeFields(fields: KeptField[]): Buffer {
  const out = new ByteWriter(64).varint(fields.length);
  for (const field of fields) {
    const number = prefixNumber.get(field.prefix) ?? 0;
    out.varint(number * 4 + LINE_ENDS.indexOf(field.end));
    if (number === 0) out.latin1(field.prefix);
    out.varint(field.value.length);
  }
  return out.done();
}

/** Reads a stored index. Throws Corrupt here or, for the parts that are read when they are asked for, there. */
export function decodeIndex(bytes: Uint8Array): MessageIndex {
  return new StoredIndex(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

/** An index over its stored bytes; each part is decoded when it is first asked for. */
class StoredIndex implements MessageIndex {
  readonly bytes: Buffer;
  readonly size: number;
  readonly headerBytes: number;
  readonly sentAt: number | null;
  readonly sentDay: number | null;
  readonly received: number;
  readonly hasAttachment: boolean;
  readonly #cut: boolean;
  readonly #fieldsAt: number;
  readonly #poolAt: number;
  readonly #poolEnd: number;
  readonly #elsewhereAt: number;
  readonly #elsewhereCount: number;
  readonly #referencesAt: number;
  readonly #envelopeAt: number;
  readonly #bodyAt: number;
  readonly #bodyEnd: number;
  #pool: HeaderText | undefined;
  #fields: KeptField[] | undefined;
  #envelope: Envelope | undefined;
  #envelopeTexts: EnvelopeTexts | undefined;
  #body: BodyPart | undefined;
  #references: HeaderText[] | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    const r = new ByteReader(bytes);
    const version = r.u8();
    if (version > VERSION) throw new Corrupt('stored message index: written by a newer version');
    if (version !== VERSION) throw new Corrupt('stored message index: unknown version');
    this.size = r.varint();
    this.headerBytes = r.varint();
    const flags = r.varint();
    this.#cut = (flags & CUT) !== 0;
    this.hasAttachment = (flags & ATTACHMENT) !== 0;
    if (flags & SENT) {
      this.sentAt = r.signed() * 1000;
      this.sentDay = this.sentAt + r.signed() * 1000;
    } else {
      this.sentAt = null;
      this.sentDay = null;
    }
    this.received = r.varint();
    this.#fieldsAt = pass(r);
    this.#poolAt = pass(r);
    this.#poolEnd = r.at;
    this.#elsewhereCount = r.count(2);
    this.#elsewhereAt = r.at;
    r.skip(2 * this.#elsewhereCount);
    this.#referencesAt = flags & OWN_REFERENCES ? r.at : -1;
    if (flags & OWN_REFERENCES) for (let n = r.count(); n > 0; n--) pass(r);
    this.#envelopeAt = pass(r);
    const envelopeEnd = r.at;
    this.#bodyAt = pass(r);
    this.#bodyEnd = r.at;
    if (this.#bodyAt <= envelopeEnd) throw new Corrupt('stored message index: no body');
    pass(r);
    r.finish();
  }

  get #poolText(): HeaderText {
    return (this.#pool ??= this.bytes.toString('latin1', this.#poolAt, this.#poolEnd));
  }

  get fields(): KeptField[] {
    return (this.#fields ??= this.#readFields());
  }

  #readFields(): KeptField[] {
    const pool = this.#poolText;
    const fields: KeptField[] = [];
    this.#eachField((name, prefix, from, to, end) => fields.push({ name, prefix, value: pool.slice(from, to), end }));
    return fields;
  }

  /** `from`, `to`: of the value, in the pool. */
  #eachField(visit: (name: string, prefix: HeaderText, from: number, to: number, end: KeptField['end']) => void): void {
    const r = new ByteReader(this.bytes, this.#fieldsAt, this.#poolAt);
    const poolBytes = this.#poolEnd - this.#poolAt;
    let at = 0;
    for (let n = r.count(); n > 0; n--) {
      const head = r.varint();
      const number = Math.floor(head / 4);
      if (number > PREFIXES_V1.length || head % 4 === 3) throw new Corrupt('stored message index: unknown field');
      const prefix = number === 0 ? r.latin1() : PREFIXES_V1[number - 1];
      const name = number === 0 ? prefix.slice(0, Math.max(0, prefix.lastIndexOf(':'))).trimEnd().toLowerCase() : PREFIX_NAMES[number - 1];
      const from = at;
      at += r.varint();
      if (at > poolBytes) throw new Corrupt('stored message index: a field is beyond the others');
      visit(name, prefix, from, at, LINE_ENDS[head % 4]);
    }
  }

  get envelope(): Envelope {
    return (this.#envelope ??= decodeEnvelope(this.#envelopeReader));
  }

  /** THREAD asks thousands of messages, and addresses are most of an envelope. */
  get #texts(): EnvelopeTexts {
    return this.#envelope ?? (this.#envelopeTexts ??= decodeEnvelopeTexts(this.#envelopeReader));
  }

  get #envelopeReader(): StringReader {
    return new StringReader(this.bytes, this.#envelopeAt, this.#bodyAt, this.#poolText);
  }

  get body(): BodyPart {
    return (this.#body ??= decodeBody(new StringReader(this.bytes, this.#bodyAt, this.#bodyEnd, this.#poolText)));
  }

  get preview(): string {
    return new ByteReader(this.bytes, this.#bodyEnd).string();
  }

  values(name: string): HeaderText[] {
    if (this.#fields !== undefined) return valuesOf(this.#fields, name);
    const lower = name.toLowerCase();
    const values: HeaderText[] = [];
    this.#eachField((one, _prefix, from, to) => {
      if (one === lower) values.push(this.bytes.toString('latin1', this.#poolAt + from, this.#poolAt + to));
    });
    return values;
  }

  mayHaveMore(name: string): boolean {
    return this.#cut || this.#isElsewhere(nameHash(name.toLowerCase()));
  }

  #isElsewhere(hash: number): boolean {
    for (let at = this.#elsewhereAt, end = at + 2 * this.#elsewhereCount; at < end; at += 2) {
      if (((this.bytes[at] << 8) | this.bytes[at + 1]) === hash) return true;
    }
    return false;
  }

  text(wanted: FieldNames): HeaderText | null {
    return this.#cut || wanted.hashes.some((hash) => this.#isElsewhere(hash)) ? null : textOf(this.fields, wanted);
  }

  get subject(): HeaderText | null {
    return this.#texts.subject;
  }

  get messageId(): HeaderText | null {
    const { messageId } = this.#texts;
    return messageId === null ? null : parseId(messageId);
  }

  get inReplyTo(): HeaderText | null {
    const { inReplyTo } = this.#texts;
    return inReplyTo === null ? null : parseId(inReplyTo);
  }

  get references(): HeaderText[] {
    return (this.#references ??= this.#readReferences());
  }

  #readReferences(): HeaderText[] {
    if (this.#referencesAt < 0) return readReferences(this.values('references'));
    const r = new ByteReader(this.bytes, this.#referencesAt);
    const ids: HeaderText[] = [];
    for (let n = r.count(); n > 0; n--) ids.push(r.latin1());
    return ids;
  }

  get threadRoot(): HeaderText | null {
    return this.references[0] ?? this.inReplyTo ?? this.messageId;
  }
}

/** Passes over length and bytes; answers where the bytes begin. */
function pass(r: ByteReader): number {
  const length = r.varint();
  r.skip(length);
  return r.at - length;
}

