// Chance enters the program here only, so that a simulation can own it.
import { randomBytes } from 'node:crypto';
import { ownCopy } from './bytes.ts';

export interface Random {
  /** `n` unpredictable bytes. */
  bytes(n: number): Buffer;
  /** A number in [0, 1). */
  unit(): number;
}

/** Fetched at once: a call for each few bytes would cost as much as for so many. */
const AHEAD_BYTES = 4096;
/** More than this is asked for by itself. */
const SMALL_BYTES = 128;
let ahead = Buffer.alloc(0);

/** Each byte is given out once, and is not here any more then. */
function few(n: number): Buffer {
  if (ahead.length < n) ahead = randomBytes(AHEAD_BYTES);
  const bytes = ownCopy(ahead.subarray(0, n));
  ahead.fill(0, 0, n);
  ahead = ahead.subarray(n);
  return bytes;
}

/** The machine's cryptographic source. */
export const systemRandom: Random = {
  bytes: (n) => (n <= SMALL_BYTES ? few(n) : randomBytes(n)),
  unit: () => few(6).readUIntBE(0, 6) / 2 ** 48,
};

/** A repeatable source from one seed (mulberry32): for simulations and tests, never for secrets. */
export function seededRandom(seed: number): Random {
  let s = seed >>> 0;
  const unit = () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    unit,
    bytes: (n) => {
      const b = Buffer.alloc(n);
      for (let i = 0; i < n; i++) b[i] = Math.floor(unit() * 256);
      return b;
    },
  };
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** A random id of `bits` bits in lower-case base 32 (Crockford's letters): sorts and travels well in object names. */
export function randomId(random: Random, bits: number): string {
  const n = Math.ceil(bits / 5);
  const bytes = random.bytes(n);
  let id = '';
  for (let i = 0; i < n; i++) id += ALPHABET[bytes[i] & 31];
  return id;
}
