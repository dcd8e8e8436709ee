// SEARCH and UID SEARCH: RFC 9051 §6.4.4, §6.4.9; ESEARCH: RFC 4731; SEARCHRES: RFC 5182; MODSEQ: RFC 7162 §3.1.5;
// contexts and PARTIAL: RFC 5267, RFC 9394.
import { parseCriteria } from '../search/criteria.ts';
import { find } from '../search/find.ts';
import type { Request } from '../search/find.ts';
import { uses } from '../search/keys.ts';
import { allOf, parseReturn } from '../search/result.ts';
import type { Returned } from '../search/result.ts';
import { command } from './command.ts';

export const search = command<Request>({
  when: 'selected',
  uid: true,
  keepsNumbers: true,
  namesNumbers: ({ key }) => uses(key, 'seq'),

  parse(args, _byUid, context) {
    args.sp();
    let returned: Returned | null = null;
    if (args.skip('RETURN ')) {
      returned = parseReturn(args);
      args.sp();
    }
    const key = parseCriteria(args, context, returned);
    if (uses(key, 'modseq')) context.enableCondstore();
    // RFC 9051 §6.4.4: IMAP4rev2 knows the ESEARCH answer only.
    if (context.enabled.rev2) returned ??= allOf();
    return { tag: args.tag, returned, key, order: null };
  },

  run(context, request, byUid) {
    return find(context, request, byUid);
  },
});
