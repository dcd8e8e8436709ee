// What the command line of the bench asks for.
import { parseArgs } from 'node:util';

export interface Arguments {
  store: 'disk' | 's3';
  /** Keys of rows, or beginnings of them; empty: all. */
  rows: string[];
  quick: boolean;
  help: boolean;
  /** Leaves Dovecot out. */
  alone: boolean;
  /** Folder for CPU profiles of the replica, or null. */
  profile: string | null;
}

export const HELP = `usage: npm run bench -- [--store disk|s3] [--rows NAME,NAME] [--quick] [--alone] [--profile FOLDER]

Measures Colombier, and Dovecot beside it in the same run where it is installed (Debian: dovecot-imapd dovecot-lmtpd).

  --store disk|s3    what Colombier keeps its objects in: a temp folder (default), or Garage (npm run garage builds it)
  --rows NAME,NAME   only rows whose name begins so; --help lists them (million: only when it is named)
  --quick            fewer and shorter rounds, and no 100,000 messages
  --alone            without Dovecot
  --profile FOLDER   the replica writes a CPU profile there whenever it ends
`;

/** Throws an Error with one line for what it does not know. */
export function parseArguments(argv: string[]): Arguments {
  const { values } = parseArgs({
    args: argv,
    options: {
      store: { type: 'string', default: 'disk' },
      rows: { type: 'string', default: '' },
      quick: { type: 'boolean', default: false },
      alone: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.store !== 'disk' && values.store !== 's3') throw new Error(`--store: "${values.store}" is neither disk nor s3`);
  const rows = values.rows.split(',').map((r) => r.trim()).filter((r) => r !== '');
  return { store: values.store, rows, quick: values.quick, help: values.help, alone: values.alone, profile: values.profile ?? null };
}
