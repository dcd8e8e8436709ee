// Whether a server's TLS is what a policy asks for.
import type { Socket } from 'node:net';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { Unavailable } from '../base/index.ts';
import { checkDane } from './dane.ts';
import type { Demand } from './tls-policy.ts';

/** `type` as RFC 8460 §4.3 calls it. */
export class TlsFailure extends Unavailable {
  readonly type: string;
  constructor(type: string, why: string) {
    super(why);
    this.type = type;
  }
}

const TYPES: Record<string, string> = { CERT_HAS_EXPIRED: 'certificate-expired', ERR_TLS_CERT_ALTNAME_INVALID: 'certificate-host-mismatch' };
const CHAIN_MAX = 10;

/** The certificates that were shown, the server's own first, in DER. */
function chainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let c: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (c?.raw && chain.length < CHAIN_MAX) {
    chain.push(c.raw);
    c = c.issuerCertificate === c ? undefined : c.issuerCertificate;
  }
  return chain;
}

/** Throws TlsFailure; where nothing is enforced, what is wrong is told. `now`: ms since 1970. */
export function checkTls(socket: Socket | null, demand: Demand, now: number): { proven: boolean; failure: TlsFailure | null } {
  const secured = socket !== null && 'encrypted' in socket ? (socket as TLSSocket) : null;
  if (demand.kind === 'dane') {
    if (!secured) throw new TlsFailure('starttls-not-supported', 'it does not offer TLS');
    const why = checkDane(chainOf(secured), demand.records, demand.names, now);
    if (why !== null) throw new TlsFailure('validation-failure', `DANE: ${why}`);
    return { proven: true, failure: null };
  }
  if (demand.kind === 'pkix') {
    const failure = secured === null ? new TlsFailure('starttls-not-supported', 'it does not offer TLS') : secured.authorized ? null : untrusted(secured);
    if (failure && demand.enforce) throw failure;
    return { proven: failure === null, failure };
  }
  if (demand.kind === 'encrypt' && !secured) throw new TlsFailure('starttls-not-supported', 'it does not offer TLS');
  return { proven: false, failure: secured ? null : new TlsFailure('starttls-not-supported', 'it does not offer TLS') };
}

function untrusted(socket: TLSSocket): TlsFailure {
  const error = socket.authorizationError as unknown as (Error & { code?: string }) | string | null;
  const code = typeof error === 'string' ? error : (error?.code ?? 'unknown');
  return new TlsFailure(TYPES[code] ?? 'certificate-not-trusted', `its certificate is not valid for it (${code}), and the policy of the domain (MTA-STS) asks for that`);
}
