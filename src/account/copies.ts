// COPY, MOVE and RENAME INBOX: operations over many messages, split where one event would span too many positions.
import { limits } from '../base/index.ts';
import type { Flag, MailboxId, Uid } from '../base/index.ts';
import type { Op } from '../state/index.ts';
import type { OpenUser } from './open-user.ts';
import type { Usage } from './usage.ts';

/** Messages of one event: an event spans at most event_positions_span_max positions, one slot in `slots` is ours. */
const MESSAGES_PER_EVENT_MAX = limits.event_positions_span_max / limits.slots / 2;

interface Copied {
  from: Uid[];
  to: Uid[];
}

/** Flags of the messages as they are now, as MessagesCopied tells them. */
function flagsOf(user: OpenUser, mailbox: MailboxId, uids: readonly Uid[]): { flagSets: Flag[][]; flagSetOf: number[] } {
  const index = user.state.mailbox(mailbox);
  const known = new Map<number, number>();
  const flagSets: Flag[][] = [];
  const flagSetOf = uids.map((uid) => {
    const set = index.flagSet(index.find(uid));
    let n = known.get(set);
    if (n === undefined) {
      known.set(set, (n = flagSets.length));
      flagSets.push([...index.flagsOf(set)]);
    }
    return n;
  });
  return { flagSets, flagSetOf };
}

/** Of those that are there. */
function sizeOf(user: OpenUser, mailbox: MailboxId, uids: ArrayLike<Uid>): Usage {
  const index = user.state.mailbox(mailbox);
  const sum: Usage = { bytes: 0, messages: 0 };
  for (let k = 0; k < uids.length; k++) {
    const i = index.find(uids[k]);
    if (i < 0) continue;
    sum.bytes += index.size(i);
    sum.messages++;
  }
  return sum;
}

async function copyChunk(user: OpenUser, from: MailboxId, to: MailboxId, uids: ArrayLike<Uid>, move: boolean, before: () => Op[]): Promise<Copied> {
  const found: Uid[] = [];
  const made: Uid[] = [];
  let skipped = 0;
  const build = (): Op[] => {
    found.length = 0;
    // Of two that move one message in one event only the first does.
    const wanted = user.pending.any ? Array.prototype.filter.call(uids, (uid: Uid) => !user.pending.removes(from, uid)) : uids;
    const sources = user.state.messageRefs(from, wanted, found);
    const at = user.replica.clock.now();
    const ops = before();
    skipped = ops.length;
    if (sources.length > 0) ops.push({ kind: 'MessagesCopied', from, to, at, sources, ...flagsOf(user, from, found) });
    if (sources.length > 0 && move) {
      ops.push({ kind: 'MessagesExpunged', mailbox: from, at, messages: sources });
      user.pending.put(build, { mailbox: from, uids: found, flags: [], gone: true });
    }
    return ops;
  };
  const first = await user.write(build, { positions: uids.length + 2, bytes: uids.length * 4 });
  if (first !== null) for (let i = 0; i < found.length; i++) made.push(user.state.uidAt(first + (skipped + i) * limits.slots));
  return { from: found, to: made };
}

/**
 * Copies (or moves) messages of a mailbox whose rows are loaded. All or none: when a later part fails, the copies made
 * by the earlier ones are expunged again. Refused(OVERQUOTA). `before` gives operations that come first (each of one position).
 */
export async function copyMessages(user: OpenUser, from: MailboxId, to: MailboxId, uids: ArrayLike<Uid>, move: boolean, before: () => Op[] = () => []): Promise<Copied> {
  const all: Copied = { from: [], to: [] };
  const there = move ? null : user.takeRoom(() => sizeOf(user, from, uids));
  try {
    for (let at = 0; at < Math.max(1, uids.length); at += MESSAGES_PER_EVENT_MAX) {
      const chunk = Array.prototype.slice.call(uids, at, at + MESSAGES_PER_EVENT_MAX) as Uid[];
      const { from: f, to: t } = await copyChunk(user, from, to, chunk, move, at === 0 ? before : () => []);
      for (const uid of f) all.from.push(uid);
      for (const uid of t) all.to.push(uid);
    }
  } catch (e) {
    if (!move && all.to.length > 0) await expungeMessages(user, to, all.to).catch(() => {});
    throw e;
  } finally {
    there?.();
  }
  return all;
}

/** Removes messages of a mailbox; those that are gone already are passed over. Resolves with how many it removed. */
export async function expungeMessages(user: OpenUser, mailbox: MailboxId, uids: ArrayLike<Uid>): Promise<number> {
  await user.need({ kind: 'rows', mailbox });
  let removed = 0;
  await user.write(
    () => {
      const messages = user.state.messageRefs(mailbox, uids);
      removed = messages.length;
      return messages.length === 0 ? null : [{ kind: 'MessagesExpunged', mailbox, at: user.replica.clock.now(), messages }];
    },
    { positions: 1, bytes: uids.length * 4 },
  );
  return removed;
}
