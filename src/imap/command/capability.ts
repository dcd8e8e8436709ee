import { capabilities } from '../capabilities.ts';
import { command, nothing } from './command.ts';

/** RFC 9051 §6.1.1. */
export const capability = command<null>({
  when: 'any',
  parse: nothing,
  run: async (context) => {
    context.out.line(`* CAPABILITY ${capabilities(context)}`);
    return '';
  },
});
