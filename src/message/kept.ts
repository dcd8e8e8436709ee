// Which header fields stay in the index, so that what clients list mailboxes with is answered without the blob.
import { limits } from '../base/index.ts';
import type { HeaderText } from '../base/index.ts';
import { fieldBytes } from './header.ts';
import type { KeptField } from './types.ts';

/** What makes the envelope, and what threads hang on: kept up to limits.kept_envelope_bytes_max. */
const ENVELOPE_NAMES = new Set(['date', 'subject', 'from', 'sender', 'reply-to', 'to', 'cc', 'bcc', 'in-reply-to', 'message-id', 'references']);

/** What list views of mail programs also ask for: kept up to limits.kept_others_bytes_max. */
const OTHER_NAMES = new Set([
  'content-type', 'content-transfer-encoding', 'content-disposition', 'content-language', 'mime-version', 'newsgroups',
  'followup-to', 'priority', 'x-priority', 'importance', 'x-msmail-priority', 'disposition-notification-to',
  'return-receipt-to', 'list-id', 'list-post', 'list-unsubscribe', 'list-unsubscribe-post', 'x-mailer', 'user-agent',
  'return-path', 'delivered-to', 'x-spam-flag', 'x-spam', 'auto-submitted', 'precedence', 'x-uniform-type-identifier',
  'x-universally-unique-identifier', 'x-mozilla-status', 'x-draft-info', 'chat-version',
]);

export interface KeptFields {
  fields: KeptField[];
  /** Hashes of the names of which some field is not kept, ascending: a lookup may say "in the blob" for another name. */
  elsewhere: number[];
}

/** Chooses among the fields of a message's header. */
export function chooseFields(all: KeptField[]): KeptFields {
  const elsewhere = new Set<number>();
  const fields: KeptField[] = [];
  let envelopeRoom = limits.kept_envelope_bytes_max;
  let othersRoom = limits.kept_others_bytes_max;
  for (const field of all) {
    const bytes = field.prefix.length + field.value.length + field.end.length;
    if (ENVELOPE_NAMES.has(field.name) && bytes <= envelopeRoom) envelopeRoom -= bytes;
    else if (OTHER_NAMES.has(field.name) && bytes <= othersRoom) othersRoom -= bytes;
    else {
      elsewhere.add(nameHash(field.name));
      continue;
    }
    fields.push(field);
  }
  return { fields, elsewhere: elsewhere.size === 0 ? [] : [...elsewhere].sort((a, b) => a - b) };
}

/** Part of the stored format v1: 16 bits of FNV-1a over the lower-case name. */
export function nameHash(lower: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < lower.length; i++) hash = Math.imul(hash ^ lower.charCodeAt(i), 0x01000193);
  return ((hash >>> 16) ^ hash) & 0xffff;
}

/** Names to look for in many messages (any case). */
export class FieldNames {
  readonly names: ReadonlySet<string>;
  readonly hashes: readonly number[];
  constructor(names: Iterable<string>) {
    this.names = new Set(Array.from(names, (name) => name.toLowerCase()));
    this.hashes = Array.from(this.names, nameHash);
  }
}

/** Those fields as they came, one behind the other. */
export function textOf(fields: readonly KeptField[], { names }: FieldNames): HeaderText {
  let text = '';
  for (const field of fields) if (names.has(field.name)) text += fieldBytes(field);
  return text;
}

/** The values of the fields of one name (any case). */
export function valuesOf(fields: readonly KeptField[], name: string): HeaderText[] {
  const lower = name.toLowerCase();
  return fields.filter((field) => field.name === lower).map((field) => field.value);
}
