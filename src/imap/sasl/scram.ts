// The messages of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802 §5 to §7, RFC 7677), as text; what they prove is the
// account's. Channel binding is tls-exporter (RFC 9266) alone.
import { Malformed, Refused } from '../../base/index.ts';

export interface ClientFirst {
  user: string;
  /** Null: as itself. */
  as: string | null;
  /** The gs2 header, which comes again in the last message. */
  header: string;
  bare: string;
  nonce: string;
}
export interface ClientFinal {
  /** The gs2 header again, and behind it what the channel is bound to. */
  binding: Buffer;
  nonce: string;
  proof: Buffer;
  withoutProof: string;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** A client that sends more has no reason to. */
const MESSAGE_CHARS_MAX = 4096;

/** Throws Malformed. */
export function decodeBase64(text: string): Buffer {
  if (!BASE64.test(text)) throw new Malformed('base64 expected');
  return Buffer.from(text, 'base64');
}

function message(text: string): string {
  if (text.length > MESSAGE_CHARS_MAX) throw new Malformed('the message is too long');
  return decodeBase64(text).toString('utf8');
}

/** `=2C` and `=3D` stand for a comma and an equals sign; nothing else may (§5.1). */
function saslName(text: string): string {
  if (/=(?!2C|3D)/.test(text) || text === '' || text.includes('\0')) throw new Malformed('that is no name in SCRAM');
  return text.replace(/=2C/g, ',').replace(/=3D/g, '=');
}

/** `n,,n=user,r=nonce`. `plus`: the mechanism is -PLUS; `offered`: -PLUS was offered. Throws Malformed, Refused. */
export function parseClientFirst(encoded: string, plus: boolean, offered: boolean): ClientFirst {
  const text = message(encoded);
  const found = /^(n|y|p=([^,]*)),(?:a=([^,]*))?,(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/s.exec(text);
  if (found === null) throw new Malformed(/^[^,]*,[^,]*,m=/.test(text) ? 'no extension of SCRAM is known here' : 'that is no first message of SCRAM');
  const [, flag, bound, as, bare, user, nonce] = found;
  if (plus !== (bound !== undefined)) throw new Malformed(plus ? 'this mechanism binds the channel' : 'this mechanism does not bind the channel');
  if (bound !== undefined && bound !== 'tls-exporter') throw new Refused('channels are bound by tls-exporter only', 'CANNOT');
  // §6: the client thinks that we can't, though we offered it; somebody between us has taken it out.
  if (flag === 'y' && offered) throw new Refused('this server binds channels, and what it offered was altered', 'AUTHENTICATIONFAILED');
  return { user: saslName(user), as: as ? saslName(as) : null, header: text.slice(0, text.length - bare.length), bare, nonce };
}

/** `c=…,r=nonce,p=…`. Throws Malformed. */
export function parseClientFinal(encoded: string): ClientFinal {
  const text = message(encoded);
  const found = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,(?!p=)[A-Za-z]=[^,]*)*),p=([A-Za-z0-9+/=]+)$/.exec(text);
  if (found === null) throw new Malformed('that is no last message of SCRAM');
  const [, withoutProof, binding, nonce, proof] = found;
  return { binding: decodeBase64(binding), nonce, proof: decodeBase64(proof), withoutProof };
}
