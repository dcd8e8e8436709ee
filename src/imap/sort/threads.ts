// Threads of what a search found, as text. The text of a whole mailbox is kept until a message comes or goes: nothing
// else changes it, and mail apps ask again and again; what each message says of its thread is kept longer, so after new mail
// only that is read.
import { limits } from '../../base/index.ts';
import type { HeaderText } from '../../base/index.ts';
import type { Context } from '../command/command.ts';
import { column, worthKeeping } from '../kept.ts';
import type { KeptColumn } from '../kept.ts';
import type { MailboxIndex } from '../session.ts';
import { inOrder } from './order.ts';
import { threadBySubject } from './ordered-subject.ts';
import { dense, eachRecord } from './ranks.ts';
import { threadByReferences } from './references.ts';
import type { Linked, LinkId } from './references.ts';
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
const NONE: readonly LinkId[] = [];
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
  await eachRecord(context, uids, (record, k) => {
    const i = record === null ? -1 : index.find(uids[k]);
    if (record === null || i < 0) return;
    const { messageId: id, references, inReplyTo, sentAt } = record.index;
    const { subject, reply } = subjectOf(record.index);
    const before = references.length > 0 ? nearest(references).map(numberOf) : inReplyTo === null ? NONE : [numberOf(inReplyTo)];
    messages[k] = { date: sentAt ?? index.internalDate(i), id: id === null ? null : numberOf(id), references: before, subject, reply };
  });
  return messages;
}

/** The first id and the last ones: threads hang on those. */
function nearest(references: HeaderText[]): HeaderText[] {
  const most = limits.thread_references_max;
  return references.length <= most ? references : [references[0], ...references.slice(1 - most)];
}

/**
 * 52 bits that stand for an id: kept of a whole mailbox, the texts would take ten times as much, and as much as senders like.
 * In a mailbox of a hundred thousand ids two have one number once in a million times, and then two threads hang together.
 */
export function numberOf(id: HeaderText): number {
  let high = 0;
  let low = 0;
  for (let k = 0; k < id.length; k++) {
    const c = id.charCodeAt(k);
    high = Math.imul(high ^ c, 0x9e3779b1) ^ (high >>> 15);
    low = Math.imul(low ^ c, 0x85ebca77) ^ (low >>> 13);
  }
  return mixed(high) * 2 ** 26 + mixed(low);
}

/** 26 bits, each of which depends on all 32. */
function mixed(bits: number): number {
  const half = Math.imul(bits ^ (bits >>> 16), 0xc2b2ae3d);
  return (half ^ (half >>> 15)) >>> 6;
}
