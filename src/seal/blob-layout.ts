// Where a byte of a message stands in its sealed object. Every length below is fixed, so this is arithmetic:
//
//   PKESK v6, 111 bytes | 0xD2 | lengths: SEIPD v2 body = 36 bytes of head, chunks, final tag
//   a chunk = up to 65,536 bytes of the literal packet, AES-256-GCM, and its tag of 16 bytes
//   the literal packet: 0xCB | lengths: 'b', no name, no date (6 bytes), the message
//
// "lengths" (RFC 9580 §4.2.1.4): while another 65,536 bytes of body are there, 0xF0 and those; then 0xFF, four bytes of
// length and the rest (0 … 65,535 bytes). So a length never depends on what is not known yet.

export const SEGMENT_BYTES = 65536;
export const CHUNK_BYTES = 65536;
export const TAG_BYTES = 16;
export const PARTIAL = 0xf0;
export const FINAL = 0xff;
export const FINAL_LENGTH_BYTES = 5;
/** 'b', empty name, date 0. */
export const LITERAL_HEAD = Buffer.from([0x62, 0, 0, 0, 0, 0]);
export const LITERAL_TAG = 0xcb;
export const SEIPD_TAG = 0xd2;
/** Version 2, AES-256, GCM, chunks of 2^(10+6). */
export const SEIPD_PARAMS = Buffer.from([2, 9, 3, 10]);
export const SALT_BYTES = 32;
export const SEIPD_HEAD_BYTES = SEIPD_PARAMS.length + SALT_BYTES;
export const PKESK_BYTES = 111;
/** PKESK and the tag byte of the SEIPD packet. */
export const BODY_FROM = PKESK_BYTES + 1;
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;

/** Size of a packet body together with its length octets. */
const framedBytes = (body: number): number => body + Math.floor(body / SEGMENT_BYTES) + FINAL_LENGTH_BYTES;

/** Where the body's byte `at` stands, counted from the first length octet. */
export function framedOffset(at: number, body: number): number {
  const segment = Math.floor(at / SEGMENT_BYTES);
  const partials = Math.floor(body / SEGMENT_BYTES);
  return segment < partials ? at + segment + 1 : at + partials + FINAL_LENGTH_BYTES;
}

export interface Layout {
  /** Bytes of the message. */
  plain: number;
  /** Bytes of the literal packet's body. */
  literalBody: number;
  /** Bytes of the whole literal packet: what the chunks hold. */
  literal: number;
  chunks: number;
  /** Bytes of the SEIPD packet's body. */
  body: number;
  /** Bytes of the sealed object. */
  sealed: number;
}

/** All sizes of a sealed message of `plain` bytes. */
export function layoutOf(plain: number): Layout {
  const literalBody = LITERAL_HEAD.length + plain;
  const literal = 1 + framedBytes(literalBody);
  const chunks = Math.ceil(literal / CHUNK_BYTES);
  const body = SEIPD_HEAD_BYTES + literal + (chunks + 1) * TAG_BYTES;
  return { plain, literalBody, literal, chunks, body, sealed: BODY_FROM + framedBytes(body) };
}

/** The message size whose SEIPD body has `body` bytes, or -1 if there is none. */
export function plainOfBody(body: number): number {
  const chunked = body - SEIPD_HEAD_BYTES - TAG_BYTES;
  const whole = Math.floor(chunked / SEALED_CHUNK_BYTES);
  const rest = chunked % SEALED_CHUNK_BYTES;
  const literal = whole * CHUNK_BYTES + (rest === 0 ? 0 : rest - TAG_BYTES);
  const partials = Math.floor((literal - 1 - FINAL_LENGTH_BYTES) / (SEGMENT_BYTES + 1));
  const plain = literal - 1 - FINAL_LENGTH_BYTES - partials - LITERAL_HEAD.length;
  return plain >= 0 && layoutOf(plain).body === body ? plain : -1;
}

/** Where the message's byte `at` stands in the literal packet. */
export const literalOffset = (at: number, layout: Layout): number => 1 + framedOffset(LITERAL_HEAD.length + at, layout.literalBody);

/** Where a byte of the SEIPD body stands in the sealed object. */
export const sealedOffset = (at: number, layout: Layout): number => BODY_FROM + framedOffset(at, layout.body);

/** First byte in the SEIPD body of a chunk. */
export const chunkFrom = (chunk: number): number => SEIPD_HEAD_BYTES + chunk * SEALED_CHUNK_BYTES;

/** Bytes of the literal packet in a chunk. */
export const chunkBytes = (chunk: number, layout: Layout): number => Math.min(CHUNK_BYTES, layout.literal - chunk * CHUNK_BYTES);

/** Size of the sealed object of a message of `plainBytes`. */
export const sealedSize = (plainBytes: number): number => layoutOf(plainBytes).sealed;

/**
 * The bytes [from, to) of the sealed object that one Range GET must fetch to open the message's bytes
 * [plainFrom, plainTo): whole chunks with their tags. Empty for an empty range.
 */
export function sealedRange(plainFrom: number, plainTo: number, plainBytes: number): { from: number; to: number } {
  if (!(plainFrom >= 0 && plainFrom <= plainTo && plainTo <= plainBytes)) throw new RangeError(`not a range of ${plainBytes} bytes: ${plainFrom} to ${plainTo}`);
  if (plainFrom === plainTo) return { from: 0, to: 0 };
  const layout = layoutOf(plainBytes);
  const first = Math.floor(literalOffset(plainFrom, layout) / CHUNK_BYTES);
  const last = Math.floor(literalOffset(plainTo - 1, layout) / CHUNK_BYTES);
  const end = chunkFrom(last) + chunkBytes(last, layout) + TAG_BYTES;
  return { from: sealedOffset(chunkFrom(first), layout), to: sealedOffset(end - 1, layout) + 1 };
}

/** The chunk that holds the message's byte `at`, and where the message's bytes in a chunk begin: who keeps whole chunks reads nothing twice. */
export const chunkOf = (at: number, plainBytes: number): number => Math.floor(literalOffset(at, layoutOf(plainBytes)) / CHUNK_BYTES);
export function chunkBegins(chunk: number, plainBytes: number): number {
  if (chunk === 0) return 0;
  const layout = layoutOf(plainBytes);
  // Not beyond it: a length octet for each segment, and the literal's head.
  let at = Math.max(0, chunk * CHUNK_BYTES - LITERAL_HEAD.length - 1 - chunk - FINAL_LENGTH_BYTES - 1);
  while (at < plainBytes && literalOffset(at, layout) < chunk * CHUNK_BYTES) at++;
  return at;
}
