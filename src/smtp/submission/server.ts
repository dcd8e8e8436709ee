// Listening for mail apps that send (RFC 6409): with STARTTLS, or with TLS from the first byte (RFC 8314 §3.3).
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { limits as defaultLimits, setRemoteAddress } from '../../base/index.ts';
import { libraryServer } from '../host.ts';
import { MailServer } from '../server.ts';
import type { MailServerOptions, Served } from '../server.ts';
import { SubmissionConnection } from './connection.ts';
import type { SubmissionHost } from './connection.ts';
import type { Submitter } from './submitter.ts';

export interface SubmissionServerOptions extends Omit<MailServerOptions, 'receiver' | 'screen'> {
  submitter: Submitter;
  /** The Received field doesn't tell where the mail app was. */
  hideClient: boolean;
  implicitTls: boolean;
}

function hostOf(o: SubmissionServerOptions): SubmissionHost {
  const { hostname, tls, clock, random, logger, limits = defaultLimits, submitter, hideClient, proxies } = o;
  const host = { lmtp: false, receiver: null as never, hostname, tls, limits, clock, random, logger: logger.room('submission'), draining: false, submitter, hideClient, proxies };
  const library = libraryServer(host);
  library.onAuth = authenticate as never;
  Object.assign(library.options, {
    disabledCommands: (library.options.disabledCommands ?? []).filter((c) => c !== 'AUTH'),
    authMethods: ['PLAIN', 'LOGIN'],
    allowInsecureAuth: true, // the connection decides
    hideDSN: false,
    hideREQUIRETLS: false,
  });
  return Object.assign(host, { library });
}

export class SubmissionServer extends MailServer<SubmissionHost> {
  constructor(options: SubmissionServerOptions) {
    const { implicitTls } = options;
    super('submission', hostOf(options), options.admission, (host, socket, closed): Served => {
      const secured = implicitTls ? overTls(host, socket) : socket;
      const connection = new SubmissionConnection(host, secured, closed);
      // The library asks its server, and tells it the session.
      bySession.set(connection.session, connection);
      return connection;
    });
  }
}

const bySession = new WeakMap<object, SubmissionConnection>();

function overTls(host: SubmissionHost, socket: Socket): TLSSocket {
  const secured = new TLSSocket(socket, { isServer: true, secureContext: host.tls() ?? undefined, minVersion: 'TLSv1.2' } as never);
  // Of itself it asks the system, which knows no more than the load balancer.
  setRemoteAddress(secured, socket.remoteAddress ?? '', socket.remotePort ?? 0);
  const cancel = host.clock.after(host.limits.tls_handshake_ms_max, () => socket.destroy());
  secured.once('secure', cancel);
  secured.once('close', cancel);
  return secured;
}

function authenticate(credentials: { username: string; password: string }, session: object, verdict: Parameters<SubmissionConnection['authenticate']>[1]): void {
  bySession.get(session)!.authenticate(credentials, verdict);
}
