/**
 * imap/wire: bytes in, commands out; lines in, bytes out. Knows the grammar of RFC 9051 §9 and no command.
 * Invariants: text is latin1 everywhere (a character is a byte); nothing is held without a limit; a message literal
 * (APPEND) is never held as a whole; any bytes give a command, Malformed or the end of the connection, never a crash.
 * Standards: RFC 9051 §9, RFC 7888 (LITERAL+), RFC 3516 (literal8), RFC 5182 (`$`), RFC 6855 (UTF8=ACCEPT).
 */
export { Args, canonicalName } from './args.ts';
export type { Literal } from './args.ts';
export { formatDateTime, parseDate, parseDateTime } from './date.ts';
export { isAtom, nstring, oldName, quote, quoteMailbox, quoteUtf8 } from './quote.ts';
export { CommandReader } from './reader.ts';
export type { Arrival, CommandRoom } from './reader.ts';
export { SAVED_RESULT, SequenceSet, formatSet, parseSequenceSet } from './sequence-set.ts';
export { decodeUtf7, decodeUtf8, encodeUtf7, encodeUtf8 } from './utf7.ts';
export { Writer } from './writer.ts';
export type { Output } from './writer.ts';
