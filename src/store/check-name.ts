// What may be the name of an object, checked before any adapter sees it: names become paths on disk and URLs of S3.
import { Malformed } from '../base/index.ts';

/** Bytes of a whole name: what S3 allows. */
const NAME_BYTES_MAX = 1024;
/** Bytes of one segment: file systems allow 255, and temp names need some room. */
const SEGMENT_BYTES_MAX = 200;
// Nothing here needs escaping in XML, URLs, SigV4's canonical path or any file system. `%` is left to the disk
// adapter's own folders.
const NAME = /^[0-9A-Za-z._~-]+(?:\/[0-9A-Za-z._~-]+)*$/;
const PREFIX = /^[0-9A-Za-z._~\/-]*$/;
const DOTS = /(?:^|\/)\.{1,2}(?:\/|$)/;

const shown = (name: string): string => JSON.stringify(name.slice(0, 100));

/** Segments of `0-9 A-Z a-z . _ ~ -` joined by `/`, none empty, `.` or `..`. Throws Malformed. */
export function checkName(name: string): void {
  if (name.length > NAME_BYTES_MAX || !NAME.test(name) || DOTS.test(name)) throw new Malformed(`not a name of an object: ${shown(name)}`);
  if (name.length <= SEGMENT_BYTES_MAX) return;
  for (const segment of name.split('/')) if (segment.length > SEGMENT_BYTES_MAX) throw new Malformed(`not a name of an object: ${shown(name)}`);
}

/** The beginning of a name, or a place between names: may end anywhere. Throws Malformed. */
export function checkPrefix(prefix: string): void {
  if (prefix.length > NAME_BYTES_MAX || !PREFIX.test(prefix) || prefix.startsWith('/') || prefix.includes('//') || DOTS.test(prefix.slice(0, prefix.lastIndexOf('/') + 1))) throw new Malformed(`not a prefix of names: ${shown(prefix)}`);
}

/** `maxKeys` as every adapter reads it: S3 answers at most 1000 rows. */
export function pageSize(maxKeys: number | undefined): number {
  const n = maxKeys ?? 1000;
  if (!Number.isInteger(n) || n < 1) throw new Malformed(`not a number of rows: ${n}`);
  return Math.min(n, 1000);
}

/** Checks a range, `to` exclusive. Throws Malformed. */
export function checkRange(from: number | undefined, to: number | undefined): void {
  if ((from !== undefined && (!Number.isSafeInteger(from) || from < 0)) || (to !== undefined && (!Number.isSafeInteger(to) || to < (from ?? 0)))) throw new Malformed(`not a range: ${from}-${to}`);
}
