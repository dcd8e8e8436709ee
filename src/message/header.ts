// Header fields (RFC 5322 §2.2): cutting a header into fields, unfolding them, choosing some for IMAP.
import { limits } from '../base/index.ts';
import type { HeaderText } from '../base/index.ts';
import type { KeptField } from './types.ts';

const COLON = 0x3a;

/** Carriage returns before a line feed that belong to the line end: some programs send CR CR LF for CR LF. */
export const lineEndReturnsMax = 2;

/**
 * The fields of a header (latin1, with or without its empty line), in order. Lines without a colon and continuation
 * lines before the first field are no fields and are left out. At most limits.header_fields_max.
 */
export function readFields(header: HeaderText): KeptField[] {
  const fields: KeptField[] = [];
  walkLines(header, (start, colon, end) => {
    if (colon >= 0) fields.push(fieldAt(header, start, colon, end));
    return fields.length < limits.header_fields_max;
  });
  return fields;
}

/**
 * Calls `visit(start, colon, end)` for each logical line [start, end) of a header; colon is -1 where there is no name
 * before one. Ends at the empty line, at the end, or when `visit` answers false.
 */
function walkLines(header: HeaderText, visit: (start: number, colon: number, end: number) => boolean): void {
  const length = header.length;
  for (let at = 0; at < length; ) {
    let end = header.indexOf('\n', at);
    end = end < 0 ? length : end + 1;
    const first = header.charCodeAt(at);
    if (end - at <= lineEndReturnsMax + 1 && /^\r*\n$/.test(header.slice(at, end))) return;
    const lineEnd = end;
    while (end < length && isBlank(header.charCodeAt(end))) {
      const next = header.indexOf('\n', end);
      end = next < 0 ? length : next + 1;
    }
    // Within the line alone: an indexOf that looks further is done for every line once this is compiled, used or not.
    let colon = at;
    while (colon < lineEnd && header.charCodeAt(colon) !== COLON) colon++;
    const named = colon > at && colon < lineEnd && !isBlank(first);
    if (!visit(at, named ? colon : -1, end)) return;
    at = end;
  }
}

function fieldAt(header: HeaderText, start: number, colon: number, end: number): KeptField {
  const name = header.slice(start, colon).trimEnd().toLowerCase();
  const prefixEnd = header.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1;
  let lineEnd: KeptField['end'] = '';
  if (header.charCodeAt(end - 1) === 10) lineEnd = header.charCodeAt(end - 2) === 13 ? '\r\n' : '\n';
  return { name, prefix: header.slice(start, prefixEnd), value: header.slice(prefixEnd, end - lineEnd.length), end: lineEnd };
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** A kept field's bytes as they came, its line end included. */
export function fieldBytes(field: KeptField): HeaderText {
  return field.prefix + field.value + field.end;
}

/**
 * The fields of these names (any case), or with `not` all others, as they came, and the empty line (RFC 9051 §6.4.5
 * HEADER.FIELDS). Lines that are no fields count as fields without a name.
 */
export function filterHeader(header: Uint8Array, names: Iterable<string>, not: boolean): Buffer {
  const wanted = new Set<string>();
  for (const name of names) wanted.add(name.toLowerCase());
  const bytes = Buffer.isBuffer(header) ? header : Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  const text = bytes.toString('latin1', 0, bytes.length);
  const chosen: Buffer[] = [];
  let endsInLine = true;
  walkLines(text, (start, colon, end) => {
    const name = colon < 0 ? '' : text.slice(start, colon).trimEnd().toLowerCase();
    if (wanted.has(name) !== not) {
      chosen.push(bytes.subarray(start, end));
      endsInLine = bytes[end - 1] === 10;
    }
    return true;
  });
  if (!endsInLine) chosen.push(CRLF);
  chosen.push(CRLF);
  return Buffer.concat(chosen);
}

const CRLF = Buffer.from('\r\n');

/** A value without its line ends; the white space that begins a continuation line stays (RFC 5322 §2.2.3). */
export function unfold(value: HeaderText): HeaderText {
  return value.includes('\n') ? value.replace(/\r{0,2}\n/g, '') : value;
}

/** A value for people: white space and line ends are one space each run, none at the ends. */
export function collapse(value: HeaderText): HeaderText {
  return COLLAPSIBLE.test(value) ? value.replace(/[ \t\r\n]+/g, ' ').replace(/^ | $/g, '') : value;
}

const COLLAPSIBLE = /[\t\r\n]| {2}|^ | $/;
