// What a command gets: its words, its options, where to write, and the running system when it asks for it.
import type { Logger } from '../base/index.ts';
import type { Config } from '../config.ts';
import type { Admin, ServerModule } from './admin.ts';

/** Where a command reads and writes; tests give their own. */
export interface Io {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?(on: boolean): unknown };
  out(text: string): void;
  err(text: string): void;
  env: NodeJS.ProcessEnv;
  /** src/server.ts, loaded when it is needed. */
  server(): Promise<ServerModule>;
}

export interface Context extends Io {
  config: Config;
  logger: Logger;
  /** What stands after the command's own words. */
  words: readonly string[];
  /** Options of the command: text, or true where the option takes no value. */
  options: ReadonlyMap<string, string | true>;
  /** Opens the administration once; it is closed after the command. */
  admin(): Promise<Admin>;
}

/** Gives the exit status; nothing means 0. */
export type Run = (context: Context) => Promise<number | void>;
