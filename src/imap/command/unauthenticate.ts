import { command, nothing } from './command.ts';

/** RFC 8437: nobody is logged in any more; TLS stays, compression ends behind the OK (§4.1). */
export const unauthenticate = command<null>({
  when: 'authenticated',
  parse: nothing,
  run: async (context) => {
    context.unauthenticated();
    context.after(async () => {
      if (await context.transport.decompress()) return;
      context.out.line('* BYE compression ended with UNAUTHENTICATE');
      context.end();
    });
    return '';
  },
});
