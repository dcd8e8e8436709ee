// The program of SEARCH as a tree (RFC 9051 §6.4.4; WITHIN: RFC 5032; MODSEQ: RFC 7162 §3.1.5; EMAILID, THREADID: RFC
// 8474 §6; UIDAFTER, UIDBEFORE: RFC 9738 §3.2; SAVEDATE: RFC 8514 §4.3; FUZZY: RFC 6203 §3). Chains of OR become one node, so that only real nesting costs depth.
import { Malformed, Refused, limits } from '../../base/index.ts';
import type { ModSeq } from '../../base/index.ts';
import { decodeCharset } from '../../message/index.ts';
import { SequenceSet } from '../wire/index.ts';
import type { Args } from '../wire/index.ts';

const UINT32_MAX = 0xffffffff;

export type Key =
  | { op: 'all' | 'nothing' }
  | { op: 'and' | 'or'; keys: Key[] }
  | { op: 'not'; key: Key }
  | { op: 'flag'; flag: string }
  | { op: 'seq' | 'uid'; set: SequenceSet }
  | { op: 'larger' | 'smaller'; bytes: number }
  /** `day`: 0:00 UTC of the calendar day, ms since 1970. */
  | { op: 'date'; of: 'internal' | 'sent' | 'saved'; is: 'before' | 'on' | 'since'; day: number }
  | { op: 'older' | 'younger'; seconds: number }
  | { op: 'modseq'; from: ModSeq }
  | { op: 'emailid' | 'threadid'; id: string }
  /** Field name in lower case. */
  | { op: 'header'; name: string; text: string; fuzzy: boolean }
  | { op: 'body' | 'text'; text: string; fuzzy: boolean };

const FLAGS: Record<string, string> = { ANSWERED: '\\Answered', DELETED: '\\Deleted', DRAFT: '\\Draft', FLAGGED: '\\Flagged', SEEN: '\\Seen' };
const FIELDS = new Set(['BCC', 'CC', 'FROM', 'SUBJECT', 'TO']);
const DATES: Record<string, { of: 'internal' | 'sent' | 'saved'; is: 'before' | 'on' | 'since' }> = {
  BEFORE: { of: 'internal', is: 'before' },
  ON: { of: 'internal', is: 'on' },
  SINCE: { of: 'internal', is: 'since' },
  SENTBEFORE: { of: 'sent', is: 'before' },
  SENTON: { of: 'sent', is: 'on' },
  SENTSINCE: { of: 'sent', is: 'since' },
  SAVEDBEFORE: { of: 'saved', is: 'before' },
  SAVEDON: { of: 'saved', is: 'on' },
  SAVEDSINCE: { of: 'saved', is: 'since' },
};

/** Reads all keys up to the end: they must all match. `charset` is that of the strings ('' where none was given). */
export function parseKeys(args: Args, charset: string, uidonly = false): Key {
  return new KeyParser(args, charset, uidonly).all();
}

class KeyParser {
  #args: Args;
  #charset: string;
  #uidonly: boolean;
  #keys = 0;
  #texts = 0;
  #depth = 0;
  /** Behind FUZZY (RFC 6203): texts match whatever the accents. */
  #fuzzy = false;

  constructor(args: Args, charset: string, uidonly: boolean) {
    this.#args = args;
    this.#uidonly = uidonly;
    this.#charset = charset;
  }

  all(): Key {
    const keys = [this.#key()];
    while (!this.#args.done) {
      this.#args.sp();
      keys.push(this.#key());
    }
    return keys.length === 1 ? keys[0] : { op: 'and', keys };
  }

  #text(): string {
    const args = this.#args;
    args.sp();
    return decodeCharset(Buffer.from(args.astring(), 'latin1'), this.#charset);
  }

  #key(): Key {
    const args = this.#args;
    if (++this.#keys > limits.search_keys_max) throw new Refused(`More than ${limits.search_keys_max} search keys`, 'LIMIT');
    const c = args.peek();
    if ((c >= '0' && c <= '9') || c === '*' || c === '$') {
      // RFC 9586 §3.
      if (this.#uidonly && c !== '$') throw new Malformed('UIDONLY is on', 'UIDREQUIRED');
      return { op: 'seq', set: args.sequenceSet() };
    }
    if (c === '(') return this.#group();
    const word = args.keyword();
    if (word === 'NOT') return this.#not();
    if (word === 'OR') return this.#or();
    if (word === 'FUZZY') return this.#fuzzily();
    return this.#leaf(word);
  }

  #group(): Key {
    const keys: Key[] = [];
    this.#nested(() => this.#args.list(() => keys.push(this.#key())));
    if (keys.length === 0) throw this.#args.error('a search key expected');
    return keys.length === 1 ? keys[0] : { op: 'and', keys };
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > limits.imap_nesting_max) throw new Malformed(`search keys nested deeper than ${limits.imap_nesting_max}`);
    const value = read();
    this.#depth--;
    return value;
  }

  /** Behind `NOT`. */
  #not(): Key {
    this.#args.sp();
    return { op: 'not', key: this.#nested(() => this.#key()) };
  }

  /** Behind `FUZZY`: the next key and all in it; keys without a text are what they always are. */
  #fuzzily(): Key {
    const before = this.#fuzzy;
    this.#args.sp();
    this.#fuzzy = true;
    const key = this.#nested(() => this.#key());
    this.#fuzzy = before;
    return key;
  }

  /** Behind `OR`: any tree of ORs in prefix order is a flat list of keys, whichever side it grows on. */
  #or(): Key {
    const keys: Key[] = [];
    for (let wanted = 2; wanted > 0; ) {
      this.#args.sp();
      if (this.#args.skip('OR ')) {
        // Its own space stands before each operand.
        this.#args.at--;
        wanted++;
        continue;
      }
      keys.push(this.#nested(() => this.#key()));
      wanted--;
    }
    return { op: 'or', keys };
  }

  #leaf(word: string): Key {
    const args = this.#args;
    if (FLAGS[word]) return { op: 'flag', flag: FLAGS[word] };
    if (word.startsWith('UN') && FLAGS[word.slice(2)]) return { op: 'not', key: { op: 'flag', flag: FLAGS[word.slice(2)] } };
    if (FIELDS.has(word)) return { op: 'header', name: word.toLowerCase(), text: this.#text(), fuzzy: this.#fuzzy };
    if (DATES[word]) {
      args.sp();
      return { op: 'date', ...DATES[word], day: args.date() };
    }
    switch (word) {
      case 'ALL':
      case 'OLD':
      case 'SAVEDATESUPPORTED':
        return { op: 'all' };
      // \Recent is never set (RFC 9051 §2.3.2 has given it up).
      case 'RECENT':
      case 'NEW':
        return { op: 'nothing' };
      case 'KEYWORD':
      case 'UNKEYWORD': {
        args.sp();
        const key: Key = { op: 'flag', flag: args.flag() };
        return word === 'KEYWORD' ? key : { op: 'not', key };
      }
      case 'UID':
        args.sp();
        return { op: 'uid', set: args.sequenceSet() };
      case 'UIDAFTER':
      case 'UIDBEFORE': {
        // RFC 9738 §3.2.
        args.sp();
        const uid = args.nzNumber();
        const [low, high] = word === 'UIDAFTER' ? [uid + 1, UINT32_MAX] : [1, uid - 1];
        return low > high ? { op: 'nothing' } : { op: 'uid', set: new SequenceSet(Uint32Array.of(low, high)) };
      }
      case 'LARGER':
      case 'SMALLER':
        args.sp();
        return { op: word === 'LARGER' ? 'larger' : 'smaller', bytes: args.number64() };
      case 'OLDER':
      case 'YOUNGER':
        args.sp();
        return { op: word === 'OLDER' ? 'older' : 'younger', seconds: args.nzNumber() };
      case 'MODSEQ':
        args.sp();
        if (args.isString) {
          // Entry name and type: all flags of a message share one MODSEQ here (RFC 7162 §3.1.5).
          args.string();
          args.sp();
          if (!['ALL', 'SHARED', 'PRIV'].includes(args.keyword())) throw args.error('"all", "shared" or "priv" expected');
          args.sp();
        }
        return { op: 'modseq', from: args.number64() };
      case 'EMAILID':
      case 'THREADID':
        args.sp();
        return { op: word === 'EMAILID' ? 'emailid' : 'threadid', id: args.astring() };
      case 'HEADER': {
        args.sp();
        const name = args.astring().toLowerCase();
        return { op: 'header', name, text: this.#text(), fuzzy: this.#fuzzy };
      }
      case 'BODY':
      case 'TEXT':
        if (++this.#texts > limits.search_text_keys_max) throw new Refused(`More than ${limits.search_text_keys_max} BODY and TEXT keys`, 'LIMIT');
        return { op: word === 'BODY' ? 'body' : 'text', text: this.#text(), fuzzy: this.#fuzzy };
    }
    throw new Malformed(`unknown search key ${word}`);
  }
}

/** How many keys a program has. */
export function sizeOf(key: Key): number {
  if (key.op === 'and' || key.op === 'or') return key.keys.reduce((sum, inner) => sum + sizeOf(inner), 1);
  return key.op === 'not' ? 1 + sizeOf(key.key) : 1;
}

/** Whether a key of that kind stands anywhere in the tree. */
export function uses(key: Key, op: Key['op']): boolean {
  if (key.op === op) return true;
  if (key.op === 'and' || key.op === 'or') return key.keys.some((inner) => uses(inner, op));
  return key.op === 'not' && uses(key.key, op);
}
