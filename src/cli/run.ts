// One run of the command line: from words to exit status.
import { Corrupt, ReplicaAway, Unavailable, createLogger, reason, silent } from '../base/index.ts';
import { readConfig } from '../config.ts';
import { parseArguments } from './arguments.ts';
import type { Admin } from './admin.ts';
import type { Io } from './context.ts';

/** Runs one command; gives the exit status. Whatever goes wrong is one clear line. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let debug = false;
  try {
    const parsed = parseArguments(argv);
    if (parsed.kind === 'version') {
      io.out(`colombier ${await version()}\n`);
      return 0;
    }
    if (parsed.kind === 'help') {
      const { help, helpOf } = await import('./help.ts');
      io.out(parsed.commands === null ? help() : parsed.commands.map(helpOf).join('\n'));
      return 0;
    }
    const config = readConfig(parsed.settings, io.env);
    debug = config.logLevel === 'debug';
    const serves = parsed.command.name === 'start' || parsed.command.name === 'serve';
    // Of a command's own work only what is wrong is told, beside its answer.
    const logger = createLogger(serves || debug ? config.logLevel : config.logLevel === 'error' ? 'error' : 'warn', io.err);
    let admin: Promise<Admin> | null = null;
    const { words, options } = parsed;
    const command = await parsed.command.load();
    try {
      const status = await command({
        ...io,
        config,
        logger: parsed.command.name === 'check' ? silent : logger,
        words,
        options,
        admin: () => (admin ??= io.server().then((s) => s.admin(config, logger, parsed.command.begins === true))),
      });
      return status ?? 0;
    } finally {
      if (admin !== null) await (await (admin as Promise<Admin>).catch(() => null))?.close();
    }
  } catch (e) {
    io.err(`colombier: ${oneLine(e)}\n`);
    if (debug && e instanceof Error) io.err(`${e.stack}\n`);
    return 1;
  }
}

const KINDS = ['Malformed', 'Refused', 'Unavailable', 'Corrupt'];

function oneLine(e: unknown): string {
  const text = e instanceof Error && KINDS.includes(e.name) ? e.message : reason(e);
  const kind = e instanceof Unavailable && !(e instanceof ReplicaAway) ? 'store not available: ' : e instanceof Corrupt ? 'store damaged: ' : '';
  return `${kind}${text}`.replace(/[\x00-\x1f\x7f]+/g, ' ').trim();
}

async function version(): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return (JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}
