// Base 32 for people (Crockford's letters: no i, l, o, u) and the checksum that finds a typo.
import { hash } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 5 bits for each character; bits left over at the end are zero. */
export function toBase32(bytes: Uint8Array): string {
  let text = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text;
}

/** As typed by a person: case, spaces, hyphens and look-alikes (o, i, l) don't matter. */
export const normalizeTyped = (text: string): string => text.toLowerCase().replace(/[\s-]+/g, '').replace(/o/g, '0').replace(/[il]/g, '1');

/** Only letters of the alphabet. */
export const isBase32 = (text: string): boolean => /^[0-9a-hjkmnp-tv-z]+$/.test(text);

/** `length` characters that depend on all of `text` and on what it is for. */
export const checksum = (purpose: string, text: string, length: number): string => toBase32(hash('sha256', `colombier ${purpose}\0${text}`, 'buffer')).slice(0, length);

/** In groups of five with hyphens. */
export const grouped = (text: string): string => text.replace(/(.{5})(?=.)/g, '$1-');
