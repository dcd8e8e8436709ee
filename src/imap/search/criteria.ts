// What SEARCH, SORT, THREAD and ESEARCH have in common around their keys.
import { Malformed } from '../../base/index.ts';
import type { Context } from '../command/command.ts';
import type { Args } from '../wire/index.ts';
import { parseCharset } from './charset.ts';
import { parseKeys } from './keys.ts';
import type { Key } from './keys.ts';
import type { Returned } from './result.ts';

/** A charset (`first`: without the word CHARSET, and always there) and keys. Malformed, Refused(BADCHARSET). */
export function parseCriteria(args: Args, context: Context, returned: Returned | null, first = false): Key {
  try {
    let charset = '';
    if (first || args.skip('CHARSET ')) {
      charset = parseCharset(args);
      args.sp();
    }
    return parseKeys(args, charset, context.enabled.uidonly);
  } catch (e) {
    saveNothing(context, returned, e);
    throw e;
  }
}

/** A search with SAVE that fails leaves nothing saved, but not one that is BAD (RFC 9051 §6.4.4.1, RFC 5182 §2.1). */
export function saveNothing(context: Context, returned: Returned | null, e: unknown): void {
  if (returned?.options.has('SAVE') && context.isOpen && !(e instanceof Malformed)) context.view.saved = new Uint32Array(0);
}
