// GETMETADATA and SETMETADATA: RFC 5464. A mailbox named "" stands for the server, here: for the user. LIST-METADATA
// (RFC 9590) uses the same parts.
import { Malformed, Refused, limits } from '../../base/index.ts';
import type { SpecialUse } from '../../base/index.ts';
import { quote, quoteMailbox } from '../wire/index.ts';
import type { Args } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';

/** Which annotations are asked for, and how. */
export interface Wanted {
  entries: string[];
  /** Longer values are left out, and the longest is told. */
  maxSize: number;
  /** Levels below the entries that belong to the answer. */
  depth: 0 | 1 | 'infinity';
}

/** The special use of a mailbox, as LIST tells it (RFC 6154 §4); CREATE sets it, and nothing changes it. */
const SPECIAL_USE = '/private/specialuse';

/** Names of entries asked for at once. */
const ENTRIES_MAX = 100;

/** `/private/comment` in lower case (§3.2: no wildcards, no control characters, no double or last slash). */
function parseEntry(args: Args): string {
  const entry = args.astring().toLowerCase();
  if (!/^\/(private|shared)(\/[^/*%\x00-\x1f\x7f-\xff]+)*$/.test(entry)) throw new Malformed('an entry begins with /private or /shared');
  if (entry.length > limits.metadata_name_bytes_max) throw new Malformed('the name of an entry is too long');
  return entry;
}

/** `(MAXSIZE 1024 DEPTH 1)` and a space, if they are there. */
export function parseOptions(args: Args): Pick<Wanted, 'maxSize' | 'depth'> {
  const options: Pick<Wanted, 'maxSize' | 'depth'> = { maxSize: Infinity, depth: 0 };
  if (args.peek() !== '(' || !/^\((MAXSIZE|DEPTH) /i.test(args.text.slice(args.at, args.at + 10))) return options;
  args.list(() => {
    const name = args.keyword();
    args.sp();
    if (name === 'MAXSIZE') options.maxSize = args.number();
    else if (name === 'DEPTH') {
      const depth = args.keyword();
      if (depth !== '0' && depth !== '1' && depth !== 'INFINITY') throw new Malformed('DEPTH is 0, 1 or infinity');
      options.depth = depth === 'INFINITY' ? 'infinity' : (Number(depth) as 0 | 1);
    } else throw new Malformed(`there is no option ${name.slice(0, 40)}`);
  });
  args.sp();
  return options;
}

/** One entry, or several in parentheses. */
export function parseEntries(args: Args): string[] {
  const entries: string[] = [];
  if (args.peek() === '(') args.list(() => entries.push(parseEntry(args)));
  else entries.push(parseEntry(args));
  if (entries.length === 0) throw new Malformed('an entry expected');
  if (entries.length > ENTRIES_MAX) throw new Refused(`More than ${ENTRIES_MAX} entries`, 'LIMIT');
  return [...new Set(entries)];
}

/** Writes one METADATA answer; gives the size of the longest value that was left out, or 0. */
export async function writeMetadata(context: Context, name: string, { entries, maxSize, depth }: Wanted, use?: SpecialUse | null): Promise<number> {
  const found = (await context.session.metadata(name === '' ? null : name)).filter(({ entry }) => entry !== SPECIAL_USE);
  if (name !== '' && entries.some((wanted) => SPECIAL_USE.startsWith(wanted))) {
    const known = use !== undefined ? use : (await context.session.mailboxes()).find((mailbox) => mailbox.name === name)?.specialUse;
    if (known) found.push({ entry: SPECIAL_USE, value: Buffer.from(known) });
  }
  const pairs: string[] = [];
  let longest = 0;
  for (const wanted of entries) {
    const matching = found.filter(({ entry }) => {
      if (entry === wanted) return true;
      if (depth === 0 || !entry.startsWith(`${wanted}/`)) return false;
      return depth === 'infinity' || !entry.includes('/', wanted.length + 1);
    });
    if (matching.length === 0 && depth === 0) pairs.push(`${wanted} NIL`);
    for (const { entry, value } of matching) {
      if (value.length > maxSize) longest = Math.max(longest, value.length);
      else pairs.push(`${entry} ${valueText(value)}`);
    }
  }
  if (pairs.length > 0) context.out.line(`* METADATA ${quoteMailbox(name, context.enabled.utf8)} (${pairs.join(' ')})`);
  return longest;
}

function valueText(value: Uint8Array): string {
  const text = Buffer.from(value).toString('latin1');
  return text.includes('\0') ? `~{${text.length}}\r\n${text}` : quote(text);
}

export const getmetadata = command<Wanted & { name: string }>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    let options = parseOptions(args);
    const name = args.mailbox();
    args.sp();
    // Options behind the mailbox too: the standard's examples have them there.
    if (options.maxSize === Infinity && options.depth === 0) options = parseOptions(args);
    return { name, ...options, entries: parseEntries(args) };
  },
  async run(context, wanted) {
    const longest = await writeMetadata(context, wanted.name, wanted);
    return longest === 0 ? '' : `[METADATA LONGENTRIES ${longest}] GETMETADATA completed`;
  },
});

export const setmetadata = command<{ name: string; entries: { entry: string; value: Uint8Array | null }[] }>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    const name = args.mailbox();
    args.sp();
    const entries = new Map<string, Uint8Array | null>();
    args.list(() => {
      const entry = parseEntry(args);
      args.sp();
      const value = args.nstring();
      entries.set(entry, value === null ? null : Buffer.from(value, 'latin1'));
    });
    if (entries.size === 0) throw new Malformed('an entry expected');
    return { name, entries: [...entries].map(([entry, value]) => ({ entry, value })) };
  },
  async run(context, { name, entries }) {
    // §5.2: of the server, /shared is the administrator's.
    if (name === '' && entries.some(({ entry }) => entry.startsWith('/shared'))) throw new Refused('shared annotations of the server are not yours', 'NOPERM');
    if (entries.some(({ entry }) => entry === SPECIAL_USE)) throw new Refused('the use of a mailbox is said when it is made', 'CANNOT');
    if (entries.some(({ entry }) => entry.lastIndexOf('/') === 0)) throw new Refused('/private and /shared have no value', 'CANNOT');
    if (entries.length > ENTRIES_MAX) throw new Refused(`More than ${ENTRIES_MAX} entries`, 'METADATA TOOMANY');
    if (entries.some(({ value }) => value !== null && value.length > limits.metadata_value_bytes_max)) throw new Refused('a value is too long', `METADATA MAXSIZE ${limits.metadata_value_bytes_max}`);
    context.teller.own({ annotations: await context.session.setMetadata(name === '' ? null : name, entries) });
    return '';
  },
});
