// The beginning of a message's text for list views (RFC 8970).
import { limits } from '../base/index.ts';
import type { BodyPart } from '../base/index.ts';
import { findParameter } from './params.ts';
import { decodeText } from './text.ts';

/** One line of at most limits.preview_chars_max characters; '' when nothing readable is there. `bytes` may be cut off anywhere. */
export function makePreview(bytes: Buffer, part: BodyPart): string {
  if (bytes.length === 0) return '';
  const html = part.subtype.toLowerCase() === 'html';
  const charset = findParameter(part.params, 'charset') ?? '';
  // Most texts say enough in their first kilobytes; only where they don't is more decoded.
  for (let look = limits.preview_chars_max * (html ? 20 : 5); ; look *= 4) {
    const text = decodeText(bytes.subarray(0, look), part.encoding, charset);
    const line = shorten(html ? stripHtml(text) : text);
    if (line.length >= limits.preview_chars_max - 1 || look >= bytes.length) return line;
  }
}

// eslint-disable-next-line no-control-regex
const INVISIBLE = /[\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]+/g;
// eslint-disable-next-line no-control-regex
const BLANK = /[\s\x00-\x1f\x7f-\x9f\u00a0]+/g;

function shorten(text: string): string {
  // Layout can be white space for the most part: more is looked at only when the beginning is too short.
  for (let look = limits.preview_chars_max * 2; ; look *= 4) {
    let line = text.slice(0, look).replace(INVISIBLE, '').replace(BLANK, ' ').trim();
    if (line.length < limits.preview_chars_max && look < text.length) continue;
    line = line.slice(0, limits.preview_chars_max);
    // A cut must not leave half a character, nor the replacement for a sequence that was cut.
    return line.toWellFormed().replace(/[\s\ufffd]+$/, '');
  }
}

/** Elements whose text nobody sees. */
const HIDDEN = new Set(['style', 'script', 'head', 'title', 'template']);
const INLINE = new Set(['a', 'b', 'i', 'u', 'em', 'strong', 'span', 'font', 'small', 'big', 'sub', 'sup', 'code', 'tt', 'abbr', 'wbr']);

/** The text of HTML, enough for a preview of it. One pass. */
function stripHtml(html: string): string {
  let out = '';
  let at = 0;
  const lower = { text: '' };
  while (at < html.length && out.length < limits.preview_chars_max * 8) {
    const open = html.indexOf('<', at);
    if (open < 0) return out + decodeEntities(html.slice(at));
    if (open > at) out += decodeEntities(html.slice(at, open));
    if (html.startsWith('<!--', open)) {
      const end = html.indexOf('-->', open + 4);
      if (end < 0) return out;
      at = end + 3;
      continue;
    }
    const end = html.indexOf('>', open);
    if (end < 0) return out;
    const name = /^\/?([a-z][a-z0-9]*)/i.exec(html.slice(open + 1, open + 12))?.[1]?.toLowerCase();
    at = end + 1;
    if (name === undefined) {
      // `<3` is text, `<!doctype …>` is not.
      if (!/[!?/]/.test(html[open + 1] ?? '')) {
        out += '<';
        at = open + 1;
      }
      continue;
    }
    if (!INLINE.has(name)) out += ' ';
    if (HIDDEN.has(name) && html[open + 1] !== '/') {
      lower.text ||= html.toLowerCase();
      const close = lower.text.indexOf(`</${name}`, at);
      if (close >= 0) at = close;
      // A head without end hides nothing; other hidden elements hide the rest.
      else if (name !== 'head') return out;
    }
  }
  return out;
}

const ENTITIES: Record<string, string> = {
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ', zwnj: '', zwj: '', shy: '', copy: '©', reg: '®', trade: '™',
  hellip: '…', mdash: '—', ndash: '–', lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', laquo: '«', raquo: '»', euro: '€',
  bull: '•', middot: '·', auml: 'ä', ouml: 'ö', uuml: 'ü', Auml: 'Ä', Ouml: 'Ö', Uuml: 'Ü', szlig: 'ß', eacute: 'é',
  egrave: 'è', agrave: 'à', ecirc: 'ê', ccedil: 'ç', ocirc: 'ô', ntilde: 'ñ', oacute: 'ó', aacute: 'á', iacute: 'í',
};

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));?/gi, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : whole;
    const code = decimal === undefined ? parseInt(hex!, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
  });
}
