// Which names mailboxes may have. Decoding is the wire's, uniqueness the session's.
import { Malformed, Refused, limits } from '../base/index.ts';

/** Throws for a name that can't be made; what exists already is never checked, so old names can be left. */
export function checkNewName(name: string): void {
  if (name === '') throw new Malformed('a mailbox needs a name');
  if (Buffer.byteLength(name) > limits.mailbox_name_bytes_max) throw new Refused('the name is too long', 'LIMIT');
  const levels = name.split('/');
  if (levels.length > limits.mailbox_depth_max) throw new Refused('the name has too many levels', 'LIMIT');
  if (levels.includes('')) throw new Refused('a level of the name is empty', 'CANNOT');
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(name)) throw new Refused('the name has control characters', 'CANNOT');
  if (/[%*]/.test(name)) throw new Refused('% and * stand for any name, none can have them', 'CANNOT');
  if (!name.isWellFormed()) throw new Refused('the name is not Unicode', 'CANNOT');
}
