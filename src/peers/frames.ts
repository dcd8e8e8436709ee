// Frames of the peer channel: u32 length (of what follows), u8 type, payload. Read from a stream in bounded memory.
import { ByteReader, ByteWriter, Malformed } from '../base/index.ts';
import type { Writer } from '../base/index.ts';

/** A peer that speaks another version is refused; hints are optional, so nothing is lost by it. */
export const CHANNEL_VERSION = 1;

export interface Hello {
  version: number;
  /** The process's id, as in its presence object; empty: not a replica, it only asks. */
  writer: Writer;
  release: string;
  /** Names the store that it serves; empty: an older release, which does not say. */
  place: string;
}

/** An event that is known to be acknowledged, as stored. */
export interface Hint {
  /** The bucket of the user's objects, or null. */
  bucket: string | null;
  /** `users/<user>/` or `directory/`. */
  root: string;
  /** The full name of the object. */
  name: string;
  bytes: Buffer;
}

/** What the command line asks of a replica; what it means is others' affair. */
export interface Request {
  /** Chosen by who asks, once for each request of a connection. */
  id: number;
  bytes: Buffer;
}

/** A piece of what is answered: one or more messages, each in one or more frames. */
export interface Answer {
  id: number;
  bytes: Buffer;
  /** The message ends here. */
  ends: boolean;
  /** And it was the last one. */
  last: boolean;
}

export type Frame = { type: 'hello'; hello: Hello } | { type: 'hint'; hint: Hint } | { type: 'request'; request: Request } | { type: 'answer'; answer: Answer } | { type: 'ping' } | { type: 'leaving' };

const HELLO = 1;
const HINT = 2;
const PING = 3;
const LEAVING = 4;
const REQUEST = 5;
const ANSWER = 6;

function sizeOf(frame: Frame): number {
  if (frame.type === 'hint') return frame.hint.bytes.length + 200;
  if (frame.type === 'request') return frame.request.bytes.length + 64;
  return frame.type === 'answer' ? frame.answer.bytes.length + 64 : 64;
}

/** The bytes of a frame, length first. */
export function encodeFrame(frame: Frame): Buffer {
  const w = new ByteWriter(sizeOf(frame)).raw(Buffer.alloc(4));
  if (frame.type === 'hello') w.u8(HELLO).varint(frame.hello.version).string(frame.hello.writer).string(frame.hello.release).string(frame.hello.place);
  else if (frame.type === 'hint') {
    const { bucket, root, name, bytes } = frame.hint;
    w.u8(HINT).string(bucket ?? '').string(root).string(name).bytes(bytes);
  } else if (frame.type === 'request') w.u8(REQUEST).varint(frame.request.id).bytes(frame.request.bytes);
  else if (frame.type === 'answer') {
    const { id, bytes, ends, last } = frame.answer;
    w.u8(ANSWER).varint(id).u8((ends ? 1 : 0) | (last ? 2 : 0)).bytes(bytes);
  } else w.u8(frame.type === 'ping' ? PING : LEAVING);
  const out = w.done();
  out.writeUInt32BE(out.length - 4, 0);
  return out;
}

function decodeFrame(bytes: Buffer): Frame | null {
  const r = new ByteReader(bytes);
  switch (r.u8()) {
    case HELLO:
      return { type: 'hello', hello: { version: r.varint(), writer: r.string(), release: r.string(), place: r.left > 0 ? r.string() : '' } };
    case HINT:
      return { type: 'hint', hint: { bucket: r.string() || null, root: r.string(), name: r.string(), bytes: Buffer.from(r.bytes()) } };
    case REQUEST:
      return { type: 'request', request: { id: r.varint(), bytes: Buffer.from(r.bytes()) } };
    case ANSWER: {
      const id = r.varint();
      const bits = r.u8();
      return { type: 'answer', answer: { id, bytes: Buffer.from(r.bytes()), ends: (bits & 1) !== 0, last: (bits & 2) !== 0 } };
    }
    case PING:
      return { type: 'ping' };
    case LEAVING:
      return { type: 'leaving' };
    default:
      return null; // a later release may say more; what we don't know we don't need
  }
}

/** Cuts a stream into frames. Malformed for a frame over `bytesMax` or that can't be read. */
export class FrameReader {
  #waiting: Buffer = Buffer.alloc(0);
  readonly #bytesMax: number;
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }
  push(piece: Buffer): Frame[] {
    let bytes = this.#waiting.length ? Buffer.concat([this.#waiting, piece]) : piece;
    const frames: Frame[] = [];
    while (bytes.length >= 4) {
      const n = bytes.readUInt32BE(0);
      if (n < 1 || n > this.#bytesMax) throw new Malformed('peer frame too large');
      if (bytes.length < 4 + n) break;
      let frame: Frame | null;
      try {
        frame = decodeFrame(bytes.subarray(4, 4 + n));
      } catch {
        throw new Malformed('peer frame can not be read');
      }
      if (frame) frames.push(frame);
      bytes = bytes.subarray(4 + n);
    }
    this.#waiting = bytes.length ? Buffer.from(bytes) : bytes;
    return frames;
  }
}
