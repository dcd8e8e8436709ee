// What the file system says, as one of the four errors with a text for the administrator.
import { Corrupt, Malformed, Refused, Unavailable } from '../base/index.ts';

const TEXTS: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  ENOENT: 'the folder is not there; is its disk mounted?',
  EACCES: 'the folder may not be read or written by this user',
  EPERM: 'the folder may not be changed by this user',
  EIO: 'the disk gives input/output errors',
  EMFILE: 'too many files are open in this process',
  ENFILE: 'too many files are open on this machine',
};

/** What only an administrator ends. */
const LASTING = new Set(['ENOENT', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM']);

export const codeOf = (e: unknown): string => (e as NodeJS.ErrnoException)?.code ?? '';

/** Nothing is there: the file or a folder above it is missing. */
export const isAbsent = (e: unknown): boolean => codeOf(e) === 'ENOENT' || codeOf(e) === 'ENOTDIR';

/** `what` names the store's folder. Our own errors pass unchanged. */
export function diskError(e: unknown, what: string): Error {
  if (e instanceof Unavailable || e instanceof Corrupt || e instanceof Malformed || e instanceof Refused) return e;
  const code = codeOf(e);
  if (code === '') return e instanceof Error ? e : new Error(String(e));
  if (code === 'EISDIR' || code === 'ENOTDIR' || code === 'ENOTEMPTY' || code === 'EEXIST') return new Malformed(`a name can't be an object and the beginning of others at once (${code})`);
  return new Unavailable(`disk store ${what}: ${TEXTS[code] ?? 'the file system refuses'} (${code})`, { cause: e, lasting: LASTING.has(code) });
}
