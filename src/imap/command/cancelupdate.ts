import { command } from './command.ts';

/** RFC 5267 §4.3.5. */
export const cancelupdate = command<string[]>({
  when: 'selected',
  parse(args) {
    const tags: string[] = [];
    do {
      args.sp();
      tags.push(args.string());
    } while (!args.done);
    return tags;
  },
  async run(context, tags) {
    context.view.contexts.cancel(tags);
    return '';
  },
});
