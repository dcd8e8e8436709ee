import { Malformed } from '../../base/index.ts';
import { command } from './command.ts';

/** APPEND whose message is no literal. The real one runs while its message arrives: ../append.ts. */
export const append = command<never>({
  when: 'authenticated',
  parse() {
    throw new Malformed('message literal expected');
  },
  run: async () => '',
});

/** REPLACE likewise. */
export const replace = command<never>({ ...append, uid: true, when: 'selected' });
