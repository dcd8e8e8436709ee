// App passwords and recovery codes: secrets of 135 bits that we make, so HKDF is enough to wrap with them.
//
// Text form, in base 32 and groups of five: [user id, for a recovery code] wrap id, 5 | secret, 27 | checksum, 3.
// The checksum covers kind and user too. Case, spaces, hyphens, and o for 0, i or l for 1 don't matter when it is typed.
import { Refused, randomId } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { checksum, grouped, isBase32, normalizeTyped } from './token-text.ts';

const ID_CHARS = 5;
const SECRET_CHARS = 27;
const CHECK_CHARS = 3;
const CHARS = ID_CHARS + SECRET_CHARS + CHECK_CHARS;
/** A user's id in a recovery code; longer text is no code. */
const USER_CHARS_MAX = 64;
const TYPED_CHARS_MAX = 2 * (USER_CHARS_MAX + CHARS);

export type TokenKind = 'app' | 'recovery';

const check = (kind: TokenKind, body: string): string => checksum(`${kind} token`, body, CHECK_CHARS);

/** An app password or recovery code. Its secret is not an enumerable property, so no log line or JSON shows it. */
export class Token {
  readonly kind: TokenKind;
  /** Id of the wrap that it opens, unique within a user. */
  readonly id: string;
  /** The user's id in a recovery code, else null. */
  readonly user: string | null;
  readonly #secret: string;

  constructor(kind: TokenKind, user: string | null, id: string, secret: string) {
    this.kind = kind;
    this.user = user;
    this.id = id;
    this.#secret = secret;
  }

  /** What its owner writes down. */
  text(): string {
    const body = `${this.user ?? ''}${this.id}${this.#secret}`;
    const own = grouped(this.id + this.#secret + check(this.kind, body));
    return this.user === null ? own : `${grouped(this.user)}-${own}`;
  }

  /** What its wrapping key is derived from. */
  secretBytes(): Buffer {
    return Buffer.from(this.#secret, 'latin1');
  }
}

/** A new app password (its user is known from the log-in's user name). */
export const createAppPassword = (random: Random): Token => new Token('app', null, randomId(random, ID_CHARS * 5), randomId(random, SECRET_CHARS * 5));

/** A new recovery code. `user` must be an id in the letters of randomId. */
export function createRecoveryCode(user: string, random: Random): Token {
  if (!isBase32(user) || user.length > USER_CHARS_MAX) throw new RangeError('a recovery code needs a user id in base 32');
  return new Token('recovery', user, randomId(random, ID_CHARS * 5), randomId(random, SECRET_CHARS * 5));
}

/**
 * What a log-in typed, as a token, or null if it is none. One long passphrase in 30,000 looks like one by chance: if no
 * wrap has the token's id, try the text as a password.
 */
export function findToken(text: string): Token | null {
  if (text.length < CHARS || text.length > TYPED_CHARS_MAX) return null;
  const typed = normalizeTyped(text);
  if (typed.length < CHARS || typed.length > USER_CHARS_MAX + CHARS || !isBase32(typed)) return null;
  const at = typed.length - CHARS;
  const kind = at === 0 ? 'app' : 'recovery';
  const body = typed.slice(0, -CHECK_CHARS);
  if (check(kind, body) !== typed.slice(-CHECK_CHARS)) return null;
  return new Token(kind, at === 0 ? null : typed.slice(0, at), body.slice(at, at + ID_CHARS), body.slice(at + ID_CHARS));
}

/** What a person typed where a code is asked for. Throws Refused, saying what is wrong but not what was typed. */
export function parseToken(text: string): Token {
  const token = findToken(text);
  if (token) return token;
  const typed = normalizeTyped(text.slice(0, TYPED_CHARS_MAX + 1));
  if (typed.length < CHARS) throw new Refused(`this code is too short: an app password has ${CHARS} letters and digits, a recovery code more`, 'AUTHENTICATIONFAILED');
  if (!isBase32(typed)) throw new Refused('this code has a character that none of ours has: they are digits and the letters a to z without i, l, o and u', 'AUTHENTICATIONFAILED');
  throw new Refused('this code has a typo: its last three characters do not fit the rest', 'AUTHENTICATIONFAILED');
}
