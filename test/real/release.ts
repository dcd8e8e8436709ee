// A whole store as a release left it, with all that a person saw in it: kept for ever, and opened by every later release.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Imap } from './imap.ts';
import type { Person, Site } from './site.ts';

export interface Frozen {
  version: string;
  /** Whose code wrote it. */
  commit: string;
  person: Person;
  appPassword: string;
  /** By mailbox: what is told at opening, and each message. */
  seen: Record<string, string[]>;
  /** By path below the folder: bytes in base64, and the time of the file (ms since 1970), which says when an object was stored. */
  files: Record<string, { bytes: string; at: number }>;
}

const folder = new URL('../../fixtures/releases/', import.meta.url);
export const releases = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
export const frozen = (version: string): Frozen => JSON.parse(readFileSync(new URL(`${version}.json`, folder), 'utf8')) as Frozen;
export const keep = (release: Frozen): void => writeFileSync(new URL(`${release.version}.json`, folder), `${JSON.stringify(release, null, 1)}\n`);

/** All that a mail app goes by. What is rendered from the message (ENVELOPE, BODYSTRUCTURE) may get better. */
export async function seenBy(imap: Imap): Promise<Record<string, string[]>> {
  const seen: Record<string, string[]> = {};
  for (const row of (await imap.ok('LIST "" "*"')).filter((line) => line.startsWith('LIST '))) {
    const name = /"?([^" ]+)"?$/.exec(row)![1];
    const opened = (await imap.ok(`EXAMINE ${name} (CONDSTORE)`)).filter((line) => /EXISTS|UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ/.test(line));
    const rows = opened[0].startsWith('0 ') ? [] : await imap.ok('FETCH 1:* (UID MODSEQ FLAGS INTERNALDATE RFC822.SIZE EMAILID THREADID SAVEDATE BODY.PEEK[])');
    await imap.ok('UNSELECT');
    seen[name] = [...opened, ...rows.map((row) => row.replace(/BODY\[\] \{\d+\}\r\n([^]*)\)$/, (_, body: string) => `BODY[] ${createHash('sha256').update(body, 'latin1').digest('hex')})`))];
  }
  return seen;
}

/** The files of a site, by their paths. */
export function filesOf(site: Site): Frozen['files'] {
  const files: Frozen['files'] = {};
  for (const entry of readdirSync(site.folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[relative(site.folder, path)] = { bytes: readFileSync(path).toString('base64'), at: Math.floor(statSync(path).mtimeMs) };
  }
  return files;
}

export function thaw(release: Frozen, site: Site): void {
  for (const [path, { bytes, at }] of Object.entries(release.files)) {
    const file = join(site.folder, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, Buffer.from(bytes, 'base64'), { mode: 0o600 });
    utimesSync(file, at / 1000, at / 1000);
  }
}

export const root = fileURLToPath(new URL('../..', import.meta.url));
