// Messages that a user removed, brought back: copies of the expunged ones in the mailboxes where they were, which brings
// a deleted mailbox back too. New UIDs, the same UIDVALIDITY: to a mail app they are messages that arrive.
import { limits } from '../base/index.ts';
import type { Flag, MailboxId } from '../base/index.ts';
import { decodeIndex, decodeWords } from '../message/index.ts';
import type { Op, RemovedMessage } from '../state/index.ts';
import type { OpenUser } from './open-user.ts';

/** A message that can be brought back. */
export interface Removed {
  id: string;
  /** The mailbox's name, as it is or was. */
  mailbox: string;
  /** The mailbox itself was deleted. */
  mailboxGone: boolean;
  from: string;
  subject: string;
  dateMs: number;
  removedMs: number;
  bytes: number;
}

export interface RemovedList {
  /** How many there are; `messages` are the last removed of them. */
  total: number;
  messages: Removed[];
}

/** What to bring back: one message, all of a mailbox, or all. */
export type Wanted = { id: string } | { mailbox: string } | 'all';

/** Rows of a list: it travels in one frame. */
const LISTED_MAX = 500;
const TEXT_CHARS_MAX = 120;
/** Messages of one event; one slot in `slots` of the positions is ours. */
const MESSAGES_PER_EVENT_MAX = limits.event_positions_span_max / limits.slots / 2;

type Found = RemovedMessage & { name: string };
const idOf = ({ ref }: RemovedMessage): string => `${ref.writer}-${ref.seq}-${ref.index}`;
const short = (text: string): string => (text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX - 1)}…` : text);

async function removed(user: OpenUser): Promise<Found[]> {
  // Collection drops records at 30 days; whoever brings one back a week before has nothing to fear from it.
  const since = user.replica.clock.now() - limits.undelete_ms;
  await user.fresh();
  await user.need({ kind: 'everything' });
  await user.need({ kind: 'names' });
  return user.state.removedSince(since);
}

/** The last removed first. Unavailable, Corrupt. */
export async function listRemoved(user: OpenUser): Promise<RemovedList> {
  const found = await removed(user);
  await user.need({ kind: 'removed', since: user.replica.clock.now() - limits.undelete_ms });
  const shown = [...found].sort((a, b) => b.at - a.at || b.position - a.position).slice(0, LISTED_MAX);
  const messages = shown.map((m): Removed => {
    const { envelope } = decodeIndex(Buffer.from(user.state.removedContent(m).index));
    const from = envelope.from?.[0];
    return {
      id: idOf(m),
      mailbox: m.name,
      mailboxGone: user.state.byId(m.mailbox) === null,
      from: from === undefined ? '' : short(`${from.mailbox ?? ''}@${from.host ?? ''}`),
      subject: envelope.subject === null ? '' : short(decodeWords(envelope.subject)),
      dateMs: m.internalDate,
      removedMs: m.at,
      bytes: m.size,
    };
  });
  return { total: found.length, messages };
}

/** Brings messages back; how many. Those that are back already, by another hand, are passed over. Unavailable, Corrupt. */
export async function undelete(user: OpenUser, wanted: Wanted): Promise<number> {
  const chosen = (m: Found) => wanted === 'all' || ('id' in wanted ? idOf(m) === wanted.id : m.name === wanted.mailbox);
  const mailboxes = new Map<MailboxId, Set<string>>();
  for (const m of await removed(user)) {
    if (!chosen(m)) continue;
    const ids = mailboxes.get(m.mailbox);
    if (ids) ids.add(idOf(m));
    else mailboxes.set(m.mailbox, new Set([idOf(m)]));
  }
  let count = 0;
  for (const [mailbox, ids] of mailboxes) {
    const all = [...ids];
    for (let at = 0; at < all.length; at += MESSAGES_PER_EVENT_MAX) count += await copyBack(user, mailbox, new Set(all.slice(at, at + MESSAGES_PER_EVENT_MAX)));
  }
  return count;
}

async function copyBack(user: OpenUser, mailbox: MailboxId, ids: ReadonlySet<string>): Promise<number> {
  let count = 0;
  await user.write(
    () => {
      const { clock } = user.replica;
      const sources = user.state.removedSince(clock.now() - limits.undelete_ms).filter((m) => m.mailbox === mailbox && ids.has(idOf(m)));
      count = sources.length;
      if (count === 0) return null;
      const sets = new Map<string, number>();
      const flagSets: Flag[][] = [];
      const flagSetOf = sources.map(({ flags }) => {
        const key = flags.join(' ');
        let n = sets.get(key);
        if (n === undefined) sets.set(key, (n = flagSets.push(flags) - 1));
        return n;
      });
      const op: Op = { kind: 'MessagesCopied', from: mailbox, to: mailbox, at: clock.now(), sources: sources.map((m) => m.ref), flagSets, flagSetOf };
      return [op];
    },
    { positions: ids.size, bytes: ids.size * 4 },
  );
  return count;
}
