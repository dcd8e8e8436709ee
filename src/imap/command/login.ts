import { Refused } from '../../base/index.ts';
import { capabilities, mayLogin } from '../capabilities.ts';
import type { Session } from '../session.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';

/** Logs in and gives the text of the tagged OK. */
export async function logIn(context: Context, user: string, password: string): Promise<string> {
  requirePrivacy(context);
  return loggedIn(context, await context.backend.login(user, password, context.remote));
}

/** The session is the connection's from here on; the text of the tagged OK. */
export function loggedIn(context: Context, session: Session): string {
  context.authenticated(session);
  return `[CAPABILITY ${capabilities(context)}] logged in`;
}

/** RFC 9051 §6.2.3: LOGINDISABLED. The password may have been sent already; at least it is never accepted. */
export function requirePrivacy(context: Context): void {
  if (!mayLogin(context)) throw new Refused('passwords are accepted under TLS only', 'PRIVACYREQUIRED');
}

/** RFC 9051 §6.2.3. Name and password are UTF-8. */
export const login = command<{ user: string; password: string }>({
  when: 'not authenticated',
  parse(args) {
    args.sp();
    const user = args.utf8String();
    args.sp();
    return { user, password: args.utf8String() };
  },
  run: (context, { user, password }) => logIn(context, user, password),
});
