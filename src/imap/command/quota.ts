// QUOTA: RFC 9208. One root, named "", for all mailboxes of a user; limits are set by whoever runs the server.
import { Refused } from '../../base/index.ts';
import { quoteMailbox } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';

const KIB = 1024;

/** `* QUOTA "" (STORAGE 10 512)`: resources without a limit are not told (§4.1.1). Storage is in units of 1024 bytes. */
async function writeQuota({ out, session }: Context): Promise<void> {
  const { bytes, bytesMax, messages, messagesMax } = await session.quota();
  const resources: string[] = [];
  if (bytesMax !== null) resources.push(`STORAGE ${Math.ceil(bytes / KIB)} ${Math.ceil(bytesMax / KIB)}`);
  if (messagesMax !== null) resources.push(`MESSAGE ${messages} ${messagesMax}`);
  out.line(`* QUOTA "" (${resources.join(' ')})`);
}

export const getquota = command<string>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    return args.astring();
  },
  async run(context, root) {
    if (root !== '') throw new Refused('there is no such quota root', 'NONEXISTENT');
    await writeQuota(context);
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
    // §4.1.2: also of a mailbox that is yet to be made.
    context.out.line(`* QUOTAROOT ${quoteMailbox(name, context.enabled.utf8)} ""`);
    await writeQuota(context);
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
