// A cursor over one complete command. All text is latin1 (one character is one byte); callers decode what may be more
// than ASCII. Every method takes its token or throws Malformed with a text that a client's author can use.
import { Malformed, Refused, limits } from '../../base/index.ts';
import type { Flag } from '../../base/index.ts';
import { parseDate, parseDateTime } from './date.ts';
import { parseSequenceSet } from './sequence-set.ts';
import type { SequenceSet } from './sequence-set.ts';
import { decodeUtf7, decodeUtf8 } from './utf7.ts';

/** A literal of a command: `at` is where its `{n}` begins in the text. */
export interface Literal {
  at: number;
  bytes: Buffer;
  /** `~{n}` (RFC 3516): may hold NUL. */
  eight: boolean;
}

// RFC 9051 §9: atom-specials are ( ) { SP CTL % * " \ ]; an astring may hold ], a list-mailbox also % and *.
const ATOM = /[^\x00-\x20(){%*"\\\]\x7f-\xff]+/y;
const ASTRING = /[^\x00-\x20(){%*"\\\x7f-\xff]+/y;
const LIST_MAILBOX = /[^\x00-\x20(){"\\\x7f-\xff]+/y;
const NUMBER = /[0-9]+/y;
const LITERAL = /~?\{[0-9]+\+?\}/y;

const SYSTEM_FLAGS = new Map<string, Flag>(
  ['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft'].map((flag) => [flag.toLowerCase(), flag]),
);

export class Args {
  readonly text: string;
  readonly literals: readonly Literal[];
  /** UTF8=ACCEPT is on: mailbox names are UTF-8 (RFC 6855 §3). */
  readonly utf8: boolean;
  at: number;
  /** The last mailbox as the client wrote it, where that may differ from its name (RFC 9051 §6.3.9.7, OLDNAME). */
  mailboxAsSent = '';
  #literal = 0;
  #nesting = 0;

  constructor(text: string, literals: readonly Literal[] = [], at = 0, utf8 = false) {
    this.text = text;
    this.literals = literals;
    this.at = at;
    this.utf8 = utf8;
  }

  /** The command's tag. */
  get tag(): string {
    return this.text.slice(0, this.text.indexOf(' '));
  }

  /** Of the whole command, literals included. */
  get bytes(): number {
    return this.literals.reduce((sum, literal) => sum + literal.bytes.length, this.text.length);
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** The next character, '' at the end. */
  peek(): string {
    return this.text.charAt(this.at);
  }

  /** Whether the next characters are `word`, in any case. Takes nothing. */
  looking(word: string): boolean {
    return this.text.length >= this.at + word.length && this.text.slice(this.at, this.at + word.length).toUpperCase() === word.toUpperCase();
  }

  /** Takes `word` when it comes next, in any case. */
  skip(word: string): boolean {
    if (!this.looking(word)) return false;
    this.at += word.length;
    return true;
  }

  /** Takes exactly `word`, in any case. */
  expect(word: string): void {
    if (!this.skip(word)) throw this.error(`"${word}" expected`);
  }

  /** One space. */
  sp(): void {
    if (this.text.charCodeAt(this.at) !== 0x20) throw this.error(this.done ? 'argument missing' : 'space expected');
    this.at++;
  }

  /** Nothing may follow. */
  end(): void {
    if (!this.done) throw this.error('nothing more expected');
  }

  /** Malformed with the place where it happened. */
  error(text: string): Malformed {
    const rest = this.text.slice(this.at, this.at + 20).replace(/[^\x20-\x7e]/g, '?');
    return new Malformed(`${text} ${rest === '' ? 'at the end' : `before: ${rest}`}`);
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return null;
    this.at = pattern.lastIndex;
    return found[0];
  }

  /** As sent, not upper-cased. */
  atom(): string {
    const atom = this.#take(ATOM);
    if (atom === null) throw this.error('word expected');
    return atom;
  }

  /** An atom in upper case: names of commands, items and keys. */
  keyword(): string {
    return this.atom().toUpperCase();
  }

  /** Whether a quoted string or literal comes next. */
  get isString(): boolean {
    const c = this.text.charCodeAt(this.at);
    return c === 0x22 || c === 0x7b || (c === 0x7e && this.text.charCodeAt(this.at + 1) === 0x7b);
  }

  /** Quoted or literal, as latin1. */
  string(): string {
    if (this.text.charCodeAt(this.at) === 0x22) return this.#quoted();
    if (this.isString) return this.literal().bytes.toString('latin1');
    throw this.error('string expected');
  }

  #quoted(): string {
    const { text } = this;
    const start = this.at + 1;
    let escaped = false;
    let end = start;
    // By hand: a regular expression would keep a place to go back to for each of a million characters.
    for (; ; end++) {
      const c = text.charCodeAt(end);
      if (c === 0x22) break;
      if (c === 0x5c) {
        const next = text.charCodeAt(++end);
        if (next !== 0x22 && next !== 0x5c) throw this.error('only " and \\ may follow \\ in a quoted string');
        escaped = true;
      } else if (c === 0 || c === 0x0d || c === 0x0a || Number.isNaN(c)) throw this.error('quoted string is not ended or holds NUL, CR or LF');
    }
    // A literal's {n} inside the quotes: the string would go on behind the literal.
    const literal = this.literals[this.#literal];
    if (literal !== undefined && literal.at < end && literal.at >= start) throw this.error('quoted string is not ended');
    this.at = end + 1;
    const inner = text.slice(start, end);
    // RFC 6855 §3: then it is UTF-8, or BAD.
    if (this.utf8 && /[\x80-\xff]/.test(inner)) decodeUtf8(inner);
    return escaped ? inner.replace(/\\(.)/g, '$1') : inner;
  }

  /** A literal of either kind. */
  literal(): Literal {
    const next = this.literals[this.#literal];
    if (next === undefined || next.at !== this.at) throw this.error('literal expected');
    this.#take(LITERAL);
    this.#literal++;
    if (!next.eight && next.bytes.includes(0)) throw new Malformed('NUL in a literal');
    return next;
  }

  /** Atom (`]` allowed) or string, as latin1. */
  astring(): string {
    if (this.isString) return this.string();
    const atom = this.#take(ASTRING);
    if (atom === null) throw this.error('string or word expected');
    return atom;
  }

  /** astring as UTF-8 text. */
  utf8String(): string {
    return decodeUtf8(this.astring());
  }

  /** string or NIL. */
  nstring(): string | null {
    if (this.isString) return this.string();
    if (this.keyword() !== 'NIL') throw this.error('string or NIL expected');
    return null;
  }

  /** 0 … 2^32 - 1. */
  number(): number {
    const n = this.number64();
    if (n > 0xffffffff) throw this.error('number too large');
    return n;
  }

  /** 1 … 2^32 - 1. */
  nzNumber(): number {
    const n = this.number();
    if (n === 0) throw this.error('number above zero expected');
    return n;
  }

  /** 0 … 2^53 - 1: MODSEQs, sizes; larger ones (RFC 7162 has 63 bits) come down to that, which no MODSEQ here exceeds. */
  number64(): number {
    const digits = this.#take(NUMBER);
    if (digits === null) throw this.error('number expected');
    if (digits.length > 19) throw this.error('number too large');
    return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
  }

  sequenceSet(): SequenceSet {
    const { set, end } = parseSequenceSet(this.text, this.at);
    this.at = end;
    return set;
  }

  /** A system flag in the standard's spelling or a keyword as sent. `\Recent` and unknown `\…` are refused. */
  flag(): Flag {
    if (this.peek() === '\\') {
      this.at++;
      const name = `\\${this.atom()}`;
      const flag = SYSTEM_FLAGS.get(name.toLowerCase());
      if (flag === undefined) throw new Malformed(`${name} cannot be set`);
      return flag;
    }
    const keyword = this.atom();
    if (keyword.length > limits.keyword_bytes_max) throw new Malformed(`keyword is longer than ${limits.keyword_bytes_max} bytes`);
    return keyword;
  }

  /** `(\Seen work)`, each flag once, in whatever case. */
  flagList(): Flag[] {
    const flags = new Map<string, Flag>();
    this.list(() => {
      const flag = this.flag();
      const name = flag.toLowerCase();
      if (!flags.has(name)) flags.set(name, flag);
    });
    return [...flags.values()];
  }

  /** `(` items separated by one space `)`; `()` has none. Nesting has a limit. */
  list(item: () => void): void {
    this.open();
    if (!this.skip(')')) {
      for (;;) {
        item();
        if (this.skip(')')) break;
        this.sp();
      }
    }
    this.#nesting--;
  }

  /** Takes `(` and counts the nesting; `close` undoes both. For lists that `list` does not fit. */
  open(): void {
    if (this.peek() !== '(') throw this.error('"(" expected');
    if (++this.#nesting > limits.imap_nesting_max) throw new Malformed(`more than ${limits.imap_nesting_max} parentheses in each other`);
    this.at++;
  }

  close(): void {
    this.expect(')');
    this.#nesting--;
  }

  /** A mailbox's full name, decoded, NFC, INBOX in upper case (also as the first level of another). */
  mailbox(): string {
    const bytes = this.astring();
    const name = canonicalName(this.mailboxText(bytes));
    this.mailboxAsSent = this.utf8 ? decodeUtf8(bytes) : name;
    return name;
  }

  /** A pattern of LIST or LSUB: like a mailbox, with `%` and `*`. */
  listMailbox(): string {
    if (this.isString) return this.mailboxText(this.string());
    const pattern = this.#take(LIST_MAILBOX);
    if (pattern === null) throw this.error('mailbox pattern expected');
    return this.mailboxText(pattern);
  }

  /** Decodes wire bytes of a name by what the client has enabled. */
  mailboxText(bytes: string): string {
    // Also because marks without end on one letter take quadratic time to compose.
    if (bytes.length > limits.mailbox_wire_bytes_max) throw new Refused('a name or pattern is too long', 'LIMIT');
    return this.utf8 ? decodeUtf8(bytes).normalize('NFC') : decodeUtf7(bytes).normalize('NFC');
  }

  /** `1-Feb-1994`, quoted or not: midnight UTC of that day in milliseconds since 1970. */
  date(): number {
    return parseDate(this.astring());
  }

  /** `" 1-Feb-1994 12:00:00 +0100"` (RFC 9051 §9 `date-time`). `zone` in minutes east of UTC. */
  dateTime(): { at: number; zone: number } {
    if (this.peek() !== '"') throw this.error('quoted date-time expected');
    return parseDateTime(this.#quoted());
  }
}

/** INBOX in any case is INBOX (RFC 9051 §5.1), also as a parent. */
export function canonicalName(name: string): string {
  return /^inbox(?=\/|$)/i.test(name) ? `INBOX${name.slice(5)}` : name;
}
