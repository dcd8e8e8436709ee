// What the connections of one server share, for us and for the library.
import type { SecureContext } from 'node:tls';
import type { SMTPServer } from 'smtp-server';
import type { Clock, Limits, Logger, Proxies, Random } from '../base/index.ts';
import type { Receiver } from './receiver.ts';
import type { Screen } from './screen.ts';

export interface Host {
  readonly lmtp: boolean;
  readonly receiver: Receiver;
  readonly hostname: string;
  /** The certificate in force now; null: no STARTTLS. */
  readonly tls: () => SecureContext | null;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  draining: boolean;
  /** Judges what strangers send. */
  readonly screen?: Screen;
  /** Whose word about a connection's origin is believed. */
  readonly proxies?: Proxies;
  readonly library: SMTPServer;
}

const nothing = () => {};
const noLogger = { info: nothing, debug: nothing, error: nothing, warn: nothing };
const straightOn = (_: unknown, callback: () => void) => callback();

/**
 * The part of the library's server that its connections ask for. Its own server class listens on one address, brings a
 * certificate whose key everybody knows, and loads an HTTP client; none of it is wanted.
 */
export function libraryServer(host: Omit<Host, 'library'>): SMTPServer {
  const { limits, lmtp, hostname, tls } = host;
  return {
    options: {
      lmtp,
      name: hostname,
      size: limits.message_bytes_max,
      heloResponse: '%s',
      disabledCommands: ['AUTH', 'XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL', 'HELP'],
      authMethods: [],
      authOptional: true,
      hideENHANCEDSTATUSCODES: false,
      hideDSN: true,
      hideREQUIRETLS: true,
      disableReverseLookup: true,
      maxCommandLength: limits.smtp_line_bytes_max,
      socketTimeout: limits.smtp_idle_ms_max,
    },
    logger: noLogger,
    secureContext: { get: () => tls() ?? undefined },
    _resolveSNI: (_name: string, callback: (e: null, context: SecureContext | null) => void) => callback(null, tls()),
    connections: new Set(),
    _closeTimeout: false,
    onConnect: straightOn,
    onSecure: (_socket: unknown, _session: unknown, callback: () => void) => callback(),
    onClose: nothing,
  } as unknown as SMTPServer;
}
