import { Malformed } from '../../base/index.ts';
import { command, nothing } from './command.ts';

/** RFC 9051 §6.2.1. What the client sent behind it in clear is dropped, never taken as said under TLS. */
export const starttls = command<null>({
  when: 'not authenticated',
  parse: nothing,
  run: async (context) => {
    if (context.secure) throw new Malformed('TLS is already on');
    if (!context.tlsAvailable) throw new Malformed('no TLS here');
    context.after(() => context.startTls());
    return 'begin TLS now';
  },
});
