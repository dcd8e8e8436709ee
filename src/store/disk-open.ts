// A disk store's folder at the start: made if it is new, checked if it is old, cleared of what dead processes left.
import fs from 'node:fs';
import path from 'node:path';
import { Corrupt, Malformed, Refused, limits, randomId } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import { codeOf, isAbsent } from './disk-error.ts';
import { makeFolders } from './disk-folders.ts';

const FORMAT = /^colombier disk store ([0-9]{1,4})\n$/;
/** 1: without journals. */
const VERSION = 2;
/** What is written in tmp: `<pid>-<id>-<n>`, and a start's own. */
const TEMP = /^(\d+-[a-z0-9]+-(\d+|recovered)|(format|probe)-[a-z0-9]+)$/;

/**
 * `root` is absolute. Gives why this process must write nothing there: root, who can write everywhere, leaves files that the
 * store's owner can't read, which ends their service. Throws Malformed (no folder can be there), Corrupt, or the file system's
 * own error.
 */
export function prepareFolder(root: string, clock: Clock, random: Random, logger: Logger): Refused | null {
  makeFolder(root, new Malformed(`store: ${root} is not a folder, and disk:PATH names one`));
  makeFolder(`${root}/tmp`);
  makeFolder(`${root}/objects`);
  const format = readFormat(`${root}/format`);
  if (format === null) {
    if (fs.readdirSync(`${root}/objects`).length > 0) throw new Corrupt(`disk store ${root}: there are objects, but the file "format" is missing`);
    writeFormat(root, random);
  } else {
    const version = Number(FORMAT.exec(format)?.[1] ?? NaN);
    if (Number.isNaN(version)) throw new Corrupt(`disk store ${root}: the file "format" is damaged`);
    if (version > VERSION) throw new Corrupt(`disk store ${root}: written by a newer version`);
    // A folder that can't be written is told at the start, not at the first mail.
    const [mine, owner] = [writeProbe(root, random), fs.statSync(`${root}/format`).uid];
    if (mine !== owner) return new Refused(`disk store ${root}: its files are of the user with id ${owner}, who could not read what this one (id ${mine}) writes: run it as that user, or chown -R the folder`);
    if (version < VERSION) writeFormat(root, random);
  }
  makeFolder(`${root}/journal`);
  sweep(`${root}/tmp`, clock, logger);
  return null;
}

/** Names an opened folder by its file "format": by whatever path it is reached, and never a copy. */
export function diskPlace(root: string): string {
  const { dev, ino } = fs.statSync(`${root}/format`, { bigint: true });
  return `disk ${dev} ${ino}`;
}

/** Names this start of the machine; empty where the system has no such name. */
export function bootId(): string {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().slice(0, 64);
  } catch {
    return '';
  }
}

/** `other`: thrown where something else stands there, or above it. */
function makeFolder(folder: string, other: Error = new Corrupt(`disk store: ${folder} is not a folder`)): void {
  let first: string | null;
  try {
    first = makeFolders(folder);
  } catch (e) {
    throw codeOf(e) === 'ENOTDIR' ? other : e;
  }
  if (!fs.statSync(folder).isDirectory()) throw other;
  if (first === null) return;
  // From the first folder that was made, every new name is made durable in its own folder.
  for (let made = folder; ; made = path.dirname(made)) {
    fsyncFolder(path.dirname(made));
    if (made === first || made === path.dirname(made)) return;
  }
}

function fsyncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function readFormat(file: string): string | null {
  try {
    return fs.readFileSync(file, 'latin1').slice(0, 100);
  } catch (e) {
    if (isAbsent(e)) return null;
    throw e;
  }
}

function writeFormat(root: string, random: Random): void {
  const temp = `${root}/tmp/format-${randomId(random, 60)}`;
  fs.writeFileSync(temp, `colombier disk store ${VERSION}\n`, { flag: 'wx', mode: 0o600, flush: true });
  fs.renameSync(temp, `${root}/format`);
  fsyncFolder(root);
}

/** Whose files are that this process makes here (a network's file system may have its own view of that). */
function writeProbe(root: string, random: Random): number {
  const temp = `${root}/tmp/probe-${randomId(random, 60)}`;
  try {
    fs.writeFileSync(temp, 'probe\n', { flag: 'wx', mode: 0o600, flush: true });
    return fs.statSync(temp).uid;
  } finally {
    fs.rmSync(temp, { force: true });
  }
}

/** Removes temp files that no living process can still be writing. In a folder like /var others' files are in tmp, too. */
function sweep(folder: string, clock: Clock, logger: Logger): void {
  let removed = 0;
  for (const leaf of fs.readdirSync(folder)) {
    const file = `${folder}/${leaf}`;
    const stat = TEMP.test(leaf) ? fs.lstatSync(file, { throwIfNoEntry: false }) : undefined;
    if (!stat?.isFile() || clock.now() - stat.mtimeMs < limits.temp_kept_ms) continue;
    fs.rmSync(file, { force: true });
    removed++;
  }
  if (removed > 0) logger.info('removed temp files that dead processes left', { files: removed });
}
