// BINARY[…] (RFC 3516): the body of a leaf part with its transfer encoding undone. Its size is known only at the end,
// so it is collected, piece by piece as it is decoded.
import { Refused } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import { findPart } from '../../message/index.ts';
import type { MessageRecord, Selected } from '../session.ts';
import type { SectionItem } from './items.ts';
import { decoderOf } from './transfer.ts';

const PIECE_BYTES = 512 * 1024;

/** Null when the message is gone. Refused(UNKNOWN-CTE) for an encoding that nobody knows. */
export async function decodedBytes(selected: Selected, uid: Uid, record: MessageRecord, item: SectionItem, from: number, to: number): Promise<Buffer | null> {
  const decode = item.path.length === 0 ? (bytes: Buffer) => bytes : decoderOf(findPart(record.index.body, item.path)?.encoding ?? '7bit');
  if (decode === null) throw new Refused('The part has an unknown transfer encoding', 'UNKNOWN-CTE');
  const pieces: Buffer[] = [];
  for (let at = from; at < to; ) {
    const piece: Buffer | null = await selected.read(uid, at, Math.min(to, at + PIECE_BYTES));
    if (piece === null || piece.length === 0) return null;
    at += piece.length;
    pieces.push(decode(piece, at >= to));
  }
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
}
