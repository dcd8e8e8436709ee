// The index of a message just scanned.
import { limits } from '../base/index.ts';
import type { BodyPart, Envelope, HeaderText } from '../base/index.ts';
import { parseDate } from './date.ts';
import { parseId, parseIds } from './ids.ts';
import { chooseFields, nameHash, textOf, valuesOf } from './kept.ts';
import type { FieldNames } from './kept.ts';
import type { KeptField, MessageIndex } from './types.ts';

export class ScannedIndex implements MessageIndex {
  readonly size: number;
  readonly headerBytes: number;
  readonly envelope: Envelope;
  readonly body: BodyPart;
  readonly fields: KeptField[];
  /** See KeptFields. */
  readonly elsewhere: number[];
  /** The header was longer than what is looked at. */
  readonly cut: boolean;
  readonly sentAt: number | null;
  readonly sentDay: number | null;
  readonly preview: string;
  readonly subject: HeaderText | null;
  readonly messageId: HeaderText | null;
  readonly inReplyTo: HeaderText | null;
  readonly references: HeaderText[];
  readonly threadRoot: HeaderText | null;
  readonly received: number;
  readonly hasAttachment: boolean;

  constructor(size: number, body: BodyPart, envelope: Envelope, header: KeptField[], cut: boolean, preview: string) {
    this.size = size;
    this.headerBytes = body.bodyStart;
    this.envelope = envelope;
    this.body = body;
    const kept = chooseFields(header);
    this.fields = kept.fields;
    this.elsewhere = kept.elsewhere;
    this.cut = cut;
    const sent = envelope.date === null ? null : parseDate(envelope.date);
    this.sentAt = sent?.at ?? null;
    this.sentDay = sent?.day ?? null;
    this.preview = preview;
    this.references = readReferences(valuesOf(header, 'references'));
    this.subject = envelope.subject;
    this.messageId = envelope.messageId === null ? null : parseId(envelope.messageId);
    this.inReplyTo = envelope.inReplyTo === null ? null : parseId(envelope.inReplyTo);
    this.threadRoot = this.references[0] ?? this.inReplyTo ?? this.messageId;
    let received = 0;
    for (const field of header) if (field.name === 'received') received++;
    this.received = received;
    this.hasAttachment = anyAttachment(body);
  }

  values(name: string): HeaderText[] {
    return valuesOf(this.fields, name);
  }

  mayHaveMore(name: string): boolean {
    return this.cut || this.elsewhere.includes(nameHash(name.toLowerCase()));
  }

  text(wanted: FieldNames): HeaderText | null {
    if (this.cut || this.elsewhere.some((hash) => wanted.hashes.includes(hash))) return null;
    return textOf(this.fields, wanted);
  }
}

/** The ids of the last References field (there should be one); `values`: of all of them. */
export function readReferences(values: readonly HeaderText[]): HeaderText[] {
  const last = values.at(-1);
  return last === undefined ? [] : parseIds(last.slice(0, limits.header_field_bytes_max));
}

/**
 * A part that says it is an attachment, or is neither text nor shown within the text nor a signature. Messages inside
 * count as a whole.
 */
function anyAttachment(part: BodyPart): boolean {
  if (part.parts !== null) return part.parts.some(anyAttachment);
  const disposition = part.disposition?.type.toLowerCase();
  if (disposition === 'attachment') return true;
  const type = part.type.toLowerCase();
  if (type === 'text' || disposition === 'inline' || part.id !== null) return false;
  // Delivery reports are not what people call attachments, nor are signatures.
  if (type === 'message') return part.message !== null;
  return !(type === 'application' && part.subtype.toLowerCase().endsWith('-signature'));
}
