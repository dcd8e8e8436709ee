// BDAT (RFC 3030): a message in pieces whose lengths are said first. What is handed on is as from DATA: CRLF line ends only, so
// BINARYMIME is not offered.
import { Malformed } from '../base/index.ts';

const CR = 13;
const LF = 10;
const SPACE = 32;

export interface Chunk {
  bytes: number;
  last: boolean;
}

/** `BDAT 1000 LAST`. Malformed. */
export function parseBdat(line: Buffer): Chunk {
  const m = /^BDAT +(\d{1,15})( +LAST)? *$/i.exec(line.toString('latin1'));
  if (m === null) throw new Malformed('syntax: BDAT size [LAST]');
  return { bytes: Number(m[1]), last: m[2] !== undefined };
}

/** Makes line ends CRLF: a bare LF becomes one, a bare CR a space, wherever the pieces are cut. No copy of what is right. */
export class LineEnds {
  /** A CR that is not handed on yet. */
  #held = false;
  /** The last byte that was handed on. */
  #last = LF;

  push(piece: Buffer): Buffer {
    if (piece.length === 0) return piece;
    if (!this.#held && clean(piece)) {
      this.#last = piece[piece.length - 1];
      return piece;
    }
    const out = Buffer.allocUnsafe(2 * piece.length + 2);
    let o = 0;
    for (const c of piece) {
      if (this.#held && c !== LF) out[o++] = SPACE;
      if (c === LF) {
        out[o++] = CR;
        out[o++] = LF;
      } else if (c !== CR) out[o++] = c;
      this.#held = c === CR;
    }
    if (o > 0) this.#last = out[o - 1];
    return out.subarray(0, o);
  }

  /** What is missing at the end: every message ends with a line end. */
  end(): Buffer {
    return this.#held || this.#last !== LF ? Buffer.from('\r\n') : Buffer.alloc(0);
  }
}

/** Every CR is followed by LF, every LF follows a CR. */
function clean(piece: Buffer): boolean {
  for (let at = piece.indexOf(LF), from = 0; ; from = at + 1, at = piece.indexOf(LF, from)) {
    const cr = piece.indexOf(CR, from);
    if (at < 0) return cr < 0;
    if (at === 0 || cr !== at - 1) return false;
  }
}
