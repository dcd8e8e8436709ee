// The secret that all replicas share and the store has not: given, or made at the very first start and kept with the settings.
import { link, open, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Malformed, fileFault, type Random } from './base/index.ts';
import type { Config } from './config.ts';
import { createClusterSecret } from './seal/index.ts';
import { makeFolders } from './store/index.ts';

/** Characters of a given secret: 32 of base 64 hold more than 128 bits. */
const SECRET_CHARS_MIN = 32;

/**
 * The cluster secret as text. Where the file is missing it is made if `mayMake` (the store is empty: nothing was sealed under
 * another one), else Malformed says to copy it from another replica.
 */
export async function clusterSecret(config: Pick<Config, 'clusterSecret'>, random: Random, mayMake: () => Promise<boolean>): Promise<{ secret: string; made: boolean }> {
  const c = config.clusterSecret;
  if ('value' in c) return { secret: checked(c.value.trim(), 'cluster-secret'), made: false };
  const there = await read(c.file);
  if (there !== null) return { secret: there, made: false };
  if (!(await mayMake())) throw new Malformed(`cluster-secret-file: ${c.file} is missing, and the store holds data already: copy the file from where it was made`);
  const made = await make(c.file, `${c.file}.${random.bytes(6).toString('hex')}.new`, createClusterSecret(random));
  // Of two processes that start at once the first one's counts.
  return { secret: (await read(c.file))!, made };
}

function checked(secret: string, name: string): string {
  if (secret.length < SECRET_CHARS_MIN) throw new Malformed(`${name}: needs at least ${SECRET_CHARS_MIN} characters`);
  return secret;
}

async function read(file: string): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return null;
    throw new Malformed(`cluster-secret-file: cannot read ${file}: ${fileFault(e)}`);
  }
  return checked(text.trim(), `cluster-secret-file ${file}`);
}

/** True when the file was made here. Whole or not at all: written beside, fsynced, linked under its name. */
async function make(file: string, beside: string, secret: string): Promise<boolean> {
  try {
    makeFolders(dirname(file));
    const handle = await open(beside, 'w', 0o600);
    try {
      await handle.writeFile(`${secret}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    try {
      await link(beside, file);
      return true;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw e;
    } finally {
      await unlink(beside);
    }
  } catch (e) {
    throw new Malformed(`cluster-secret-file: cannot write ${file}: ${fileFault(e)}`);
  }
}
