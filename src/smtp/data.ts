// The bytes after DATA: where the message ends, which dots are transparency, and line ends made CRLF. One pass, in pieces
// as they come, without a copy while the sender keeps to the standard.

const CR = 13;
const LF = 10;
const DOT = 46;
const SPACE = 32;

// Where the next byte stands.
const WITHIN = 0; // somewhere in a line
const LINE = 1; // at the start of a line that follows CRLF
const CR_SEEN = 2; // after a CR that is not handed on yet
const DOT_SEEN = 3; // after a line's first byte, a dot, which is not handed on yet
const DOT_CR_SEEN = 4; // after that dot and a CR

export interface Taken {
  /** What is to be handed on; may be empty. Shares memory with the input unless something had to change. */
  piece: Buffer;
  /** The message is over; `rest` came after it. */
  ended: boolean;
  rest: Buffer;
}

const NOTHING = Buffer.alloc(0);

/**
 * Finds the end of a message (CRLF `.` CRLF only, RFC 5321 §4.1.1.4), removes the dots of §4.5.2 (after CRLF only: a bare LF
 * is not a line end to the sender who stuffed the dots), turns a bare LF into CRLF and a bare CR into a space.
 * Not CRLF for a bare CR: CR CR LF, a common breakage, would end the header early, and a CR let into a header value
 * by a careless relay would begin a field.
 */
export class DataReader {
  #state = LINE;

  push(chunk: Buffer): Taken {
    let state = this.#state;
    // Set at the first byte that can't be handed on as it stands in the chunk.
    let out: Buffer | null = null;
    let o = 0;
    // Clean so far: the piece is chunk[0, i) less what is held back. A CR at the end of the last chunk was held back.
    if (state === CR_SEEN) {
      out = room(chunk, 0);
    }
    const length = chunk.length;
    let i = 0;
    for (; i < length; i++) {
      const c = chunk[i];
      if (state === WITHIN) {
        if (c > CR) {
          if (out !== null) out[o++] = c;
        } else if (c === CR) {
          state = CR_SEEN;
        } else if (c === LF) {
          if (out === null) o = chunk.copy((out = room(chunk, i)), 0, 0, i);
          out[o++] = CR;
          out[o++] = LF;
        } else if (out !== null) {
          out[o++] = c;
        }
        continue;
      }
      if (state === CR_SEEN) {
        if (c === LF) {
          if (out !== null) {
            out[o++] = CR;
            out[o++] = LF;
          }
          state = LINE;
          continue;
        }
        if (out === null) o = chunk.copy((out = room(chunk, i)), 0, 0, i - 1);
        out[o++] = SPACE;
      } else if (state === LINE) {
        if (c === DOT) {
          state = DOT_SEEN;
          continue;
        }
      } else if (state === DOT_SEEN) {
        if (c === CR) {
          state = DOT_CR_SEEN;
          continue;
        }
        // The dot is dropped, whatever follows. It may have been the last byte of the chunk before.
        if (out === null) o = i === 0 ? ((out = room(chunk, 0)), 0) : chunk.copy((out = room(chunk, i)), 0, 0, i - 1);
      } else {
        if (c === LF) {
          this.#state = LINE;
          // Three bytes back stands the dot, in this chunk or in an earlier one, which held it back.
          const piece = out !== null ? out.subarray(0, o) : chunk.subarray(0, Math.max(0, i - 2));
          return { piece, ended: true, rest: chunk.subarray(i + 1) };
        }
        // Dot, bare CR: the dot goes, the CR is text.
        if (out === null) o = i < 2 ? ((out = room(chunk, 0)), 0) : chunk.copy((out = room(chunk, i)), 0, 0, i - 2);
        out[o++] = SPACE;
      }
      // A byte after something held back, or a line's first byte: seen as any other byte of a line.
      if (c === CR) {
        state = CR_SEEN;
      } else if (c === LF) {
        if (out === null) o = chunk.copy((out = room(chunk, i)), 0, 0, i);
        out[o++] = CR;
        out[o++] = LF;
        state = WITHIN;
      } else {
        if (out !== null) out[o++] = c;
        state = WITHIN;
      }
    }
    this.#state = state;
    if (out !== null) return { piece: out.subarray(0, o), ended: false, rest: NOTHING };
    const held = state === CR_SEEN || state === DOT_SEEN ? 1 : state === DOT_CR_SEEN ? 2 : 0;
    return { piece: held === 0 ? chunk : chunk.subarray(0, Math.max(0, length - held)), ended: false, rest: NOTHING };
  }
}

/** Room for what chunk[0, at) gives and twice the rest (every byte may be a bare LF), and two bytes held back before. */
function room(chunk: Buffer, at: number): Buffer {
  return Buffer.allocUnsafe(at + 2 * (chunk.length - at) + 2);
}
