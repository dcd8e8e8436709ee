import { command, nothing } from './command.ts';

/** RFC 9051 §6.4.1: removes what is marked \Deleted, without telling. */
export const close = command<null>({
  when: 'selected',
  parse: nothing,
  run: async (context) => {
    const { selected, view } = context;
    // What the client never heard of stays.
    const gone = selected.readOnly ? 0 : await selected.expunge(view.whole ? null : view.uids.slice(0, view.count));
    context.teller.own({ messages: [{ mailbox: selected.name, added: 0, gone }] });
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
