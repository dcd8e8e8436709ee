// SORT and UID SORT: RFC 5256; RETURN: RFC 5267 §3 (ESORT) and §4 (CONTEXT=SORT); DISPLAYFROM, DISPLAYTO: RFC 5957.
import { parseCriteria } from '../search/criteria.ts';
import { find } from '../search/find.ts';
import type { Request } from '../search/find.ts';
import { uses } from '../search/keys.ts';
import { parseReturn } from '../search/result.ts';
import type { Returned } from '../search/result.ts';
import { parseOrder } from '../sort/order.ts';
import { command } from './command.ts';

export const sort = command<Request>({
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
    const order = parseOrder(args);
    args.sp();
    const key = parseCriteria(args, context, returned, true);
    if (uses(key, 'modseq')) context.enableCondstore();
    return { tag: args.tag, returned, key, order };
  },

  run(context, request, byUid) {
    return find(context, request, byUid);
  },
});
