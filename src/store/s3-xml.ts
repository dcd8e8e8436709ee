// Reads the two XML answers of S3: a LIST and an error. Strict and small: no DTD, no CDATA, no entity but the five and
// numbers; what isn't well-formed, or lacks what it must have, is a broken answer.
import type { Listed } from './object-store.ts';

/** The answer isn't what S3 would send: the request is sent again. */
export class BrokenAnswer extends Error {
  override name = 'BrokenAnswer';
}

const DEPTH_MAX = 8;
const NAME = /^[A-Za-z_][A-Za-z0-9_.:-]*$/;
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decode(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&]{0,10});?/g, (all, name: string) => {
    const code = /^#(?:([0-9]{1,7})|x([0-9A-Fa-f]{1,6}))$/.exec(name);
    const point = code ? Number.parseInt(code[1] ?? code[2], code[1] ? 10 : 16) : -1;
    const character = point >= 0 ? (point <= 0x10ffff ? String.fromCodePoint(point) : undefined) : ENTITIES[name];
    if (character === undefined || !all.endsWith(';')) throw new BrokenAnswer('unknown entity in the XML');
    return character;
  });
}

/** Calls `leaf` with path and text of each element without children, `end` with the path of each other one. */
function walk(xml: string, leaf: (path: string, text: string) => void, end: (path: string) => void): void {
  const open: string[] = [];
  let hasText = false;
  let from = 0;
  let at = xml.charCodeAt(0) === 0xfeff ? 1 : 0;
  let roots = 0;
  for (;;) {
    const lt = xml.indexOf('<', at);
    if (lt < 0) break;
    if (open.length === 0 && xml.slice(at, lt).trim() !== '') throw new BrokenAnswer('text outside of the XML');
    const gt = xml.indexOf('>', lt);
    if (gt < 0) throw new BrokenAnswer('the XML ends inside a tag');
    at = gt + 1;
    const mark = xml[lt + 1];
    if (mark === '?' && open.length === 0 && xml[gt - 1] === '?') continue;
    if (mark === '/') {
      const name = open.pop()!;
      if (xml.slice(lt + 2, gt).trimEnd() !== name?.slice(name.lastIndexOf('/') + 1)) throw new BrokenAnswer('a tag of the XML is not closed');
      if (hasText) leaf(name, decode(xml.slice(from, lt)));
      else end(name);
      hasText = false;
      continue;
    }
    const empty = xml[gt - 1] === '/';
    const tag = xml.slice(lt + 1, empty ? gt - 1 : gt);
    const space = tag.search(/\s/);
    const name = space < 0 ? tag : tag.slice(0, space);
    if (!NAME.test(name) || tag.includes('<')) throw new BrokenAnswer('not a tag in the XML');
    if (open.length === 0 && roots++ > 0) throw new BrokenAnswer('more than one root in the XML');
    const path = open.length === 0 ? name : `${open[open.length - 1]}/${name}`;
    if (empty) {
      leaf(path, '');
      hasText = false;
      continue;
    }
    if (open.length === DEPTH_MAX) throw new BrokenAnswer('the XML nests too deep');
    open.push(path);
    hasText = true;
    from = at;
  }
  if (open.length > 0 || roots === 0 || xml.slice(at).trim() !== '') throw new BrokenAnswer('the XML is not complete');
}

/** The answer to ListObjectsV2. Throws BrokenAnswer. */
export function readList(xml: string): { rows: Listed[]; truncated: boolean } {
  const rows: Listed[] = [];
  let truncated: boolean | null = null;
  let key: string | null = null;
  let bytes = NaN;
  let modified = NaN;
  walk(
    xml,
    (path, text) => {
      if (path === 'ListBucketResult/Contents/Key') key = text;
      else if (path === 'ListBucketResult/Contents/Size') bytes = /^[0-9]{1,15}$/.test(text) ? Number(text) : NaN;
      else if (path === 'ListBucketResult/Contents/LastModified') modified = Date.parse(text);
      else if (path === 'ListBucketResult/IsTruncated') truncated = text === 'true' ? true : text === 'false' ? false : null;
    },
    (path) => {
      if (path !== 'ListBucketResult/Contents') return;
      if (key === null || !(bytes >= 0) || Number.isNaN(modified)) throw new BrokenAnswer('a row of the LIST is not complete');
      rows.push({ name: key, bytes, modified });
      key = null;
      bytes = modified = NaN;
    },
  );
  if (truncated === null) throw new BrokenAnswer('the LIST does not say whether it is complete');
  return { rows, truncated };
}

/** Code and message of an error, as far as they can be read. */
export function readError(xml: string): { code: string; message: string } {
  let code = '';
  let message = '';
  try {
    walk(
      xml,
      (path, text) => {
        if (path === 'Error/Code') code = text;
        if (path === 'Error/Message') message = text;
      },
      () => {},
    );
  } catch (e) {
    if (!(e instanceof BrokenAnswer)) throw e;
  }
  return { code: code.slice(0, 60), message: message.slice(0, 200) };
}
