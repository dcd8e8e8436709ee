import { command, nothing } from './command.ts';

/** RFC 9051 §6.1.3. */
export const logout = command<null>({
  when: 'any',
  parse: nothing,
  run: async (context) => {
    context.unselect();
    context.out.line('* BYE see you');
    context.after(() => context.end());
    return '';
  },
});
