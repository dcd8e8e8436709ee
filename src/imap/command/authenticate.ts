import { Malformed, Refused } from '../../base/index.ts';
import { decodeUtf8 } from '../wire/index.ts';
import { command } from './command.ts';
import { logIn, requirePrivacy } from './login.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Authorization identity, name, password (RFC 4616 §2). Throws Malformed. */
function plain(response: string): { as: string; user: string; password: string } {
  if (!BASE64.test(response)) throw new Malformed('base64 expected');
  const parts = decodeUtf8(Buffer.from(response, 'base64').toString('latin1')).split('\0');
  if (parts.length !== 3 || parts[1] === '') throw new Malformed('PLAIN expects NUL name NUL password');
  return { as: parts[0], user: parts[1], password: parts[2] };
}

/** RFC 9051 §6.2.2 with PLAIN (RFC 4616) and the initial response of RFC 4959. */
export const authenticate = command<{ initial: string | null }>({
  when: 'not authenticated',
  parse(args) {
    args.sp();
    const mechanism = args.keyword();
    if (mechanism !== 'PLAIN') throw new Refused('no such mechanism', 'CANNOT');
    if (args.done) return { initial: null };
    args.sp();
    const initial = args.text.slice(args.at);
    args.at = args.text.length;
    return { initial: initial === '=' ? '' : initial };
  },
  async run(context, { initial }) {
    requirePrivacy(context);
    const response = initial ?? (await context.readLine('+ '));
    if (response === '*') throw new Malformed('AUTHENTICATE given up');
    const { as, user, password } = plain(response);
    if (as !== '' && as !== user) throw new Refused('nobody may log in as someone else', 'AUTHORIZATIONFAILED');
    return logIn(context, user, password);
  },
});
