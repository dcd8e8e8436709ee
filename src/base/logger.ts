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
// What JSON leaves as it is and a terminal does not show: controls above ASCII, line ends of Unicode, changes of direction.
const UNSEEN = /[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const quoted = (s: string): string => JSON.stringify(s).replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

function render(fields: Fields): string {
  let text = '';
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const s = String(value).slice(0, 300);
    text += ` ${key}=${PLAIN.test(s) ? s : quoted(s)}`;
  }
  return text;
}

/** A logger that writes lines of `level` and above. */
export function createLogger(level: Level, write: (line: string) => void = (l) => process.stderr.write(l), room = '-'): Logger {
  const from = LEVELS.indexOf(level);
  const at = (l: Level) => (message: string, fields: Fields = {}) => {
    if (LEVELS.indexOf(l) < from) return;
    write(`${new Date().toISOString()} ${l} ${room} ${message.replace(/[\x00-\x1f]/g, ' ').replace(UNSEEN, ' ')}${render(fields)}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), room: (name) => createLogger(level, write, name) };
}

/** Says nothing: for tests. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, room: () => silent };
