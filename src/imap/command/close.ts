import { command, nothing } from './command.ts';

/** RFC 9051 §6.4.1: removes what is marked \Deleted, without telling. */
export const close = command<null>({
  when: 'selected',
  parse: nothing,
  run: async (context) => {
    if (!context.selected.readOnly) await context.selected.expunge(null);
    context.unselect();
    return '';
  },
});

/** RFC 9051 §6.4.2. */
export const unselect = command<null>({
  when: 'selected',
  parse: nothing,
  run: async (context) => {
    context.unselect();
    return '';
  },
});
