import { command, nothing } from './command.ts';

/** RFC 2342: one's own mailboxes, nobody else's, none shared. */
export const namespace = command<null>({
  when: 'authenticated',
  parse: nothing,
  run: async (context) => {
    context.out.line('* NAMESPACE (("" "/")) NIL NIL');
    return '';
  },
});
