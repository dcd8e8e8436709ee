// Seals a message while it arrives: one pass, at most 128 KiB held, sealed bytes out as soon as a length octet is known.
import { createCipheriv } from 'node:crypto';
import type { CipherGCM, KeyObject } from 'node:crypto';
import type { Random } from '../base/index.ts';
import { CHUNK_AAD, chunkNonce, encodeContentKey, finalAad, headHash, messageKey, writePkesk } from './blob-key.ts';
import type { ContentKey } from './blob-key.ts';
import {
  BODY_FROM,
  CHUNK_BYTES,
  FINAL,
  FINAL_LENGTH_BYTES,
  LITERAL_HEAD,
  LITERAL_TAG,
  PARTIAL,
  PKESK_BYTES,
  SALT_BYTES,
  SEGMENT_BYTES,
  SEIPD_HEAD_BYTES,
  SEIPD_PARAMS,
  SEIPD_TAG,
  TAG_BYTES,
} from './blob-layout.ts';
import { ephemeral } from './ephemeral.ts';
import type { BlobPublicKey } from './keys.ts';
import { secretKey } from './primitives.ts';

const GCM_OPTIONS = { authTagLength: TAG_BYTES };
/** Room before a segment for the packet's tag and its length octets. */
const RESERVED = 1 + FINAL_LENGTH_BYTES;
const SEGMENT_FIRST_BYTES = 16384;

export interface SealedBlob {
  /** What push did not return yet, in order. */
  pieces: Buffer[];
  /** All that opening needs (54 to 61 bytes). It belongs into the sealed event and nowhere else. */
  contentKey: Buffer;
  plainBytes: number;
  sealedBytes: number;
}

export class BlobSealer {
  readonly #content: ContentKey;
  readonly #key: KeyObject;
  /** PKESK and the SEIPD tag, until the first piece takes them along. */
  #front: Buffer | null;
  // The literal packet's current segment: RESERVED bytes, then body.
  #segment = Buffer.allocUnsafe(RESERVED + SEGMENT_FIRST_BYTES);
  #held = LITERAL_HEAD.length;
  #first = true;
  #plain = 0;
  // The chunk being encrypted.
  #cipher: CipherGCM | null = null;
  #room = CHUNK_BYTES;
  #chunk = 0;
  #literal = 0;
  // Bytes of the SEIPD body without their length octet.
  #out: Buffer[] = [];
  #outBytes = 0;
  #sealed = 0;
  #done = false;

  /** To a user's public key. Chance: 64 bytes for session key and salt, an ephemeral key. */
  constructor(key: BlobPublicKey, random: Random) {
    const chance = random.bytes(64);
    const sessionKey = chance.subarray(0, 32);
    const head = Buffer.allocUnsafe(SEIPD_HEAD_BYTES);
    head.set(SEIPD_PARAMS);
    head.set(chance.subarray(32, 32 + SALT_BYTES), SEIPD_PARAMS.length);
    const front = Buffer.allocUnsafe(BODY_FROM);
    writePkesk(front, key, sessionKey, ephemeral(random));
    front[PKESK_BYTES] = SEIPD_TAG;
    const salt = head.subarray(SEIPD_PARAMS.length);
    this.#content = { ...messageKey(sessionKey, salt), headHash: headHash(front.subarray(0, PKESK_BYTES), salt), plainBytes: 0 };
    this.#key = secretKey(this.#content.key);
    this.#front = front;
    this.#emit(head);
    LITERAL_HEAD.copy(this.#segment, RESERVED);
  }

  /** Takes a copy of what it needs, so the chunk may be used again; returns the sealed bytes that are ready. */
  push(chunk: Uint8Array): Buffer[] {
    if (this.#done) throw new Error('a sealed blob takes no more bytes');
    const pieces: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      const n = Math.min(chunk.length - at, SEGMENT_BYTES - this.#held);
      this.#grow(this.#held + n);
      this.#segment.set(at === 0 && n === chunk.length ? chunk : chunk.subarray(at, at + n), RESERVED + this.#held);
      this.#held += n;
      at += n;
      if (this.#held === SEGMENT_BYTES) {
        this.#segment[RESERVED - 1] = PARTIAL;
        this.#encryptSegment(1);
        this.#held = 0;
        while (this.#outBytes >= SEGMENT_BYTES) pieces.push(this.#piece(SEGMENT_BYTES, Buffer.of(PARTIAL)));
      }
    }
    this.#plain += chunk.length;
    return pieces;
  }

  /** The rest. Call once; the message is authentic only with it. */
  finish(): SealedBlob {
    if (this.#done) throw new Error('a blob is sealed once');
    this.#done = true;
    this.#segment[RESERVED - FINAL_LENGTH_BYTES] = FINAL;
    this.#segment.writeUInt32BE(this.#held, RESERVED - FINAL_LENGTH_BYTES + 1);
    this.#encryptSegment(FINAL_LENGTH_BYTES);
    this.#segment.fill(0);
    this.#closeChunk();
    const final = createCipheriv('aes-256-gcm', this.#key, chunkNonce(this.#content.iv, this.#chunk), GCM_OPTIONS);
    final.setAAD(finalAad(this.#literal));
    final.final();
    this.#emit(final.getAuthTag());
    const pieces: Buffer[] = [];
    while (this.#outBytes >= SEGMENT_BYTES) pieces.push(this.#piece(SEGMENT_BYTES, Buffer.of(PARTIAL)));
    const length = Buffer.allocUnsafe(FINAL_LENGTH_BYTES);
    length[0] = FINAL;
    length.writeUInt32BE(this.#outBytes, 1);
    pieces.push(this.#piece(this.#outBytes, length));
    const contentKey = encodeContentKey({ ...this.#content, plainBytes: this.#plain });
    return { pieces, contentKey, plainBytes: this.#plain, sealedBytes: this.#sealed };
  }

  #grow(held: number): void {
    if (RESERVED + held <= this.#segment.length) return;
    const bigger = Buffer.allocUnsafe(RESERVED + Math.min(SEGMENT_BYTES, Math.max(held, 2 * this.#segment.length)));
    this.#segment.copy(bigger, 0, 0, RESERVED + this.#held);
    this.#segment = bigger;
  }

  /** The segment with its `lengthBytes` length octets, and the packet's tag before the first. */
  #encryptSegment(lengthBytes: number): void {
    let from = RESERVED - lengthBytes;
    if (this.#first) {
      this.#segment[--from] = LITERAL_TAG;
      this.#first = false;
    }
    const end = RESERVED + this.#held;
    this.#literal += end - from;
    while (from < end) {
      if (!this.#cipher) {
        this.#cipher = createCipheriv('aes-256-gcm', this.#key, chunkNonce(this.#content.iv, this.#chunk), GCM_OPTIONS);
        this.#cipher.setAAD(CHUNK_AAD);
      }
      const n = Math.min(end - from, this.#room);
      this.#emit(this.#cipher.update(this.#segment.subarray(from, from + n)));
      from += n;
      this.#room -= n;
      if (this.#room === 0) this.#closeChunk();
    }
  }

  #closeChunk(): void {
    if (!this.#cipher) return;
    this.#cipher.final();
    this.#emit(this.#cipher.getAuthTag());
    this.#cipher = null;
    this.#room = CHUNK_BYTES;
    this.#chunk++;
  }

  #emit(bytes: Buffer): void {
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
  }

  /** The next `bytes` of the SEIPD body behind their length octets (and the front, before the first). */
  #piece(bytes: number, length: Buffer): Buffer {
    const front = this.#front;
    this.#front = null;
    let at = (front?.length ?? 0) + length.length;
    const piece = Buffer.allocUnsafe(at + bytes);
    if (front) piece.set(front);
    piece.set(length, at - length.length);
    let used = 0;
    while (at < piece.length) {
      const next = this.#out[used];
      const n = Math.min(next.length, piece.length - at);
      at += next.copy(piece, at, 0, n);
      if (n < next.length) this.#out[used] = next.subarray(n);
      else used++;
    }
    this.#out.splice(0, used);
    this.#outBytes -= bytes;
    this.#sealed += piece.length;
    return piece;
  }
}
