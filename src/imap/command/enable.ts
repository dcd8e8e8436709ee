import { isWithheld } from '../capabilities.ts';
import { command } from './command.ts';

/** RFC 5161. What is not known is passed over. */
export const enable = command<string[]>({
  when: 'authenticated',
  parse(args) {
    const names: string[] = [];
    do {
      args.sp();
      names.push(args.keyword());
    } while (!args.done);
    return names;
  },
  async run(context, names) {
    const enabled = new Set<string>();
    for (const name of names) {
      if (isWithheld(context.withheld, name)) continue;
      if (name === 'CONDSTORE') context.enableCondstore();
      else if (name === 'QRESYNC') context.enableCondstore(true);
      else if (name === 'UTF8=ACCEPT') context.enable({ utf8: true });
      else if (name === 'UIDONLY') context.enable({ uidonly: true });
      else if (name === 'METADATA') context.teller.enableMetadata();
      else if (name === 'IMAP4REV2') context.enable({ rev2: true, utf8: true });
      else continue;
      enabled.add(name === 'IMAP4REV2' ? 'IMAP4rev2' : name);
    }
    context.out.line(['* ENABLED', ...enabled].join(' '));
    return '';
  },
});
