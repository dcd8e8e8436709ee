// AUTHENTICATE: RFC 9051 §6.2.2 with PLAIN (RFC 4616), SCRAM-SHA-256 and -PLUS (RFC 7677), and the initial response of
// RFC 4959.
import { timingSafeEqual } from 'node:crypto';
import { Malformed, Refused } from '../../base/index.ts';
import { mechanisms } from '../capabilities.ts';
import { decodeBase64, parseClientFinal, parseClientFirst } from '../sasl/scram.ts';
import { decodeUtf8 } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';
import { logIn, loggedIn, requirePrivacy } from './login.ts';

/** Authorization identity, name, password (RFC 4616 §2). Throws Malformed. */
function plain(response: string): { as: string; user: string; password: string } {
  const parts = decodeUtf8(decodeBase64(response).toString('latin1')).split('\0');
  if (parts.length !== 3 || parts[1] === '') throw new Malformed('PLAIN expects NUL name NUL password');
  return { as: parts[0], user: parts[1], password: parts[2] };
}

function checkIdentity(as: string, user: string): void {
  if (as !== '' && as !== user) throw new Refused('nobody may log in as someone else', 'AUTHORIZATIONFAILED');
}

/** The client's next message, in base64. Throws Malformed when it gives up. */
async function ask(context: Context, challenge: string): Promise<string> {
  const response = await context.readLine(`+ ${challenge}`);
  if (response === '*') throw new Malformed('AUTHENTICATE given up');
  return response;
}

async function scram(context: Context, initial: string | null, plus: boolean): Promise<string> {
  const offered = mechanisms(context).includes('SCRAM-SHA-256-PLUS');
  const first = parseClientFirst(initial ?? (await ask(context, '')), plus, offered);
  checkIdentity(first.as ?? '', first.user);
  const { backend, remote } = context;
  const { salt, iterations, nonce } = await backend.scramSalt(first.user, remote);
  const serverFirst = `r=${first.nonce}${nonce},s=${salt.toString('base64')},i=${iterations}`;
  const final = parseClientFinal(await ask(context, Buffer.from(serverFirst).toString('base64')));
  if (final.nonce !== first.nonce + nonce) throw new Refused('the nonce is another', 'AUTHENTICATIONFAILED');
  // The channel that the client sees is ours, and what it said first was not altered (§5.1, §6).
  const bound = plus ? context.channelBinding() : Buffer.alloc(0);
  const expected = bound === null ? null : Buffer.concat([Buffer.from(first.header), bound]);
  if (expected === null || expected.length !== final.binding.length || !timingSafeEqual(expected, final.binding)) throw new Refused('the channel is another', 'AUTHENTICATIONFAILED');
  const authMessage = Buffer.from(`${first.bare},${serverFirst},${final.withoutProof}`);
  const { session, serverSignature } = await backend.scramLogin(first.user, { iterations, authMessage, proof: final.proof }, remote);
  try {
    // IMAP has no room for the server's proof in its tagged answer: it is one more challenge, and the client says nothing to it.
    if ((await ask(context, Buffer.from(`v=${serverSignature.toString('base64')}`).toString('base64'))) !== '') throw new Malformed('an empty line expected');
  } catch (e) {
    session.close();
    throw e;
  }
  return loggedIn(context, session);
}

export const authenticate = command<{ mechanism: string; initial: string | null }>({
  when: 'not authenticated',
  parse(args, _byUid, context) {
    args.sp();
    const mechanism = args.keyword();
    requirePrivacy(context);
    if (!mechanisms(context).includes(mechanism)) throw new Refused('no such mechanism', 'CANNOT');
    if (args.done) return { mechanism, initial: null };
    args.sp();
    const initial = args.text.slice(args.at);
    args.at = args.text.length;
    return { mechanism, initial: initial === '=' ? '' : initial };
  },
  async run(context, { mechanism, initial }) {
    if (mechanism !== 'PLAIN') return scram(context, initial, mechanism.endsWith('-PLUS'));
    const { as, user, password } = plain(initial ?? (await ask(context, '')));
    checkIdentity(as, user);
    return logIn(context, user, password);
  },
});
