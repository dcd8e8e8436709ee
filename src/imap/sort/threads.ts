// Threads of what a search found, as text. The text of a whole mailbox is kept until a message comes or goes: nothing
// else changes it, and mail apps ask again and again; what each message says of its thread is kept longer, so after new mail
// only that is read.
import type { HeaderText } from '../../base/index.ts';
import type { Context } from '../command/command.ts';
import { column, worthKeeping } from '../kept.ts';
import type { KeptColumn } from '../kept.ts';
import type { MailboxIndex } from '../session.ts';
import { inOrder } from './order.ts';
import { threadBySubject } from './ordered-subject.ts';
import { dense, eachRecord } from './ranks.ts';
import { threadByReferences } from './references.ts';
import type { Linked } from './references.ts';
import { subjectOf } from './texts.ts';
import { threadText } from './tree.ts';
import type { Forest } from './tree.ts';

export type Algorithm = 'REFERENCES' | 'ORDEREDSUBJECT';

interface Kept {
  uids: Uint32Array;
  forests: Map<Algorithm, Forest>;
}
const kept = new WeakMap<MailboxIndex, Kept>();

/** `(1)(2 3)`, by UID or by number; '' for no messages. */
export async function threads(context: Context, algorithm: Algorithm, uids: Uint32Array, byUid: boolean): Promise<string> {
  const { view } = context;
  if (uids.length === 0) return '';
  const forest = await forestOf(context, algorithm, uids);
  return threadText(forest, byUid ? uids : uids.map((uid) => view.seqOf(uid)));
}

async function forestOf(context: Context, algorithm: Algorithm, uids: Uint32Array): Promise<Forest> {
  const { index } = context.view;
  const known = kept.get(index);
  const same = known !== undefined && known.uids.length === uids.length && uids.every((uid, k) => uid === known.uids[k]);
  const there = same ? known.forests.get(algorithm) : undefined;
  if (there !== undefined) return there;
  const forest = await build(context, algorithm, uids);
  if (same) known.forests.set(algorithm, forest);
  else if (uids.length === index.count) kept.set(index, { uids: uids.slice(), forests: new Map([[algorithm, forest]]) });
  return forest;
}

async function build(context: Context, algorithm: Algorithm, uids: Uint32Array): Promise<Forest> {
  const { index } = context.view;
  const messages = worthKeeping(index, uids.length) ? chosen(await column(index, 'thread', (some) => linksOf(context, some)), uids) : await linksOf(context, uids);
  const rank = new Uint32Array(uids.length);
  const dates = Float64Array.from(messages, (message) => message.date);
  inOrder([{ ranks: dense(dates), reverse: false }], uids.length).forEach((k, place) => (rank[k] = place));
  return algorithm === 'REFERENCES' ? threadByReferences(messages, rank) : threadBySubject(messages.map((message) => message.subject), rank);
}

interface Dated extends Linked {
  /** ms since 1970. */
  date: number;
}
const NONE: readonly HeaderText[] = [];
const GONE: Dated = { date: 0, id: null, references: NONE, subject: '', reply: false };

/** What is kept of `uids` (ascending). */
function chosen({ uids: all, column: { values } }: KeptColumn<Dated[]>, uids: Uint32Array): Dated[] {
  let from = 0;
  return Array.from(uids, (uid) => {
    while (from < all.length && all[from] < uid) from++;
    return all[from] === uid ? values[from] : GONE;
  });
}

async function linksOf(context: Context, uids: Uint32Array): Promise<Dated[]> {
  const { index } = context.view;
  const messages = new Array<Dated>(uids.length).fill(GONE);
  const ids = new Map<HeaderText, HeaderText>();
  // The messages of a thread name the same ids again and again: each is kept once, apart from the header that it was cut from.
  const once = (id: HeaderText): HeaderText => {
    let one = ids.get(id);
    if (one === undefined) ids.set((one = Buffer.from(id, 'latin1').toString('latin1')), one);
    return one;
  };
  await eachRecord(context, uids, (record, k) => {
    const i = record === null ? -1 : index.find(uids[k]);
    if (record === null || i < 0) return;
    const { messageId: id, references, inReplyTo, sentAt } = record.index;
    const { subject, reply } = subjectOf(record.index);
    const before = references.length > 0 ? references.map(once) : inReplyTo === null ? NONE : [once(inReplyTo)];
    messages[k] = { date: sentAt ?? index.internalDate(i), id: id && once(id), references: before, subject, reply };
  });
  return messages;
}
