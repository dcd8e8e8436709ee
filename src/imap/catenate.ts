// CATENATE's URLs (RFC 4469, RFC 5092, PARTIAL: RFC 5550 §3.1): pieces of the user's own messages, copied into a new one.
import { Refused, limits } from '../base/index.ts';
import type { Uid } from '../base/index.ts';
import { parseFetch } from './fetch/items.ts';
import type { SectionItem } from './fetch/items.ts';
import { filtered, locate } from './fetch/locate.ts';
import type { Selected, Session } from './session.ts';
import { Args, canonicalName, decodeUtf8, quote } from './wire/index.ts';

const URL_PARTS = /^(?:imap:\/\/(?:([^/@;]*)(?:;AUTH=[^/@]*)?@)?([^/@]*))?\/([^;]+?)(?:;UIDVALIDITY=(\d+))?\/;UID=(\d+)(?:\/;SECTION=([^;]+?))?(?:\/;PARTIAL=(\d+)(?:\.(\d+))?)?$/i;
const PIECE_BYTES = 512 * 1024;

/** Who asks, and under which name this server is known. */
export interface Reader {
  session: Session;
  hostname: string;
}

/** Writes what the URL names. Refused(BADURL) for anything that is not there, not the user's own, or no such URL. */
export async function copyUrl({ session, hostname }: Reader, url: string, write: (piece: Buffer) => Promise<void>): Promise<void> {
  const bad = (why: string) => new Refused(why, `BADURL ${quote(url)}`);
  const found = URL_PARTS.exec(url);
  if (found === null || url.length > 4 * limits.mailbox_name_bytes_max || /[\x00-\x1f\x7f]/.test(url)) throw new Refused('not an URL of a message', 'BADURL ""');
  const [, user, host, path, uidValidity, uid, section, from, bytes] = found;
  let name: string;
  try {
    if ((user !== undefined && decodeURIComponent(user) !== session.address) || (host !== undefined && host.toLowerCase() !== hostname.toLowerCase())) throw bad('not a message of yours');
    name = canonicalName(decodeUtf8(Buffer.from(decodeURIComponent(path)).toString('latin1')).normalize('NFC'));
    const item = parseSection(section === undefined ? '' : decodeURIComponent(section));
    const selected = await session.look(name);
    try {
      if (uidValidity !== undefined && Number(uidValidity) !== selected.index.uidValidity) throw bad('UIDVALIDITY is another');
      await copySection(selected, Number(uid), item, Number(from ?? 0), bytes === undefined ? Infinity : Number(bytes), write, bad);
    } finally {
      selected.close();
    }
  } catch (e) {
    // A bad escape, a section that is none, a mailbox that isn't there.
    if (e instanceof URIError || (e instanceof Error && e.name === 'Malformed') || (e instanceof Refused && e.code === 'NONEXISTENT')) throw bad('there is no such thing');
    throw e;
  }
}

function parseSection(section: string): SectionItem {
  const args = new Args(` BODY.PEEK[${section}]`);
  const [item] = parseFetch(args).items;
  args.end();
  return item as SectionItem;
}

async function copySection(selected: Selected, uid: Uid, item: SectionItem, from: number, bytes: number, write: (piece: Buffer) => Promise<void>, bad: (why: string) => Refused): Promise<void> {
  const [record] = selected.index.find(uid) < 0 ? [null] : await selected.records([uid]);
  const place = record === null ? null : locate(record, item);
  if (place === null) throw bad('there is no such message or part');
  if (typeof place !== 'string' && !place.filter) {
    const end = Math.min(place.to, place.from + from + bytes);
    for (let at = place.from + from; at < end; ) {
      const piece = await selected.read(uid, at, Math.min(end, at + PIECE_BYTES));
      if (piece === null || piece.length === 0) throw bad('the message is gone');
      await write(piece);
      at += piece.length;
    }
    return;
  }
  let text: Buffer;
  if (typeof place === 'string') text = Buffer.from(place, 'latin1');
  else {
    const header = await selected.read(uid, place.from, place.to);
    if (header === null) throw bad('the message is gone');
    text = filtered(header, item);
  }
  await write(text.subarray(from, Math.min(text.length, from + bytes)));
}
