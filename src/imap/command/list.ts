// LIST: RFC 9051 §6.3.9 with the extended forms of RFC 5258, RFC 5819 (STATUS), RFC 6154 (SPECIAL-USE), RFC
// 9590 (METADATA).
import { Malformed, Refused, limits } from '../../base/index.ts';
import { Pace } from '../fetch/pace.ts';
import { nameTree, parentsOf } from '../list/names.ts';
import type { Named } from '../list/names.ts';
import { compilePattern } from '../list/pattern.ts';
import type { Pattern } from '../list/pattern.ts';
import type { MailboxStatus } from '../session.ts';
import { quoteMailbox } from '../wire/index.ts';
import type { Args } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';
import { parseEntries, parseOptions, writeMetadata } from './metadata.ts';
import type { Wanted } from './metadata.ts';
import { noteItems, parseItems, writeStatus } from './status.ts';

const SELECTION = ['SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH', 'SPECIAL-USE'];
const RETURNED = ['SUBSCRIBED', 'CHILDREN', 'SPECIAL-USE'];
/** STATUS of so many mailboxes is asked at once: the store is asked each time. */
const STATUS_AT_ONCE = 20_000;

interface Parsed {
  extended: boolean;
  selection: Set<string>;
  returned: Set<string>;
  status: string[] | null;
  metadata: Wanted | null;
  reference: string;
  patterns: string[];
}

interface Listed {
  named: Named;
  childInfo: boolean;
}

export const list = command<Parsed>({
  when: 'authenticated',

  parse(args) {
    args.sp();
    const parsed: Parsed = { extended: false, selection: new Set(), returned: new Set(), status: null, metadata: null, reference: '', patterns: [] };
    if (args.peek() === '(') {
      parsed.extended = true;
      args.list(() => parsed.selection.add(option(args, SELECTION, 'selection')));
      args.sp();
      // RFC 5258 §3.1: RECURSIVEMATCH goes with something to match.
      const { selection } = parsed;
      if (selection.has('RECURSIVEMATCH') && !selection.has('SUBSCRIBED') && !selection.has('SPECIAL-USE')) {
        throw new Malformed('RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE');
      }
    }
    parsed.reference = args.mailbox();
    args.sp();
    if (args.peek() === '(') {
      parsed.extended = true;
      args.list(() => parsed.patterns.push(args.listMailbox()));
      if (parsed.patterns.length === 0) throw new Malformed('mailbox pattern expected');
    } else parsed.patterns.push(args.listMailbox());
    if (args.skip(' ')) {
      parsed.extended = true;
      args.expect('RETURN');
      args.sp();
      args.list(() => {
        const name = option(args, [...RETURNED, 'STATUS', 'METADATA'], 'return');
        if (name === 'METADATA') {
          args.sp();
          return (parsed.metadata = { ...parseOptions(args), entries: parseEntries(args) });
        }
        if (name !== 'STATUS') return parsed.returned.add(name);
        args.sp();
        parsed.status = parseItems(args);
      });
    }
    return parsed;
  },

  async run(context, parsed) {
    const { out, session, enabled } = context;
    // RFC 9051 §6.3.9: an empty pattern asks for the delimiter.
    if (!parsed.extended && parsed.patterns[0] === '') {
      out.line('* LIST (\\Noselect) "/" ""');
      return '';
    }
    if (parsed.status !== null) noteItems(context, parsed.status);
    const [entries, subscriptions] = await Promise.all([session.mailboxes(), parsed.selection.has('SUBSCRIBED') ? session.subscriptions() : []]);
    const names = nameTree(entries, subscriptions);
    const found = await matching(context, names, parsed, compile(parsed.reference, parsed.patterns));
    for (let at = 0; at < found.length; at += STATUS_AT_ONCE) {
      const some = found.slice(at, at + STATUS_AT_ONCE);
      const statuses = parsed.status === null ? null : await statusesOf(context, some);
      for (const listed of some) {
        const { name, exists, specialUse } = listed.named;
        out.line(answer(listed, parsed, enabled.utf8));
        // Right behind its LIST, where every server has it and clients look for it.
        const status = statuses?.get(name);
        if (status) await writeStatus(context, name, parsed.status!, status);
        // RFC 9590: of each mailbox that is there.
        if (parsed.metadata !== null && exists) await writeMetadata(context, name, parsed.metadata, specialUse).catch(passOver);
      }
      if (out.full) await out.drain();
    }
    return '';
  },
});

function option(args: Args, known: string[], kind: string): string {
  const name = args.keyword();
  if (!known.includes(name)) throw new Malformed(`there is no LIST ${kind} option ${name.slice(0, 40)}`);
  return name;
}

/** Throws Refused for more patterns than any client has reason to send. */
export function compile(reference: string, patterns: string[]): Pattern {
  const bytes = patterns.reduce((sum, pattern) => sum + pattern.length + reference.length, 0);
  if (bytes > limits.imap_list_patterns_bytes_max) throw new Refused('the patterns are too long', 'LIMIT');
  const compiled = patterns.map((pattern) => compilePattern(reference, pattern));
  return compiled.length === 1 ? compiled[0] : (name) => compiled.some((pattern) => pattern(name));
}

/** The names that match, each once; a parent also for what it has below that matches nowhere itself (RECURSIVEMATCH). */
async function matching(context: Context, names: Map<string, Named>, { selection }: Parsed, pattern: Pattern): Promise<Listed[]> {
  const selective = selection.has('SUBSCRIBED') || selection.has('SPECIAL-USE');
  const chosen = (named: Named): boolean =>
    (!selection.has('SUBSCRIBED') || named.subscribed) && (!selection.has('SPECIAL-USE') || named.specialUse !== null);
  const found = new Set<Named>();
  const hidden: Named[] = [];
  // One long pattern and one long name take milliseconds.
  const pace = new Pace(context.clock);
  for (const named of names.values()) {
    if (pace.due) await pace.rest();
    if (selective && !chosen(named)) continue;
    if (pattern(named.name)) found.add(named);
    else if (selection.has('RECURSIVEMATCH')) hidden.push(named);
  }
  const info = new Set<Named>();
  const seen = new Set<string>();
  for (const { name } of hidden) {
    for (const parent of parentsOf(name)) {
      if (seen.has(parent)) continue;
      seen.add(parent);
      if (pattern(parent)) info.add(names.get(parent)!);
    }
    if (pace.due) await pace.rest();
  }
  context.logger.debug('list', { names: names.size, found: found.size });
  return [...names.values()].filter((named) => found.has(named) || info.has(named)).map((named) => ({ named, childInfo: info.has(named) }));
}

function answer({ named, childInfo }: Listed, { extended, selection, returned }: Parsed, utf8: boolean): string {
  const attributes: string[] = [];
  if (!named.exists) attributes.push(extended ? '\\NonExistent' : '\\Noselect');
  if (named.subscribed && (selection.has('SUBSCRIBED') || returned.has('SUBSCRIBED'))) attributes.push('\\Subscribed');
  attributes.push(named.children ? '\\HasChildren' : '\\HasNoChildren');
  if (named.specialUse !== null) attributes.push(named.specialUse);
  const matched = ['SUBSCRIBED', 'SPECIAL-USE'].filter((name) => selection.has(name)).map((name) => `"${name}"`);
  const info = childInfo ? ` ("CHILDINFO" (${matched.join(' ')}))` : '';
  return `* LIST (${attributes.join(' ')}) "/" ${quoteMailbox(named.name, utf8)}${info}`;
}

/** What is gone meanwhile says nothing. */
function passOver(e: unknown): void {
  if (!(e instanceof Refused)) throw e;
}

/** RFC 5819: the STATUS of each mailbox that can be selected; of what is gone meanwhile, null. */
async function statusesOf(context: Context, listed: Listed[]): Promise<Map<string, MailboxStatus | null>> {
  const names = listed.filter(({ named }) => named.exists).map(({ named }) => named.name);
  const statuses = await context.session.statuses(names);
  return new Map(names.map((name, i) => [name, statuses[i]]));
}
