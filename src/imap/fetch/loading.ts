// The bytes that a FETCH of one message needs: found, and read ahead of their turn.
import { limits } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import type { MessageRecord, Selected } from '../session.ts';
import { decodedBytes } from './binary.ts';
import type { Item, SectionItem } from './items.ts';
import { filtered, locate } from './locate.ts';

/** One read of a large body: eight sealed chunks, so that few requests are made and little is held. */
export const PIECE_BYTES = 512 * 1024;

/** A section of one message, being read. */
export interface Loading {
  item: SectionItem;
  /** Bytes of the message that the literal holds; from = to where the text is at hand. */
  from: number;
  to: number;
  /** The whole text at hand, or the first piece of what [from, to) holds (null: the message is gone); null: not begun. */
  first: Promise<Buffer | string | null> | string | null;
  /** There is no such part. */
  missing: boolean;
}

export interface Prepared {
  uid: Uid;
  record: MessageRecord;
  loading: Loading[];
  /** What is held of it at once. */
  bytes: number;
}

/** Bytes in memory at once while a section is answered. */
function held({ item, from, to }: Loading): number {
  const whole = item.binary !== 'no' || item.what === 'fields' || item.what === 'not';
  return whole ? to - from : Math.min(to - from, PIECE_BYTES);
}

/** What a message's answer needs to be read, and where it is. Reads nothing. */
export function prepare(items: readonly Item[], uid: Uid, record: MessageRecord): Prepared {
  const loading: Loading[] = [];
  let bytes = 0;
  for (const item of items) {
    if (item.kind !== 'section') continue;
    const place = locate(record, item);
    if (place === null || typeof place === 'string') {
      loading.push({ item, from: 0, to: 0, first: place === null ? null : part(place, item), missing: place === null });
      continue;
    }
    let { from, to } = place;
    if (item.partial !== null && item.binary === 'no' && !place.filter) {
      from = Math.min(to, from + item.partial.from);
      to = Math.min(to, from + item.partial.bytes);
    }
    const one: Loading = { item, from, to, first: to > from ? null : '', missing: false };
    bytes += held(one);
    loading.push(one);
  }
  return { uid, record, loading, bytes };
}

/**
 * Starts the reading of the sections, within the bound of bytes: of a message asked for in a thousand sections at
 * once, the later ones are read when their turn comes.
 */
export function beginAhead(selected: Selected, prepared: Prepared): void {
  let bytes = 0;
  for (const loading of prepared.loading) {
    if (loading.missing || loading.first !== null) continue;
    if (bytes > limits.fetch_ahead_bytes_max) break;
    bytes += held(loading);
    loading.first = begin(selected, prepared, loading);
  }
}

/** Starts the reading of a section; nothing is awaited here. */
export function begin(selected: Selected, { uid, record }: Prepared, { item, from, to }: Loading): Promise<Buffer | string | null> {
  let first: Promise<Buffer | string | null>;
  if (item.binary !== 'no') {
    first = decodedBytes(selected, uid, record, item, from, to).then((found) => {
      if (found === null || item.binary === 'size') return found === null ? null : String(found.length);
      return item.partial === null ? found : found.subarray(item.partial.from, item.partial.from + item.partial.bytes);
    });
  } else if (item.what === 'fields' || item.what === 'not') {
    first = selected.read(uid, from, to).then((header) => (header === null ? null : part(filtered(header, item).toString('latin1'), item)));
  } else first = selected.read(uid, from, Math.min(to, from + PIECE_BYTES));
  first.catch(() => {});
  return first;
}

function part(text: string, { partial }: SectionItem): string {
  return partial === null ? text : text.slice(partial.from, partial.from + partial.bytes);
}
