import type { Op } from './ops.ts';
export function encodeOps(ops: Op[]): Buffer { throw new TypeError('not yet'); }
/** Throws Corrupt. */
export function decodeOps(bytes: Uint8Array): Op[] { throw new TypeError('not yet'); }
