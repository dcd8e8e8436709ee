// THREAD and UID THREAD: RFC 5256 §3, §4.
import { Malformed } from '../../base/index.ts';
import { parseCriteria } from '../search/criteria.ts';
import { uses } from '../search/keys.ts';
import type { Key } from '../search/keys.ts';
import { search, universe } from '../search/run.ts';
import { takeAll } from '../message-limit.ts';
import { threads } from '../sort/threads.ts';
import type { Algorithm } from '../sort/threads.ts';
import { command } from './command.ts';

export const thread = command<{ algorithm: Algorithm; key: Key }>({
  when: 'selected',
  uid: true,
  keepsNumbers: true,
  namesNumbers: ({ key }) => uses(key, 'seq'),

  parse(args, _byUid, context) {
    args.sp();
    const algorithm = args.keyword();
    if (algorithm !== 'REFERENCES' && algorithm !== 'ORDEREDSUBJECT') throw new Malformed(`there is no threading ${algorithm.slice(0, 40)}`);
    args.sp();
    const key = parseCriteria(args, context, null, true);
    if (uses(key, 'modseq')) context.enableCondstore();
    return { algorithm, key };
  },

  async run(context, { algorithm, key }, byUid) {
    takeAll(universe(key, context.view), context.limits);
    const uids = await search(context, key);
    const text = await threads(context, algorithm, uids, byUid);
    context.out.line(`* THREAD${text === '' ? '' : ` ${text}`}`);
    return '';
  },
});
