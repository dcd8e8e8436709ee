import { command, nothing } from './command.ts';

/** NOOP (RFC 9051 §6.1.2) and CHECK (RFC 3501 §6.4.1): ask the store, so that what was acknowledged elsewhere is told. */
export const noop = command<null>({
  when: 'any',
  parse: nothing,
  run: async (context) => {
    if (context.isOpen) await context.selected.refresh();
    return '';
  },
});

export const check = command<null>({ ...noop, when: 'selected' });
