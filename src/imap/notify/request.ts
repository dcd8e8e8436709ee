// The arguments of NOTIFY SET (RFC 5465 §8): which mailboxes, and which events of each.
import { Malformed, Refused, limits } from '../../base/index.ts';
import { parseItems } from '../fetch/items.ts';
import type { Item } from '../fetch/items.ts';
import { parseSource, sourceTest } from '../list/sources.ts';
import type { Place } from '../list/sources.ts';
import type { Args } from '../wire/index.ts';

/** Events that can be asked for (§5); AnnotationChange belongs to an extension that is not here. */
const EVENTS = ['MessageNew', 'MessageExpunge', 'FlagChange', 'MailboxName', 'SubscriptionChange', 'MailboxMetadataChange', 'ServerMetadataChange'] as const;
export type { Place };
export type Event = (typeof EVENTS)[number];
const BY_NAME = new Map<string, Event>(EVENTS.map((event) => [event.toUpperCase(), event]));
const OF_MESSAGES = new Set<Event>(['MessageNew', 'MessageExpunge', 'FlagChange']);

/** What is told of the selected mailbox (§6.1). */
export interface SelectedEvents {
  events: ReadonlySet<Event>;
  /** Expunges wait for a command that allows them. */
  delayed: boolean;
  /** Of each new message, without being asked; empty: nothing. */
  items: Item[];
}

export interface NotifyRequest {
  /** STATUS of each mailbox at once. */
  status: boolean;
  /** Null: nothing is told of the selected mailbox. */
  selected: SelectedEvents | null;
  /** Of mailboxes that aren't selected: a mailbox may be in several. */
  groups: { has: (mailbox: Place) => boolean; events: ReadonlySet<Event> }[];
}

const NO_EVENTS: ReadonlySet<Event> = new Set();

/** What a client hears of a mailbox: all that its groups name together (§6), but nothing where one of them says NONE (§8). */
export function eventsOf(groups: NotifyRequest['groups'], mailbox: Place): ReadonlySet<Event> {
  let events: ReadonlySet<Event> | null = null;
  for (const group of groups) {
    if (!group.has(mailbox)) continue;
    if (group.events.size === 0) return NO_EVENTS;
    events = events === null ? group.events : new Set([...events, ...group.events]);
  }
  return events ?? NO_EVENTS;
}

/** NOTIFY NONE. */
export const NOTHING: NotifyRequest = { status: false, selected: null, groups: [] };

/** Everything behind SET. Throws Malformed, Refused(BADEVENT). */
export function parseRequest(args: Args): NotifyRequest {
  if (args.bytes > limits.imap_notify_bytes_max) throw new Refused('more is asked for than is kept', 'NOTIFICATIONOVERFLOW');
  const request: NotifyRequest = { status: false, selected: null, groups: [] };
  args.sp();
  if (args.skip('STATUS ')) request.status = true;
  let groups = 0;
  do {
    if (++groups > limits.imap_notify_groups_max) throw new Refused(`More than ${limits.imap_notify_groups_max} event groups`, 'NOTIFICATIONOVERFLOW');
    parseGroup(args, request);
  } while (args.skip(' '));
  return request;
}

function parseGroup(args: Args, request: NotifyRequest): void {
  args.open();
  const source = parseSource(args);
  if (source.kind === 'subtree-one') throw new Malformed('subtree-one is for ESEARCH');
  args.sp();
  const { events, items } = parseEvents(args, source.kind === 'selected');
  args.close();
  if (source.kind !== 'selected') {
    request.groups.push({ has: sourceTest(source), events });
    return;
  }
  if (request.selected !== null) throw new Malformed('the selected mailbox is named twice');
  request.selected = { events, delayed: source.delayed, items };
}

/** `(MessageNew (UID FLAGS) MessageExpunge)` or NONE. */
function parseEvents(args: Args, selected: boolean): { events: Set<Event>; items: Item[] } {
  const events = new Set<Event>();
  const items: Item[] = [];
  if (args.skip('NONE')) return { events, items };
  args.open();
  do {
    const name = args.keyword();
    const event = BY_NAME.get(name);
    // §3.1: what can be asked for is in the answer.
    if (event === undefined) throw new Refused(`there is no event ${name.slice(0, 40)}`, `BADEVENT (${EVENTS.join(' ')})`);
    if (selected && !OF_MESSAGES.has(event)) throw new Malformed(`${event} is not an event of the selected mailbox`);
    events.add(event);
    if (event !== 'MessageNew' || args.peek() !== ' ' || args.text[args.at + 1] !== '(') continue;
    if (!selected) throw new Malformed('items are for new messages of the selected mailbox');
    args.sp();
    items.push(...parseItems(args));
  } while (args.skip(' '));
  args.close();
  // §5.1, §5.2, §5.3: numbers and flags mean nothing to a client that hears only half.
  if (events.has('MessageNew') !== events.has('MessageExpunge')) throw new Malformed('MessageNew and MessageExpunge go together');
  if (events.has('FlagChange') && !events.has('MessageNew')) throw new Malformed('FlagChange goes with MessageNew and MessageExpunge');
  return { events, items };
}
