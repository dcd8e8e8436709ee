/**
 * message/: RFC 5322 and MIME. One pass over the bytes of a message gives its MessageIndex; nobody parses it again.
 *
 * In: the bytes as received, in chunks of any size (MessageScanner.push). Out: envelope, body structure with byte
 * offsets, kept header fields, preview, ids, dates; their stored form (encodeIndex, decodeIndex) and their IMAP text
 * (renderEnvelope, renderBody).
 *
 * Invariants: any bytes give a valid index, offsets never leave the message, and the message itself is never changed.
 * Offsets and line counts refer to the bytes as they are: lines end in CRLF or in LF alone. Memory is bounded by
 * limits (one header, one text part's beginning), time is linear in the bytes. Header text is latin1: each character
 * is one byte, nothing decoded.
 *
 * Standards: RFC 5322, 2045-2047, 2231, 2183, 6532 (read as bytes), 5256 (base subject), 8970 (preview), 9051 §2.3
 * and §7.5.2 (structure). Where readers of mail disagree, docs/mime-choices.md says whom we follow.
 *
 * Failures: none for messages. decodeIndex throws Corrupt for bytes that encodeIndex did not write.
 */
export type { ByteRange, KeptField, MessageIndex, Section } from './types.ts';
export { FieldNames, textOf } from './kept.ts';
export { MessageScanner, scanMessage } from './scanner.ts';
export { decodeIndex, encodeIndex } from './stored.ts';
export { renderBody, renderEnvelope, renderString } from './render.ts';
export { findPart, findSection } from './sections.ts';
export { fieldBytes, filterHeader, readFields, unfold } from './header.ts';
export { parseAddresses } from './addresses.ts';
export { parseDate, type MailDate } from './date.ts';
export { parseIds } from './ids.ts';
export { decodeParameter, findParameter, parseParameters } from './params.ts';
export { decodeWords } from './words.ts';
export { baseSubject, splitSubject } from './subject.ts';
export { decodeText, decodeCharset, knowsCharset } from './text.ts';
export { fold, foldLong, loosely, oneSpaced } from './words-fold.ts';
export { GramSet, SEARCH_RULES, gramsOf, mayHold } from './words-grams.ts';
export { WHOLE_BYTES, foldedHeader, foldedValue, readHeader, readTexts } from './words-texts.ts';
export type { ReadBytes } from './words-texts.ts';
