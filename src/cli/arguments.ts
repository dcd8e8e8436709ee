// From the words of the command line to a command, its words and options, and settings.
import { Malformed } from '../base/index.ts';
import { didYouMean, flagNames, flagOf, settingNamed, type Values } from '../config.ts';
import { settings } from '../settings.ts';
import { type Command, commands } from './commands.ts';

export type Parsed =
  | { kind: 'help'; commands: readonly Command[] | null }
  | { kind: 'version' }
  | { kind: 'command'; command: Command; words: string[]; options: Map<string, string | true>; settings: Values };

/** Throws Malformed for what it does not know. */
export function parseArguments(argv: readonly string[]): Parsed {
  const words: string[] = [];
  const flags: { name: string; value: string | null; next: string | null; at: number }[] = [];
  // First pass: words alone decide the command, and the command decides which options take a value.
  let onlyWords = false;
  const isFlag = (w: string) => !onlyWords && /^--?[a-zA-Z]/.test(w);
  const rest = [...argv];
  const takesValue = (name: string) => settingNamed(name) !== null || commands.some((c) => c.options[name] === true);
  for (let i = 0; i < rest.length; i++) {
    const w = rest[i];
    if (w === '--' && !onlyWords) {
      onlyWords = true;
    } else if (isFlag(w)) {
      const name = w.replace(/^--?/, '').replace(/=.*$/s, '');
      const value = w.includes('=') ? w.slice(w.indexOf('=') + 1) : null;
      const next = value === null && takesValue(name) ? (rest[++i] ?? null) : null;
      flags.push({ name, value, next, at: i });
    } else {
      words.push(w);
    }
  }
  const has = (...names: string[]) => flags.some((f) => names.includes(f.name));
  if (has('version', 'V')) return { kind: 'version' };
  if (words[0] === 'help') return { kind: 'help', commands: about(words.slice(1)) };
  if (has('help', 'h')) return { kind: 'help', commands: about(words) };
  if (words.length === 0) return flags.length === 0 ? { kind: 'help', commands: null } : fail('no command given; colombier help lists all');
  const command = find(words) ?? unknownCommand(words);
  const given: Values = {};
  const options = new Map<string, string | true>();
  for (const f of flags) {
    const value = f.value ?? f.next;
    const setting = settingNamed(f.name);
    if (setting !== null) {
      if (settings[setting].secret) fail(`a secret is never given as an argument, where others can read it; use --${flagOf(setting)}-file, or COLOMBIER_${setting}`);
      if (value === null) fail(`--${f.name} needs a value`);
      given[setting] = value!;
    } else if (f.name in command.options) {
      if (command.options[f.name] && value === null) fail(`--${f.name} needs a value`);
      if (!command.options[f.name] && value !== null) fail(`--${f.name} takes no value`);
      options.set(f.name, value ?? true);
    } else if (/^(old-|new-)?pass(word)?$|^recovery-code$/.test(f.name)) {
      fail('a password is never given as an argument, where others can read it; use --password-stdin');
    } else {
      fail(`unknown option --${f.name}${didYouMean(f.name, [...Object.keys(command.options), ...flagNames])}`);
    }
  }
  const own = words.slice(command.name.split(' ').length);
  const most = command.usage.split(' ').filter((w) => w !== '').length;
  const least = command.usage.split(' ').filter((w) => w !== '' && !w.startsWith('[')).length;
  if (own.length < least || own.length > most) fail(`usage: colombier ${command.name}${command.usage === '' ? '' : ` ${command.usage}`}`);
  return { kind: 'command', command, words: own, options, settings: given };
}

function find(words: readonly string[]): Command | null {
  return commands.find((c) => c.name === words.slice(0, c.name.split(' ').length).join(' ')) ?? null;
}

/** What help is wanted of: a command, all that begin so (`user`), or everything (null). */
function about(words: readonly string[]): readonly Command[] | null {
  if (words.length === 0) return null;
  const one = find(words);
  if (one !== null) return [one];
  const group = commands.filter((c) => c.name.startsWith(`${words.join(' ')} `));
  return group.length > 0 ? group : unknownCommand(words);
}

function unknownCommand(words: readonly string[]): never {
  const inGroup = commands.filter((c) => c.name.startsWith(`${words[0]} `));
  if (inGroup.length > 0) {
    const verbs = inGroup.map((c) => c.name.slice(words[0].length + 1));
    if (words.length === 1) fail(`${words[0]} needs one of ${verbs.join(', ')}`);
    const longer = commands.filter((c) => c.name.startsWith(`${words[0]} ${words[1]} `)).map((c) => c.name.split(' ')[2]);
    if (longer.length > 0) fail(`${words[0]} ${words[1]} needs one of ${longer.join(', ')}`);
    fail(`unknown command "${words[0]} ${words[1]}"${didYouMean(words[1], verbs)}`);
  }
  fail(`unknown command "${words[0]}"${didYouMean(words[0], commands.map((c) => c.name.split(' ')[0]))}`);
}

function fail(text: string): never {
  throw new Malformed(text);
}
