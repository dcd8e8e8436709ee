// Threads of what a search found, as text. The text of a whole mailbox is kept until a message comes or goes: nothing
// else changes it, and mail apps ask again and again.
import type { HeaderText } from '../../base/index.ts';
import type { Context } from '../command/command.ts';
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

const NONE: readonly HeaderText[] = [];

async function build(context: Context, algorithm: Algorithm, uids: Uint32Array): Promise<Forest> {
  const { index } = context.view;
  const dates = new Float64Array(uids.length);
  const messages = new Array<Linked>(uids.length);
  await eachRecord(context, uids, (record, k) => {
    const i = index.find(uids[k]);
    dates[k] = record?.index.sentAt ?? (i < 0 ? 0 : index.internalDate(i));
    if (record === null) messages[k] = { id: null, references: NONE, subject: '', reply: false };
    else {
      const { messageId: id, references, inReplyTo } = record.index;
      messages[k] = { id, references: references.length > 0 ? references : inReplyTo === null ? NONE : [inReplyTo], ...subjectOf(record.index) };
    }
  });
  const rank = new Uint32Array(uids.length);
  inOrder([{ ranks: dense(dates), reverse: false }], uids.length).forEach((k, place) => (rank[k] = place));
  return algorithm === 'REFERENCES' ? threadByReferences(messages, rank) : threadBySubject(messages.map((message) => message.subject), rank);
}
