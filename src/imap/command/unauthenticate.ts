import { command, nothing } from './command.ts';

/** RFC 8437: nobody is logged in any more; TLS and compression stay. */
export const unauthenticate = command<null>({
  when: 'authenticated',
  parse: nothing,
  run: async (context) => {
    context.unauthenticated();
    return '';
  },
});
