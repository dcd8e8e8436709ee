// What connections need of their server.
import type { SecureContext } from 'node:tls';
import type { Clock, Limits, Logger } from '../base/index.ts';
import type { Connection } from './conn.ts';
import type { Backend } from './session.ts';
import type { Turns } from './turns.ts';
import type { CommandRoom } from './wire/index.ts';

export interface Host {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hostname: string;
  /** Other limits than everybody's: for tests. */
  readonly limits?: Limits;
  /** Capabilities that are not offered, in upper case. */
  readonly withheld: ReadonlySet<string>;
  readonly turns: Turns;
  readonly commandRoom: CommandRoom;
  /** Null: no TLS here. */
  secureContext(): SecureContext | null;
  closed(connection: Connection): void;
  /** A bug ended a connection. */
  failed(): void;
  /** A tagged answer, without its tag: for numbers. */
  answered?(answer: string): void;
}
