// `colombier --help`.
import { settings } from '../settings.ts';
import { type Command, commands } from './commands.ts';

const pad = (rows: [string, string][], gap = 2): string => {
  const width = Math.max(...rows.map(([a]) => a.length)) + gap;
  return rows.map(([a, b]) => `  ${a.padEnd(width)}${b}\n`).join('');
};

/** What options do, with the word for a value; `undelete all` is the one of that command. */
const OPTIONS: Readonly<Record<string, readonly [value: string, help: string]>> = {
  address: ['ADDRESS', 'of the first user, where there is no user yet [me@colombier.test]'],
  'password-stdin': ['', 'passwords and recovery codes come from standard input, one a line'],
  'recovery-code': ['', 'asks for the recovery code in place of the password'],
  generate: ['', 'makes a password up and prints it'],
  bytes: ['N', 'of all mail, such as 5000000000 or 5G (1024 each)'],
  messages: ['N', 'how many'],
  'user quota none': ['', 'as much as there is room for'],
  junk: ['N', 'from this score on mail goes to Junk, such as 4.5'],
  reject: ['N', 'from this score on mail is refused'],
  'user spam none': ['', "rspamd's own scores count again"],
  remove: ['ID', 'takes that app password back; user show tells the ids'],
  id: ['ID', 'brings back the message that has this id in the list'],
  'undelete all': ['', 'brings all of it back'],
  off: ['', 'lets it go again'],
  silent: ['', 'nobody is told, not its sender either'],
  'check all': ['', 'all users, one after the other'],
  repair: ['', 'mends what can be mended; with a password more can'],
};
const optionOf = (c: Command, name: string) => OPTIONS[`${c.name} ${name}`] ?? OPTIONS[name];

const signature = (c: Command) => `${c.name}${c.usage === '' ? '' : ` ${c.usage}`}`;

/** All commands and settings. */
export function help(): string {
  const rows = Object.entries(settings).map(([name, s]): [string, string] => [
    `${s.secret ? '' : '--'}${name.toLowerCase().replaceAll('_', '-')}`,
    `${s.help} [${s.default === '' ? (s.shown ?? 'none') : s.default}]`,
  ]);
  return [
    'usage: colombier COMMAND [WORDS] [--SETTING VALUE]\n',
    '       colombier help COMMAND: its own options; colombier --version\n\n',
    'Commands:\n',
    pad(commands.map((c) => [signature(c), c.help])),
    '\nPasswords are asked for (new ones twice), or read from standard input with --password-stdin:\n',
    'one line each, in the order old password or recovery code, new password.\n\n',
    'Settings, each also as variable (--smtp-port is COLOMBIER_SMTP_PORT) or as a line of the\n',
    'config file (smtp-port = 1025); the flag counts before the variable, the variable before the file.\n',
    'Those without -- are secrets, and no flags: others could read them.\n',
    pad(rows),
  ].join('');
}

/** One command. */
export function helpOf(c: Command): string {
  const rows = Object.keys(c.options).map((name): [string, string] => {
    const [value, text] = optionOf(c, name);
    return [`--${name}${value && ` ${value}`}`, text];
  });
  const options = rows.length === 0 ? '' : `\n${pad(rows)}`;
  return `usage: colombier ${signature(c)}${rows.map(([option]) => ` [${option}]`).join('')}\n\n${c.help}\n${options}`;
}
