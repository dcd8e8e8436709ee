import { Refused } from '../../base/index.ts';
import { knowsCharset } from '../../message/index.ts';
import type { Args } from '../wire/index.ts';

/** The charset of a search's strings. Refused(BADCHARSET) (RFC 9051 §6.4.4). */
export function parseCharset(args: Args): string {
  const charset = args.astring();
  if (!/^(us-ascii|utf-8)$/i.test(charset) && !knowsCharset(charset)) throw new Refused('Unknown charset', 'BADCHARSET (US-ASCII UTF-8)');
  return charset;
}
