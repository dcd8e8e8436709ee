// `colombier --help`.
import { settings } from '../settings.ts';
import { type Command, commands } from './commands.ts';

const pad = (rows: [string, string][], gap = 2): string => {
  const width = Math.max(...rows.map(([a]) => a.length)) + gap;
  return rows.map(([a, b]) => `  ${a.padEnd(width)}${b}\n`).join('');
};

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
  const options = Object.entries(c.options).map(([name, value]) => ` [--${name}${value ? ` ${name === 'remove' ? 'ID' : name.toUpperCase()}` : ''}]`);
  return `usage: colombier ${signature(c)}${options.join('')}\n\n${c.help}\n`;
}
