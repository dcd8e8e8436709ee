import { Malformed } from '../../base/index.ts';
import { command } from './command.ts';

/** Fields of an ID (RFC 2971 §3.3). */
const FIELDS_MAX = 30;

/** RFC 2971: taken, not kept; the version is nobody's business. */
export const id = command<null>({
  when: 'any',
  parse(args) {
    args.sp();
    if (args.peek() !== '(') {
      if (args.nstring() !== null) throw args.error('list or NIL expected');
      return null;
    }
    let fields = 0;
    args.list(() => {
      if (++fields > FIELDS_MAX) throw new Malformed(`more than ${FIELDS_MAX} fields`);
      args.string();
      args.sp();
      args.nstring();
    });
    return null;
  },
  run: async (context) => {
    context.out.line('* ID ("name" "Colombier")');
    return '';
  },
});
