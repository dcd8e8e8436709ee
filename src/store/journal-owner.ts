// Whose journal is it, and does that process live? It listens at a socket beside its files: the kernel refuses those who
// connect once the process is gone, however it went; one that is only stopped lives.
import fs from 'node:fs';
import net from 'node:net';

/** Nobody holds the other end of a connection back so long. */
const ANSWER_MS = 1000;
const FILE = /^([0-9a-z]+)(-[0-9]+|\.sock)$/;

export const segmentPath = (folder: string, id: string, n: number): string => `${folder}/${id}-${n}`;
const socketLeaf = (id: string): string => `${id}.sock`;

/** The journals in the folder: each one's id and its files, without its socket. */
export function journalsIn(folder: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const leaf of fs.readdirSync(folder).sort()) {
    const [, id, rest] = FILE.exec(leaf) ?? [];
    if (id === undefined || rest === '.sock') continue;
    found.set(id, [...(found.get(id) ?? []), `${folder}/${leaf}`]);
  }
  return found;
}

/** Removes a journal whose objects are all durable in their own place. */
export function remove(folder: string, id: string, files: readonly string[]): void {
  for (const file of files) fs.rmSync(file, { force: true });
  fs.rmSync(`${folder}/${socketLeaf(id)}`, { force: true });
}

export interface Alive {
  end(): Promise<void>;
}

/** Shows that this process has the journal `id`. Rejects where the file system has no sockets. */
export async function live(folder: string, id: string): Promise<Alive> {
  // The name of a socket is short by law, and an open folder has a short one.
  const fd = fs.openSync(folder, 'r');
  const server = net.createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(`/proc/self/fd/${fd}/${socketLeaf(id)}`, resolve));
  } catch (e) {
    fs.closeSync(fd);
    throw e;
  }
  server.on('error', () => {});
  server.unref();
  return {
    async end() {
      await new Promise((done) => server.close(done));
      fs.closeSync(fd);
      fs.rmSync(`${folder}/${socketLeaf(id)}`, { force: true });
    },
  };
}

/** Whether the process that has the journal lives. */
export async function lives(folder: string, id: string): Promise<boolean> {
  const fd = fs.openSync(folder, 'r');
  const socket = net.connect(`/proc/self/fd/${fd}/${socketLeaf(id)}`);
  try {
    return await new Promise<boolean>((resolve) => {
      socket.setTimeout(ANSWER_MS, () => resolve(true));
      socket.once('connect', () => resolve(true));
      socket.once('error', (e: NodeJS.ErrnoException) => resolve(e.code !== 'ECONNREFUSED' && e.code !== 'ENOENT'));
    });
  } finally {
    socket.destroy();
    fs.closeSync(fd);
  }
}
