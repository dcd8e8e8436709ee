// Where the bytes of a section are. The client's message is `prefix` and then the bytes as received: offsets of the
// index move by the prefix's length.
import { limits } from '../../base/index.ts';
import type { HeaderText } from '../../base/index.ts';
import { filterHeader, findSection, readFields, textOf } from '../../message/index.ts';
import type { MessageRecord } from '../session.ts';
import type { SectionItem } from './items.ts';

/** Bytes [from, to) as the client sees the message; `filter`: a header of which only some fields are wanted. */
export interface Span {
  from: number;
  to: number;
  filter: boolean;
}

/** The section's place, its text (latin1) where the record has it, or null when there is no such part. */
export function locate(record: MessageRecord, item: SectionItem): Span | string | null {
  const { index, prefix } = record;
  const shift = prefix.length;
  const fields = item.what === 'fields' || item.what === 'not';
  if (item.path.length === 0) {
    const kept = item.what === 'fields' ? index.text(item.names) : null;
    if (kept !== null) return `${textOf(ownFields(record), item.names)}${kept}\r\n`;
    const bodyAt = shift + index.headerBytes;
    if (item.what === 'text') return { from: bodyAt, to: shift + index.size, filter: false };
    if (item.what === 'all') return { from: 0, to: shift + index.size, filter: false };
    return { from: 0, to: fields ? Math.min(bodyAt, shift + limits.header_bytes_max) : bodyAt, filter: fields };
  }
  const found = findSection(index.body, item.path, item.what === 'fields' || item.what === 'not' ? 'header' : item.what);
  if (found === null) return null;
  const to = fields ? Math.min(found.end, found.start + limits.header_bytes_max) : found.end;
  return { from: shift + found.start, to: shift + to, filter: fields };
}

/** The wanted fields of a header that was read. */
export function filtered(header: Buffer, item: SectionItem): Buffer {
  return filterHeader(header, item.names.names, item.what === 'not');
}

const prefixFields = new WeakMap<Buffer, ReturnType<typeof readFields>>();

/** The fields of the prefix, in order. */
function ownFields(record: MessageRecord): ReturnType<typeof readFields> {
  if (record.prefix.length === 0) return [];
  let fields = prefixFields.get(record.prefix);
  if (!fields) prefixFields.set(record.prefix, (fields = readFields(record.prefix.toString('latin1'))));
  return fields;
}

/** The values of the fields of one name (lower case) that the record has, in order. */
export function keptValues({ prefix, index }: MessageRecord, name: string): HeaderText[] {
  const values = index.values(name);
  return prefix.length === 0 ? values : [...ownValues(prefix.toString('latin1'), name), ...values];
}

function ownValues(header: HeaderText, name: string): HeaderText[] {
  // Mostly a name that is not among ours, asked of thousands of messages.
  if (!`\n${header.toLowerCase()}`.includes(`\n${name}`)) return [];
  return readFields(header).filter((field) => field.name === name).map((field) => field.value);
}
