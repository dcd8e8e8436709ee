// Address lists (RFC 5322 §3.4, obsolete and broken forms too) as ENVELOPE shows them.
import { limits } from '../base/index.ts';
import type { Address, HeaderText } from '../base/index.ts';
import { collapse } from './header.ts';

/** What stands for a part of an address that isn't there: null would make it a group (RFC 9051 §7.5.2). */
const MISSING_MAILBOX = 'MISSING_MAILBOX';
const MISSING_DOMAIN = 'MISSING_DOMAIN';

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const OPEN = 40;
const CLOSE = 41;
const COMMA = 44;
const DOT = 46;
const COLON = 58;
const SEMICOLON = 59;
const LESS = 60;
const GREATER = 62;
const AT = 64;
const BRACKET = 91;
const BACKSLASH = 92;

/** Where a run of ordinary characters ends. */
const SPECIAL = new Uint8Array(256);
for (const code of [TAB, LF, CR, SPACE, QUOTE, OPEN, COMMA, COLON, SEMICOLON, LESS, GREATER, AT]) SPECIAL[code] = 1;

/**
 * All addresses of a field's value in order, at most `countMax`. Groups are bracketed as IMAP has them: an address
 * with host null before, one with mailbox and host null behind. Anything is accepted; time is linear.
 */
export function parseAddresses(text: HeaderText, countMax: number = limits.addresses_max): Address[] {
  return new AddressReader(text, countMax).all();
}

class AddressReader {
  readonly #text: HeaderText;
  readonly #countMax: number;
  readonly #found: Address[] = [];
  #at = 0;
  #inGroup = false;
  /** A quoted string without end was met: no quote behind it can be closed either. */
  #quotesBroken = false;
  /** The last comment of the address being read: a name of old (`jo@example.org (Jo)`). */
  #comment: HeaderText | null = null;

  constructor(text: HeaderText, countMax: number) {
    this.#text = text;
    this.#countMax = countMax;
  }

  all(): Address[] {
    while (this.#at < this.#text.length && this.#found.length < this.#countMax) this.#address();
    if (this.#inGroup) this.#endGroup();
    return this.#found;
  }

  /** Reads up to and including the next `,` `;` or group's `:`. */
  #address(): void {
    const text = this.#text;
    let display = '';
    let gap = false;
    /** The words since the last gap that is not beside a dot, before `@`: what may become the mailbox. */
    let word = '';
    let before = '';
    let host: string | null = null;
    let hostDone = false;
    /** What came last ends in a dot. To look at the end of what was put together would cost its length, each time. */
    let dotted = false;
    this.#comment = null;
    const append = (piece: string) => {
      const joined = !gap || piece.charCodeAt(0) === DOT;
      if (host !== null) {
        if (!hostDone && (host === '' || joined || dotted)) host += piece;
        else hostDone = true;
      } else if (word === '' || joined || dotted) word += piece;
      else {
        before = before === '' ? word : `${before} ${word}`;
        word = piece;
      }
      display += gap && display !== '' ? ` ${piece}` : piece;
      gap = false;
      if (piece !== '') dotted = piece.charCodeAt(piece.length - 1) === DOT;
    };
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      switch (code) {
        case TAB:
        case LF:
        case CR:
        case SPACE:
          gap = true;
          this.#at++;
          break;
        case OPEN:
          this.#readComment();
          gap = true;
          break;
        case QUOTE: {
          const quoted = this.#quoted();
          if (quoted !== null) append(quoted);
          break;
        }
        case AT:
          this.#at++;
          if (host === null) {
            host = '';
            display += '@';
            gap = false;
          } else {
            hostDone = true;
            display += '@';
          }
          break;
        case LESS:
          this.#at++;
          this.#angle(display);
          return;
        case COLON:
          this.#at++;
          if (this.#inGroup) this.#endGroup();
          this.#inGroup = true;
          this.#found.push({ name: null, mailbox: collapse(display), host: null });
          return;
        case COMMA:
        case SEMICOLON:
          this.#at++;
          this.#bare(display, before, word, host);
          if (code === SEMICOLON && this.#inGroup) this.#endGroup();
          return;
        case GREATER:
          this.#at++;
          gap = true;
          break;
        default:
          append(this.#run());
      }
    }
    this.#bare(display, before, word, host);
  }

  /** An address without angle brackets; nothing at all between two commas is no address. */
  #bare(display: string, before: string, word: string, host: string | null): void {
    if (host !== null) this.#push(before, word, host);
    else if (before !== '') this.#push(display, '', '');
    else if (word !== '') this.#push('', word, '');
  }

  /** `<…>` and what follows it up to the next separator. A missing `>` ends with the address. */
  #angle(display: string): void {
    const text = this.#text;
    let mailbox = '';
    let host: string | null = null;
    let closed = false;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === COMMA || code === SEMICOLON) {
        // A route (`<@a,@b:jo@c>`, obsolete) has commas; it is left out.
        if (code === COMMA && !closed && mailbox === '' && host !== null) host = '';
        else break;
        this.#at++;
      } else if (code === OPEN) this.#readComment();
      else if (code === QUOTE) {
        const quoted = this.#quoted();
        if (quoted !== null && !closed && host === null) mailbox += quoted;
      } else if (code === GREATER) {
        closed = true;
        this.#at++;
      } else if (code === AT) {
        if (!closed && host === null) host = '';
        this.#at++;
      } else if (code === COLON) {
        if (!closed && mailbox === '' && host !== null) host = null;
        this.#at++;
      } else if (SPECIAL[code]) this.#at++;
      else {
        const run = this.#run();
        if (closed) continue;
        if (host === null) mailbox += run;
        else host += run;
      }
    }
    this.#push(display, mailbox, host ?? '');
    if (text.charCodeAt(this.#at) === SEMICOLON && this.#inGroup) this.#endGroup();
    this.#at++;
  }

  #push(name: string, mailbox: string, host: string): void {
    let shown: string | null = collapse(name);
    if (shown === '') shown = this.#comment === null ? null : collapse(this.#comment);
    this.#found.push({ name: shown === '' ? null : shown, mailbox: mailbox || MISSING_MAILBOX, host: host || MISSING_DOMAIN });
  }

  #endGroup(): void {
    this.#inGroup = false;
    this.#found.push({ name: null, mailbox: null, host: null });
  }

  /** Characters up to the next special one; a domain literal is one run. */
  #run(): string {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    if (text.charCodeAt(at) === BRACKET) {
      while (at < text.length && text.charCodeAt(at) !== BRACKET + 2 && !SPECIAL_IN_LITERAL[text.charCodeAt(at)]) at++;
    }
    while (at < text.length && SPECIAL[text.charCodeAt(at)] === 0) at++;
    this.#at = at;
    return text.slice(start, at);
  }

  /** The contents of a quoted string; null when it has no end, and then only its quote is passed. */
  #quoted(): string | null {
    const text = this.#text;
    const start = ++this.#at;
    if (this.#quotesBroken) return null;
    let escaped = false;
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === BACKSLASH) {
        escaped = true;
        at++;
      } else if (code === QUOTE) {
        this.#at = at + 1;
        const inside = text.slice(start, at);
        const plain = escaped ? inside.replace(/\\([^])/g, '$1') : inside;
        return plain.includes('\n') ? plain.replace(/\r?\n/g, '') : plain;
      }
    }
    this.#quotesBroken = true;
    return null;
  }

  /** Passes a comment (nested ones too), one without end up to the end of the text. */
  #readComment(): void {
    const text = this.#text;
    const start = this.#at + 1;
    let depth = 0;
    let at = this.#at;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === BACKSLASH) at++;
      else if (code === OPEN) depth++;
      else if (code === CLOSE && --depth === 0) break;
    }
    const inside = text.slice(start, Math.min(at, text.length));
    this.#comment = inside.includes('\\') ? inside.replace(/\\([^])/g, '$1') : inside;
    this.#at = Math.min(at + 1, text.length);
  }
}

const SPECIAL_IN_LITERAL = new Uint8Array(256);
for (const code of [CR, LF, COMMA, SEMICOLON, GREATER, LESS]) SPECIAL_IN_LITERAL[code] = 1;
