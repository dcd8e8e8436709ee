// PARTIAL: a page of a result (RFC 9394).
import type { Args } from '../wire/index.ts';

/** `low:high` counted from the beginning of the result, or with `fromEnd` from its end; 1 is the first. */
export interface Partial {
  low: number;
  high: number;
  fromEnd: boolean;
  /** As the client wrote it. */
  text: string;
}

/** `1:500` or `-1:-100`. Throws Malformed. */
export function parsePartial(args: Args): Partial {
  const at = args.at;
  const fromEnd = args.skip('-');
  const a = args.nzNumber();
  args.expect(fromEnd ? ':-' : ':');
  const b = args.nzNumber();
  return { low: Math.min(a, b), high: Math.max(a, b), fromEnd, text: args.text.slice(at, args.at) };
}

/** The part of a result that a PARTIAL names, in the result's order. */
export function within(uids: Uint32Array, { low, high, fromEnd }: Partial): Uint32Array {
  if (!fromEnd) return uids.subarray(low - 1, high);
  return uids.subarray(Math.max(0, uids.length - high), Math.max(0, uids.length - low + 1));
}
