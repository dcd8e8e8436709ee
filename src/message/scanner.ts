// The one pass over a message's bytes. Chunks come in any size; what is kept between them is one header, the open
// entities, less than a line, and the beginning of the first text.
import { limits } from '../base/index.ts';
import type { BodyPart, Envelope, HeaderText } from '../base/index.ts';
import { TextAllowance } from './allowance.ts';
import { boundaryBytes, isClosing, lineHeadMax, matchBoundary } from './boundary.ts';
import type { OpenBoundary } from './boundary.ts';
import { emptyEnvelope, readEnvelope, readPart } from './entity.ts';
import { lineEndReturnsMax, readFields } from './header.ts';
import { decodeParameter, findParameter } from './params.ts';
import { makePreview } from './preview.ts';
import { ScannedIndex } from './scanned.ts';
import type { KeptField, MessageIndex } from './types.ts';

const LF = 10;
const CR = 13;
const DASH = 45;
/** A line end and the two dashes that every delimiter line begins with. */
const DELIMITER = Buffer.from('\n--');
const EMPTY = Buffer.alloc(0);
/** A longer header's memory is given back when it was read. */
const HEADER_BUFFER_KEPT = 64 * 1024;

/** An entity whose end has not been met. */
interface Open {
  part: BodyPart;
  /** Count of line ends before the body. */
  linesBefore: number;
  countsLines: boolean;
  /** Subparts without a type are messages. */
  digest: boolean;
}

/** What the bytes at hand belong to. */
type Place =
  | 'header'
  | 'body'
  /** The rest of a delimiter line; behind it stands what the multipart's text goes on with. */
  | 'delimiter'
  /** The rest of a delimiter line; behind it begins a part. */
  | 'opening';

/** Reads a message chunk by chunk: `push` them all, then `finish` once. Chunks are not kept and not changed. */
export class MessageScanner {
  #place: Place = 'header';
  /** Offset in the message of the first byte not yet read. */
  #offset = 0;
  /** Less than a line's head that the next chunk must decide. */
  #carry: Buffer = EMPTY;
  #atLineStart = true;
  /** Where the header, or the text behind a header or delimiter line, began: line ends before it are spoken for. */
  #textStart = 0;
  /** Carriage returns just before #offset, or before the line feed there. */
  #returns = 0;
  /** Line ends so far; counted only while an open entity wants them. */
  #lines = 0;
  #counting = 0;

  #root: BodyPart;
  readonly #open: Open[] = [];
  readonly #boundaries: OpenBoundary[] = [];
  #parts = 0;

  #header: Buffer = Buffer.allocUnsafe(4096);
  #headerLength = 0;
  #headerCut = false;
  #topFields: KeptField[] | null = null;
  #topCut = false;
  #received: number | null = null;
  #envelope = emptyEnvelope();
  readonly #texts = new TextAllowance(limits.index_text_bytes_max);

  #preview = '';
  /** The text part being kept for the preview. */
  #previewPart: BodyPart | null = null;
  #previewBytes: Buffer = EMPTY;
  #previewLength = 0;

  constructor() {
    this.#root = this.#openPart(0, false);
  }

  /** Takes the next bytes of the message. */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.length === 0) return;
    this.#read(this.#carry.length === 0 ? bytes : Buffer.concat([this.#carry, bytes]), false);
  }

  /** Received fields of the header; 0 until it has ended. */
  get received(): number {
    this.#received ??= this.#topFields ? this.#topFields.filter((f) => f.name === 'received').length : null;
    return this.#received ?? 0;
  }

  /** Ends the message. Nothing may be pushed afterwards. */
  finish(): MessageIndex {
    this.#read(this.#carry, true);
    if (this.#place === 'header') this.#endHeader(this.#offset);
    this.#closeDownTo(0, this.#offset, this.#lines);
    return new ScannedIndex(this.#offset, this.#root, this.#envelope, this.#topFields!, this.#topCut, this.#preview);
  }

  #read(bytes: Buffer, last: boolean): void {
    this.#carry = EMPTY;
    let at = 0;
    while (at < bytes.length) {
      let next: number;
      if (this.#place === 'header') next = this.#readHeader(bytes, at, last);
      else if (this.#place === 'body') next = this.#readBody(bytes, at, last);
      else next = this.#readDelimiter(bytes, at);
      if (next < 0) {
        // The head of a line is not whole: it waits.
        this.#carry = Buffer.from(bytes.subarray(-next - 1));
        return;
      }
      at = next;
    }
  }

  /** Passes bytes[from, to). */
  #pass(bytes: Buffer, from: number, to: number): void {
    if (to === from) return;
    this.#offset += to - from;
    const endsLine = bytes[to - 1] === LF;
    let at = endsLine ? to - 2 : to - 1;
    let returns = 0;
    for (; at >= from && bytes[at] === CR && returns < lineEndReturnsMax; at--) returns++;
    if (at < from && !this.#atLineStart) returns = Math.min(returns + this.#returns, lineEndReturnsMax);
    this.#returns = returns;
    this.#atLineStart = endsLine;
  }

  /** Reads lines of a header up to its end, the chunk's end, or (as -1 - index) a line whose head is not whole. */
  #readHeader(bytes: Buffer, from: number, last: boolean): number {
    let at = from;
    while (at < bytes.length) {
      const lf = bytes.indexOf(LF, at);
      const end = lf < 0 ? bytes.length : lf + 1;
      if (this.#atLineStart) {
        if (lf < 0 && !last && end - at < lineHeadMax) {
          this.#keepHeader(bytes, from, at);
          return -1 - at;
        }
        if (lf >= 0 && isEmptyLine(bytes, at, lf)) {
          this.#keepHeader(bytes, from, at);
          this.#pass(bytes, at, end);
          if (this.#counting > 0) this.#lines++;
          this.#endHeader(this.#offset);
          return end;
        }
        if (bytes[at] === DASH && this.#meetsBoundary(bytes, at, end)) {
          this.#keepHeader(bytes, from, at);
          return this.#takeDelimiter(bytes, at, end);
        }
      }
      this.#pass(bytes, at, end);
      if (lf >= 0 && this.#counting > 0) this.#lines++;
      at = end;
    }
    this.#keepHeader(bytes, from, at);
    return at;
  }

  /** Reads a body up to a delimiter line, the chunk's end, or (as -1 - index) a line whose head is not whole. */
  #readBody(bytes: Buffer, from: number, last: boolean): number {
    let at = from;
    while (at < bytes.length) {
      if (this.#boundaries.length === 0) {
        this.#passBody(bytes, at, bytes.length);
        return bytes.length;
      }
      if (this.#atLineStart && bytes[at] === DASH) {
        const lf = bytes.indexOf(LF, at);
        const end = lf < 0 ? bytes.length : lf + 1;
        if (lf < 0 && !last && end - at < lineHeadMax) return -1 - at;
        if (this.#meetsBoundary(bytes, at, end)) return this.#takeDelimiter(bytes, at, end);
      }
      const found = bytes.indexOf(DELIMITER, at);
      let to = found < 0 ? bytes.length : found + 1;
      // A chunk that ends in a line end and a dash may end in a delimiter's beginning.
      if (found < 0 && !last && bytes.length - at >= 2 && bytes[to - 1] === DASH && bytes[to - 2] === LF) to--;
      this.#passBody(bytes, at, to);
      at = to;
    }
    return at;
  }

  /** Passes the rest of a delimiter line. */
  #readDelimiter(bytes: Buffer, from: number): number {
    const lf = bytes.indexOf(LF, from);
    const end = lf < 0 ? bytes.length : lf + 1;
    this.#pass(bytes, from, end);
    if (lf < 0) return end;
    if (this.#counting > 0) this.#lines++;
    if (this.#place === 'opening') {
      const parent = this.#open[this.#open.length - 1];
      const part = this.#openPart(this.#offset, parent.digest);
      parent.part.parts!.push(part);
    } else this.#place = 'body';
    this.#textStart = this.#offset;
    return end;
  }

  #passBody(bytes: Buffer, from: number, to: number): void {
    if (this.#counting > 0) {
      let lines = 0;
      for (let i = from; i < to; i++) if (bytes[i] === LF) lines++;
      this.#lines += lines;
    }
    if (this.#previewPart !== null) this.#keepPreview(bytes, from, to);
    this.#pass(bytes, from, to);
  }

  /** Whether the line ends or begins a part; beginnings beyond limits.mime_parts_max are ordinary text. */
  #meetsBoundary(bytes: Buffer, at: number, end: number): boolean {
    const boundary = matchBoundary(this.#boundaries, bytes, at, end);
    return boundary !== null && (this.#parts < limits.mime_parts_max || isClosing(boundary, bytes, at, end));
  }

  /** Ends what the delimiter line at `at` ends. Its own line end (the one before it) belongs to it (RFC 2046 §5.1.1). */
  #takeDelimiter(bytes: Buffer, at: number, end: number): number {
    const boundary = matchBoundary(this.#boundaries, bytes, at, end)!;
    const closing = isClosing(boundary, bytes, at, end);
    let bodyEnd = this.#offset;
    let lines = this.#lines;
    const before = this.#offset - this.#returns - 1;
    if (before >= this.#textStart) {
      bodyEnd = before;
      lines -= this.#counting > 0 ? 1 : 0;
    }
    if (this.#place === 'header') this.#endHeader(bodyEnd, lines);
    this.#closeDownTo(boundary.depth + 1, bodyEnd, lines);
    while (this.#boundaries.length > 0 && this.#boundaries[this.#boundaries.length - 1].depth > boundary.depth) this.#boundaries.pop();
    if (closing) this.#boundaries.pop();
    this.#place = closing ? 'delimiter' : 'opening';
    const head = Math.min(end, at + 2 + boundary.bytes.length);
    this.#pass(bytes, at, head);
    return head;
  }

  #openPart(headerStart: number, digest: boolean): BodyPart {
    this.#parts++;
    const part = readPart([], headerStart, digest);
    this.#open.push({ part, linesBefore: 0, countsLines: false, digest });
    this.#place = 'header';
    this.#headerLength = 0;
    this.#headerCut = false;
    return part;
  }

  #keepHeader(bytes: Buffer, from: number, to: number): void {
    const room = limits.header_bytes_max - this.#headerLength;
    if (to - from > room) this.#headerCut = true;
    const length = Math.min(to - from, room);
    if (length <= 0) return;
    const needed = this.#headerLength + length;
    if (needed > this.#header.length) {
      const bigger = Buffer.allocUnsafe(Math.max(needed, this.#header.length * 2));
      this.#header.copy(bigger, 0, 0, this.#headerLength);
      this.#header = bigger;
    }
    bytes.copy(this.#header, this.#headerLength, from, from + length);
    this.#headerLength = needed;
  }

  /** The innermost open part's header is whole: what its body is, is known. */
  #endHeader(bodyStart: number, lines: number = this.#lines): void {
    const open = this.#open[this.#open.length - 1];
    const text: HeaderText = this.#header.toString('latin1', 0, this.#headerLength);
    const fields = readFields(text);
    const part = open.part;
    // The object is already in its parent's list: it is filled, not replaced.
    Object.assign(part, readPart(fields, part.headerStart, open.digest));
    // Encoded (RFC 2231 §4) only where it is not there as it is.
    const boundary = boundaryBytes(findParameter(part.params, 'boundary') ?? decodeParameter(part.params, 'boundary'));
    part.bodyStart = bodyStart;
    part.bodyEnd = bodyStart;
    open.linesBefore = lines;
    open.digest = false;
    this.#texts.from(this.#headerLength);
    const wrapper = this.#open.length > 1 ? this.#open[this.#open.length - 2].part : null;
    if (wrapper === null) {
      this.#topFields = fields;
      this.#topCut = this.#headerCut || fields.length >= limits.header_fields_max;
      this.#envelope = this.#readEnvelope(fields);
    } else if (wrapper.message !== null) wrapper.message.envelope = this.#readEnvelope(fields);
    this.#texts.part(part);
    if (this.#header.length > HEADER_BUFFER_KEPT) this.#header = Buffer.allocUnsafe(HEADER_BUFFER_KEPT);
    this.#place = 'body';
    this.#textStart = bodyStart;
    this.#startBody(open, bodyStart, boundary);
  }

  #readEnvelope(fields: KeptField[]): Envelope {
    const envelope = readEnvelope(fields);
    this.#texts.envelope(envelope);
    return envelope;
  }

  #startBody(open: Open, bodyStart: number, boundary: Uint8Array | null): void {
    const { part } = open;
    const type = part.type.toLowerCase();
    const composite = type === 'multipart' || (type === 'message' && holdsMessage(part));
    if (composite && this.#open.length >= limits.mime_nesting_max) {
      // Too deep to be followed: shown as bytes without structure, because a multipart must have parts.
      part.type = 'application';
      part.subtype = 'octet-stream';
      return;
    }
    if (type === 'multipart') {
      part.parts = [];
      open.digest = part.subtype.toLowerCase() === 'digest';
      if (boundary !== null) this.#boundaries.push({ bytes: boundary, depth: this.#open.length - 1 });
      return;
    }
    if (!composite && type !== 'text') return;
    open.countsLines = true;
    this.#counting++;
    if (composite) {
      const body = this.#openPart(bodyStart, false);
      part.message = { envelope: emptyEnvelope(), body };
      return;
    }
    if (this.#preview === '' && isReadable(part)) {
      this.#previewPart = part;
      this.#previewLength = 0;
    }
  }

  /** Ends all open entities from `depth` on. */
  #closeDownTo(depth: number, bodyEnd: number, lines: number): void {
    // A message whose header was just cut has opened its inner message: that one's header ends here too.
    while (this.#place === 'header' && this.#open.length > depth) this.#endEmptyHeader(bodyEnd, lines);
    while (this.#open.length > depth) {
      const open = this.#open.pop()!;
      open.part.bodyEnd = bodyEnd;
      if (open.countsLines) {
        open.part.lines = lines - open.linesBefore;
        this.#counting--;
      }
      if (open.part === this.#previewPart) this.#endPreview();
    }
  }

  #endEmptyHeader(bodyEnd: number, lines: number): void {
    this.#headerLength = 0;
    this.#endHeader(bodyEnd, lines);
  }

  #keepPreview(bytes: Buffer, from: number, to: number): void {
    if (this.#previewBytes.length === 0) this.#previewBytes = Buffer.allocUnsafe(Math.min(limits.preview_source_bytes_max, Math.max(4096, to - from)));
    let room = this.#previewBytes.length - this.#previewLength;
    if (to - from > room && this.#previewBytes.length < limits.preview_source_bytes_max) {
      const bigger = Buffer.allocUnsafe(limits.preview_source_bytes_max);
      this.#previewBytes.copy(bigger, 0, 0, this.#previewLength);
      this.#previewBytes = bigger;
      room = bigger.length - this.#previewLength;
    }
    const length = Math.min(room, to - from);
    bytes.copy(this.#previewBytes, this.#previewLength, from, from + length);
    this.#previewLength += length;
  }

  #endPreview(): void {
    const part = this.#previewPart!;
    this.#previewPart = null;
    const length = Math.min(this.#previewLength, part.bodyEnd - part.bodyStart);
    this.#preview = makePreview(this.#previewBytes.subarray(0, length), part);
  }
}

/** Whether the line [at, lf] is nothing but its end. */
function isEmptyLine(bytes: Buffer, at: number, lf: number): boolean {
  if (lf - at > lineEndReturnsMax) return false;
  for (let i = at; i < lf; i++) if (bytes[i] !== CR) return false;
  return true;
}

/** RFC 6532 §3.7 allows message/global to be encoded; what is encoded can't be looked into by offsets. */
function holdsMessage(part: BodyPart): boolean {
  const subtype = part.subtype.toLowerCase();
  if (subtype === 'rfc822') return true;
  const encoding = part.encoding.toLowerCase();
  return subtype === 'global' && encoding !== 'base64' && encoding !== 'quoted-printable';
}

function isReadable(part: BodyPart): boolean {
  const subtype = part.subtype.toLowerCase();
  if (subtype !== 'plain' && subtype !== 'html') return false;
  return part.disposition === null || part.disposition.type.toLowerCase() !== 'attachment';
}

/** The index of a message that is whole in memory. */
export function scanMessage(bytes: Uint8Array): MessageIndex {
  const scanner = new MessageScanner();
  scanner.push(bytes);
  return scanner.finish();
}
