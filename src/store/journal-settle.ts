// Files written in the page cache, made durable in their own place.
import fs from 'node:fs';
import { isAbsent } from './disk-error.ts';
import type { DiskFolders } from './disk-folders.ts';
import { fdatasync } from './disk-io.ts';

/** Fsyncs under way at once: PUTs go before. */
const LANES = 2;

/**
 * Makes `files`, which may have been deleted since, and the folders in `paths` durable. Node has no syncfs(2), and one of it
 * does what thousands of fsyncs do: the system's own `sync -f` is asked first. Rejects with the file system's own error.
 */
export async function settle(files: string[], paths: string[], folders: DiskFolders, mayGoOn: () => boolean): Promise<void> {
  if (files.length === 0 || (await syncfs(folders.root))) return;
  const lane = async () => {
    for (let file = files.pop(); file !== undefined; file = files.pop()) {
      if (!mayGoOn()) throw new Error('there is no time for it');
      await syncFile(file);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  for (const path of paths) await folders.sync(path);
}

/** False where there is no such program, or it can not. */
async function syncfs(folder: string): Promise<boolean> {
  const { execFile } = await import('node:child_process');
  return new Promise((resolve) => execFile('sync', ['-f', folder], { env: { PATH: process.env.PATH } }, (e) => resolve(e === null)));
}

function syncFile(file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.open(file, 'r', (e, fd) => {
      if (e) return isAbsent(e) ? resolve() : reject(e);
      fdatasync(fd).then(resolve, reject).finally(() => fs.closeSync(fd));
    });
  });
}
