// The items of FETCH that need no bytes of the message, as text with their names.
import { renderBody, renderEnvelope } from '../../message/index.ts';
import type { Context } from '../command/command.ts';
import type { MessageRecord } from '../session.ts';
import { encodeUtf8, formatDateTime, quote, quoteUtf8 } from '../wire/index.ts';
import type { Item, PlainKind } from './items.ts';

/** Text of one item of the message at index `i`; the record is there when needsRecord says so. */
export type Renderer = (i: number, record: MessageRecord | null) => string;

const OF_RECORD = new Set<string>(['ENVELOPE', 'BODY', 'BODYSTRUCTURE', 'PREVIEW', 'section']);

export function needsRecord(items: readonly Item[]): boolean {
  return items.some((item) => OF_RECORD.has(item.kind));
}

export function renderer({ view, enabled }: Context, kind: PlainKind): Renderer {
  const { index } = view;
  switch (kind) {
    case 'FLAGS':
      return (i) => `FLAGS ${view.flagsText(index.flagSet(i))}`;
    case 'UID':
      return (i) => `UID ${index.uids[i]}`;
    case 'INTERNALDATE':
      return (i) => `INTERNALDATE ${formatDateTime(index.internalDate(i), index.zone(i))}`;
    case 'RFC822.SIZE':
      return (i) => `RFC822.SIZE ${index.size(i)}`;
    case 'MODSEQ':
      return (i) => `MODSEQ (${index.modSeq(i)})`;
    case 'EMAILID':
      return (i) => `EMAILID (${index.emailId(i)})`;
    case 'THREADID':
      return (i) => (index.threadId(i) === '' ? 'THREADID NIL' : `THREADID (${index.threadId(i)})`);
    case 'SAVEDATE':
      return (i) => `SAVEDATE ${formatDateTime(index.saveDate(i), 0)}`;
    case 'PREVIEW':
      // RFC 8970 §3: UTF-8, so a literal where the client has not enabled UTF-8 in quoted strings.
      return (_i, record) => `PREVIEW ${enabled.utf8 ? quoteUtf8(record!.index.preview) : quote(encodeUtf8(record!.index.preview))}`;
    case 'ENVELOPE':
      return (_i, record) => `ENVELOPE ${((record!.rendered ??= {}).envelope ??= flat(renderEnvelope(record!.index.envelope)))}`;
    case 'BODY':
      return (_i, record) => `BODY ${((record!.rendered ??= {}).body ??= flat(renderBody(record!.index.body, false)))}`;
    case 'BODYSTRUCTURE':
      return (_i, record) => `BODYSTRUCTURE ${((record!.rendered ??= {}).structure ??= flat(renderBody(record!.index.body, true)))}`;
  }
}

/**
 * The same text in one piece. Text put together from pieces stays a tree of them in the engine: kept in a cache that
 * would take several times the memory, and be walked again at every use.
 */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
