// QUOTA: RFC 9208. One root, named "", for all mailboxes of a user who has a limit; limits are set by whoever runs the server.
import { Refused } from '../../base/index.ts';
import { quoteMailbox } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';

const KIB = 1024;

/** Resources that have a limit: `STORAGE 10 512` (§4.1.1), in units of 1024 bytes. Without any there is no root, since one must tell something (§7). */
async function resources({ session }: Context): Promise<string[]> {
  const { bytes, bytesMax, messages, messagesMax } = await session.quota();
  const told: string[] = [];
  if (bytesMax !== null) told.push(`STORAGE ${Math.ceil(bytes / KIB)} ${Math.ceil(bytesMax / KIB)}`);
  if (messagesMax !== null) told.push(`MESSAGE ${messages} ${messagesMax}`);
  return told;
}

const quotaLine = (told: string[]): string => `* QUOTA "" (${told.join(' ')})`;

export const getquota = command<string>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    return args.astring();
  },
  async run(context, root) {
    const told = root === '' ? await resources(context) : [];
    if (told.length === 0) throw new Refused('there is no such quota root', 'NONEXISTENT');
    context.out.line(quotaLine(told));
    return '';
  },
});

export const getquotaroot = command<string>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    return args.mailbox();
  },
  async run(context, name) {
    const told = await resources(context);
    // §4.1.2: also of a mailbox that is yet to be made.
    context.out.line(`* QUOTAROOT ${quoteMailbox(name, context.enabled.utf8)}${told.length === 0 ? '' : ' ""'}`);
    if (told.length > 0) context.out.line(quotaLine(told));
    return '';
  },
});

/** §4.1.3, without QUOTASET: nobody changes an own limit. */
export const setquota = command<null>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    args.astring();
    args.sp();
    args.list(() => {
      args.atom();
      args.sp();
      args.number64();
    });
    return null;
  },
  async run() {
    throw new Refused('limits are set by whoever runs this server', 'NOPERM');
  },
});
