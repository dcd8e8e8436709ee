// Senders of mail that is forwarded (SRS): an address of ours that stands for the sender, so that SPF holds and failures come back
// here. A keyed hash and a day keep strangers from making such addresses.
import { createHmac, timingSafeEqual } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const DAY_MS = 24 * 60 * 60 * 1000;
/** Days, after which an address leads nowhere: a queue gives up long before. */
const DAYS_VALID = 21;
const DAYS = 1024;
const HASH_CHARS = 10;
const ATOM = /^[A-Za-z0-9!#$%&'*+/?^_`{|}~.-][A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]*$/;
/** What mail servers take everywhere (RFC 5321 §4.5.3.1.1 asks for 64; these are taken as well). */
const LOCAL_CHARS_MAX = 200;

function hashOf(key: Buffer, text: string): string {
  const bytes = createHmac('sha256', key).update(`srs\0${text.toLowerCase()}`).digest();
  return Array.from({ length: HASH_CHARS }, (_, i) => ALPHABET[bytes[i] & 31]).join('');
}
const dayText = (day: number): string => ALPHABET[(day >> 5) & 31] + ALPHABET[day & 31];

/**
 * The address that stands for `from` at one of our domains. Null: there is none, and another has to do. An address
 * that another forwarder made is wrapped once more as it is. `now`: ms since 1970.
 */
export function srsAddress(from: string, domain: string, key: Buffer, now: number): string | null {
  const at = from.lastIndexOf('@');
  const [local, host] = [from.slice(0, at), from.slice(at + 1)];
  if (at < 1 || !ATOM.test(local) || !/^[A-Za-z0-9.-]+$/.test(host)) return null;
  const rest = `${dayText(Math.floor(now / DAY_MS) % DAYS)}=${host}=${local}`;
  const made = `SRS0=${hashOf(key, rest)}=${rest}`;
  return made.length > LOCAL_CHARS_MAX ? null : `${made}@${domain}`;
}

/** Whether a local part says that it is such an address. */
export const isSrs = (address: string): boolean => /^SRS0[=+-]/i.test(address);

/** Whom it stands for; null: it is not ours, or too old. `keys`: any of them may have made it. */
export function srsSender(address: string, keys: readonly Buffer[], now: number): string | null {
  const m = /^SRS0[=+-]([a-z2-7]+)=(([a-z2-7]{2})=([A-Za-z0-9.-]+)=(.+))@[^@]+$/i.exec(address);
  if (!m) return null;
  const [, hash, rest, day, host, local] = m;
  const given = Buffer.from(hash.toLowerCase());
  const fits = keys.some((key) => {
    const right = Buffer.from(hashOf(key, rest));
    return right.length === given.length && timingSafeEqual(right, given);
  });
  if (!fits) return null;
  const [high, low] = [...day.toLowerCase()].map((c) => ALPHABET.indexOf(c));
  const age = (((Math.floor(now / DAY_MS) - (high * 32 + low)) % DAYS) + DAYS) % DAYS;
  return age <= DAYS_VALID ? `${local}@${host}` : null;
}
