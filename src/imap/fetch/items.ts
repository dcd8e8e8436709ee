// What FETCH can ask for: parsed to a list of items, in the order asked (RFC 9051 §6.4.5, RFC 3501 §6.4.5).
import { Malformed, limits } from '../../base/index.ts';
import type { ModSeq } from '../../base/index.ts';
import { FieldNames } from '../../message/index.ts';
import { parsePartial } from '../search/partial.ts';
import type { Partial } from '../search/partial.ts';
import { isAtom, quote } from '../wire/index.ts';
import type { Args } from '../wire/index.ts';

/** Items that the mailbox's index or the message's record answers. */
export type PlainKind =
  | 'FLAGS' | 'UID' | 'INTERNALDATE' | 'RFC822.SIZE' | 'MODSEQ' | 'EMAILID' | 'THREADID' | 'SAVEDATE'
  | 'ENVELOPE' | 'BODY' | 'BODYSTRUCTURE' | 'PREVIEW';

export interface PlainItem {
  kind: PlainKind;
}

/** Bytes of the message: `BODY[…]`, `RFC822…`, `BINARY[…]`. */
export interface SectionItem {
  kind: 'section';
  /** What stands before the bytes in the answer, `BODY[1.TEXT]<0>`. */
  label: string;
  /** Numbers of the part, outermost first; empty for the message itself. */
  path: number[];
  what: 'all' | 'header' | 'text' | 'mime' | 'fields' | 'not';
  /** Of HEADER.FIELDS (.NOT). */
  names: FieldNames;
  partial: { from: number; bytes: number } | null;
  /** Transfer encoding undone (RFC 3516), or only the size of that. */
  binary: 'no' | 'decoded' | 'size';
  /** Sets \Seen. */
  marks: boolean;
}

export type Item = PlainItem | SectionItem;

export interface FetchRequest {
  items: Item[];
  changedSince: ModSeq | null;
  /** RFC 7162 §3.2.6. */
  vanished: boolean;
  /** RFC 9394 §3.3: of the messages named, only these. */
  partial: Partial | null;
}

const NO_FIELDS = new FieldNames([]);
const PLAIN = new Set<string>(['FLAGS', 'UID', 'INTERNALDATE', 'RFC822.SIZE', 'MODSEQ', 'EMAILID', 'THREADID', 'SAVEDATE', 'ENVELOPE', 'BODY', 'BODYSTRUCTURE', 'PREVIEW']);
const plain = (...kinds: PlainKind[]): Item[] => kinds.map((kind) => ({ kind }));
const MACROS: Record<string, () => Item[]> = {
  ALL: () => plain('FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE'),
  FAST: () => plain('FLAGS', 'INTERNALDATE', 'RFC822.SIZE'),
  FULL: () => plain('FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY'),
};
// RFC 3501 §6.4.5: the old names differ from BODY[…] in their label only; RFC822.HEADER does not set \Seen.
const OLD: Record<string, { what: SectionItem['what']; marks: boolean }> = {
  RFC822: { what: 'all', marks: true },
  'RFC822.HEADER': { what: 'header', marks: false },
  'RFC822.TEXT': { what: 'text', marks: true },
};
/** Items of one FETCH: more can only be an attempt to make one message's answer long. */
const ITEMS_MAX = 1000;

/** Everything behind the sequence set, with its leading space. */
export function parseFetch(args: Args): FetchRequest {
  args.sp();
  let items: Item[] = [];
  if (args.peek() === '(') {
    items = parseList(args);
    if (items.length === 0) throw args.error('an item expected');
  } else items = parseItem(args, true);
  const request: FetchRequest = { items, changedSince: null, vanished: false, partial: null };
  if (!args.done) parseModifiers(args, request);
  return request;
}

function parseModifiers(args: Args, request: FetchRequest): void {
  args.sp();
  args.list(() => {
    const name = args.keyword();
    if (name === 'CHANGEDSINCE') {
      args.sp();
      request.changedSince = args.number64();
    } else if (name === 'VANISHED') request.vanished = true;
    else if (name === 'PARTIAL') {
      args.sp();
      request.partial = parsePartial(args);
    }
    else throw new Malformed(`unknown FETCH modifier ${name}`);
  });
  if (request.vanished && request.changedSince === null) throw new Malformed('VANISHED goes with CHANGEDSINCE');
}

/** `(UID BODY.PEEK[])`: what NOTIFY wants of new messages (RFC 5465 §5.2). Nothing there sets \Seen. */
export function parseItems(args: Args): Item[] {
  return parseList(args).map((item) => (item.kind === 'section' ? { ...item, marks: false } : item));
}

function parseList(args: Args): Item[] {
  const items: Item[] = [];
  args.list(() => {
    items.push(...parseItem(args));
    if (items.length > ITEMS_MAX) throw new Malformed(`more than ${ITEMS_MAX} items`);
  });
  return items;
}

function parseItem(args: Args, macros = false): Item[] {
  const found = take(args, /[A-Za-z0-9.]+/y).toUpperCase();
  if (macros && MACROS[found]) return MACROS[found]();
  if (OLD[found]) {
    const { what, marks } = OLD[found];
    return [{ kind: 'section', label: found, path: [], what, names: NO_FIELDS, partial: null, binary: 'no', marks }];
  }
  if (args.peek() === '[') {
    switch (found) {
      case 'BODY':
        return [parseSection(args, 'BODY', 'no', true)];
      case 'BODY.PEEK':
        return [parseSection(args, 'BODY', 'no', false)];
      case 'BINARY':
        return [parseSection(args, 'BINARY', 'decoded', true)];
      case 'BINARY.PEEK':
        return [parseSection(args, 'BINARY', 'decoded', false)];
      case 'BINARY.SIZE':
        return [parseSection(args, 'BINARY.SIZE', 'size', false)];
    }
  }
  if (!PLAIN.has(found)) throw new Malformed(`unknown FETCH item ${found}`);
  // RFC 8970 §3.2: LAZY asks for what is at hand; ours always is.
  if (found === 'PREVIEW') args.skip(' (LAZY)');
  return plain(found as PlainKind);
}

function parseSection(args: Args, name: string, binary: SectionItem['binary'], marks: boolean): SectionItem {
  args.expect('[');
  const path: number[] = [];
  let what: SectionItem['what'] = 'all';
  let label = '';
  const names: string[] = [];
  while (/[0-9]/.test(args.peek())) {
    path.push(args.nzNumber());
    if (path.length > 2 * limits.mime_nesting_max) throw new Malformed('part number is too deep');
    if (!args.skip('.')) break;
    if (args.peek() === ']') throw args.error('part number or section expected');
  }
  const dotted = args.text[args.at - 1];
  if (args.peek() !== ']') {
    if (binary !== 'no' || (path.length > 0 && dotted !== '.')) throw args.error('"]" expected');
    const word = take(args, /[A-Za-z.]+/y).toUpperCase();
    label = word;
    if (word === 'HEADER') what = 'header';
    else if (word === 'TEXT') what = 'text';
    else if (word === 'MIME' && path.length > 0) what = 'mime';
    else if (word === 'HEADER.FIELDS' || word === 'HEADER.FIELDS.NOT') {
      what = word === 'HEADER.FIELDS' ? 'fields' : 'not';
      args.sp();
      const echoed: string[] = [];
      args.list(() => {
        const field = args.astring();
        names.push(field);
        echoed.push(isAtom(field) ? field : quote(field));
        if (names.length > ITEMS_MAX) throw new Malformed(`more than ${ITEMS_MAX} header fields`);
      });
      if (names.length === 0) throw new Malformed('HEADER.FIELDS needs a field');
      label += ` (${echoed.join(' ')})`;
    } else throw new Malformed(`unknown section ${word}`);
  }
  args.expect(']');
  label = `${name}[${path.join('.')}${path.length > 0 && label !== '' ? '.' : ''}${label}]`;
  let partial: SectionItem['partial'] = null;
  if (binary !== 'size' && args.skip('<')) {
    const from = args.number64();
    args.expect('.');
    const bytes = args.number64();
    if (bytes === 0) throw new Malformed('a partial of no bytes');
    args.expect('>');
    partial = { from, bytes };
    label += `<${from}>`;
  }
  return { kind: 'section', label, path, what, names: names.length > 0 ? new FieldNames(names) : NO_FIELDS, partial, binary, marks };
}

function take(args: Args, pattern: RegExp): string {
  pattern.lastIndex = args.at;
  const found = pattern.exec(args.text);
  if (found === null) throw args.error('item expected');
  args.at = pattern.lastIndex;
  return found[0];
}
