// Journals that dead processes left (disk-journal.ts). First all that they made durable is shown again, as far as it is gone: after
// a power cut that is what the kernel had not written. Then, in the background, it is made durable in its own place, and the
// journals are removed.
//
// While the machine is still the one that wrote it (Head.boot) nothing that had been shown can be lost, so what is missing was
// deleted since, or never shown. It is shown then only if it had been shown (a disk that was pulled out), or is so young that its
// PUT might as well be under way: a replica reckons with PUTs that land within a put window, and with no later ones.
import fs from 'node:fs';
import { limits, reason } from '../base/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import { isAbsent } from './disk-error.ts';
import { readTrailer, TRAILER_BYTES } from './disk-file.ts';
import { makeFolders } from './disk-folders.ts';
import type { DiskFolders } from './disk-folders.ts';
import { placeOf } from './disk-path.ts';
import { decodeHead, decodeRecords } from './journal-record.ts';
import type { JournalRecord } from './journal-record.ts';
import { journalsIn, lives, remove } from './journal-owner.ts';
import { settle } from './journal-settle.ts';

export interface RecoveryOptions {
  /** The store's folder `journal`, which may be missing. */
  folder: string;
  objects: string;
  /** Path of a temp file that nobody has. */
  temp: string;
  boot: string;
  folders: DiskFolders;
  clock: Clock;
  logger: Logger;
}

/** What a name's last record says, in whichever journal. */
interface Last {
  id: string;
  sequence: number;
  time: number;
}

interface Found {
  /** Ids and files of journals whose processes are dead. */
  journals: Map<string, string[]>;
  files: string[];
  paths: Set<string>;
  restored: number;
}

/**
 * Shows all that the journals of dead processes hold; gives the work that is left, to be done in the background, or null. Throws
 * Corrupt for a journal of a newer version, else the file system's own error.
 */
export async function recover(o: RecoveryOptions): Promise<((mayGoOn: () => boolean) => Promise<void>) | null> {
  const found: Found = { journals: await dead(o.folder), files: [], paths: new Set(), restored: 0 };
  if (found.journals.size === 0) return null;
  const last = new Map<string, Last>();
  const complete = new Map<string, number>();
  for (const [id, files] of found.journals) {
    for (const file of files) {
      for (const record of read(file)?.records ?? []) {
        complete.set(id, Math.max(complete.get(id) ?? 0, record.complete));
        const other = last.get(record.name);
        const later = !other || (other.id === id ? record.sequence > other.sequence : record.time > other.time);
        if (record.kind !== 'mark' && later) last.set(record.name, { id, sequence: record.sequence, time: record.time });
      }
    }
  }
  for (const [id, files] of found.journals) {
    for (const file of files) {
      const { boot, records } = read(file) ?? { boot: '', records: [] };
      for (const record of records) {
        const { id: by, sequence } = last.get(record.name) ?? { id: '', sequence: 0 };
        if (record.kind === 'put' && by === id && sequence === record.sequence) show(o, record, boot === o.boot, record.sequence <= complete.get(id)!, found);
      }
    }
  }
  if (found.restored > 0) o.logger.info('brought back from the journal what a power cut had taken', { objects: found.restored });
  return async (mayGoOn) => {
    try {
      await settle(found.files, [...found.paths], o.folders, mayGoOn);
      for (const [id, files] of found.journals) remove(o.folder, id, files);
    } catch (e) {
      o.logger.warn('the journals of dead processes are left for the next start', { why: reason(e) });
    }
  };
}

async function dead(folder: string): Promise<Map<string, string[]>> {
  let journals: Map<string, string[]>;
  try {
    journals = journalsIn(folder);
  } catch (e) {
    if (isAbsent(e)) return new Map();
    throw e;
  }
  for (const id of journals.keys()) if (await lives(folder, id)) journals.delete(id);
  return journals;
}

function read(file: string): { boot: string; records: JournalRecord[] } | null {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (e) {
    if (isAbsent(e)) return null; // another process was quicker
    throw e;
  }
  const head = decodeHead(bytes);
  return head && { boot: head.boot, records: decodeRecords(bytes, head.generation) };
}

function show(o: RecoveryOptions, record: JournalRecord, sameBoot: boolean, wasShown: boolean, found: Found): void {
  const { folder, leaf } = placeOf(record.name);
  const path = folder === '' ? o.objects : `${o.objects}/${folder}`;
  const file = `${path}/${leaf}`;
  found.files.push(file);
  found.paths.add(path);
  const there = readThere(file);
  if (there?.equals(record.file)) return;
  // Another one's bytes, whole, are newer: only presence is ever written twice.
  if (there && sameBoot && isWhole(there, record.name)) return;
  if (!there && sameBoot && !wasShown && o.clock.now() - record.time > limits.put_window_ms) return;
  makeFolders(path);
  fs.writeFileSync(o.temp, record.file, { flag: 'w', mode: 0o600 });
  // What was never seen is as young as now; the age of the others stays.
  if (wasShown) fs.utimesSync(o.temp, record.time / 1000, record.time / 1000);
  fs.renameSync(o.temp, file);
  found.restored++;
}

function readThere(file: string): Buffer | null {
  try {
    return fs.readFileSync(file);
  } catch (e) {
    if (isAbsent(e)) return null;
    throw e;
  }
}

function isWhole(file: Buffer, name: string): boolean {
  const bytes = file.length - TRAILER_BYTES;
  try {
    return bytes >= 0 && readTrailer(file, bytes, bytes, name) !== null;
  } catch {
    return false;
  }
}
