// Boundaries of the multiparts that are open, and which of them a line is (RFC 2046 §5.1.1).
import { limits } from '../base/index.ts';
import type { HeaderText } from '../base/index.ts';

const DASH = 45;

/** Longest beginning of a line that decides what the line is: dashes, boundary, dashes, line end. */
export const lineHeadMax = limits.mime_boundary_bytes_max + 6;

export interface OpenBoundary {
  bytes: Uint8Array;
  /** Place of its multipart among the open entities. */
  depth: number;
}

/**
 * A boundary parameter as it is compared; null when there is none. Spaces at its end are lost on the way (they may
 * not be there, RFC 2046 §5.1.1), and of over-long ones the beginning counts.
 */
export function boundaryBytes(value: HeaderText | null): Uint8Array | null {
  if (value === null) return null;
  const text = value.slice(0, limits.mime_boundary_bytes_max).trimEnd();
  return text === '' ? null : Buffer.from(text, 'latin1');
}

/**
 * The open boundary that the line chunk[at, end) is, or null. The line need only begin with it; of several the
 * longest counts, and an exact one (ending dashes or not) before all others; of equal ones the innermost.
 */
export function matchBoundary(open: OpenBoundary[], chunk: Buffer, at: number, end: number): OpenBoundary | null {
  if (end - at < 3 || chunk[at] !== DASH || chunk[at + 1] !== DASH) return null;
  while (end > at && (chunk[end - 1] === 10 || chunk[end - 1] === 13)) end--;
  const start = at + 2;
  const length = end - start;
  const dashed = length > 2 && chunk[end - 1] === DASH && chunk[end - 2] === DASH;
  let best: OpenBoundary | null = null;
  for (let i = open.length - 1; i >= 0; i--) {
    const { bytes } = open[i];
    if (bytes.length > length || (best !== null && bytes.length <= best.bytes.length)) continue;
    let same = 0;
    while (same < bytes.length && chunk[start + same] === bytes[same]) same++;
    if (same < bytes.length) continue;
    best = open[i];
    if (bytes.length === length || (dashed && bytes.length === length - 2)) break;
  }
  return best;
}

/** Whether the line of a matched boundary ends its multipart. */
export function isClosing(boundary: OpenBoundary, chunk: Buffer, at: number, end: number): boolean {
  const after = at + 2 + boundary.bytes.length;
  return after + 1 < end && chunk[after] === DASH && chunk[after + 1] === DASH;
}
