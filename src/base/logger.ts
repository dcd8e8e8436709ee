// Log lines: one event a line, `time level room message key=value …`, to standard error. Never a secret, a password
// or a message: callers pass ids, counts, sizes and addresses of peers only.

export type Level = 'debug' | 'info' | 'warn' | 'error';
export type Fields = Record<string, string | number | boolean | null | undefined>;

export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** The same logger for another room. */
  room(name: string): Logger;
}

const LEVELS: Level[] = ['debug', 'info', 'warn', 'error'];
// A stranger's text (a HELO name, a mailbox) must not forge a line: everything unusual is JSON-quoted.
const PLAIN = /^[\x21\x23-\x3c\x3e-\x5b\x5d-\x7e]+$/;

function render(fields: Fields): string {
  let text = '';
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const s = String(value).slice(0, 300);
    text += ` ${key}=${PLAIN.test(s) ? s : JSON.stringify(s)}`;
  }
  return text;
}

/** A logger that writes lines of `level` and above. */
export function createLogger(level: Level, write: (line: string) => void = (l) => process.stderr.write(l), room = '-'): Logger {
  const from = LEVELS.indexOf(level);
  const at = (l: Level) => (message: string, fields: Fields = {}) => {
    if (LEVELS.indexOf(l) < from) return;
    write(`${new Date().toISOString()} ${l} ${room} ${message.replace(/[\x00-\x1f\x7f]/g, ' ')}${render(fields)}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), room: (name) => createLogger(level, write, name) };
}

/** Says nothing: for tests. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, room: () => silent };
