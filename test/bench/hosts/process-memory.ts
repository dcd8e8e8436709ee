// Memory of processes, from Linux's /proc.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

const field = (text: string, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** Bytes that the processes hold: of one its resident set, of many their proportional sets, which count shared pages once. */
export function resident(pids: readonly number[]): number {
  if (pids.length === 1) return field(read(`/proc/${pids[0]}/status`), 'VmRSS');
  return pids.reduce((sum, pid) => sum + field(read(`/proc/${pid}/smaps_rollup`), 'Pss'), 0);
}

/** Begins to count the peak of one process anew. */
export function forgetPeak(pids: readonly number[]): void {
  if (pids.length !== 1) return;
  try {
    writeFileSync(`/proc/${pids[0]}/clear_refs`, '5');
  } catch {
    // Not permitted, or gone: then it is the peak since the process began.
  }
}

/** Bytes: of one process the greatest resident set since; of many what they hold now, because to look often at many costs them time. */
export function peak(pids: readonly number[]): number {
  return pids.length === 1 ? field(read(`/proc/${pids[0]}/status`), 'VmHWM') : resident(pids);
}

/** Calls back with the peak since: of one process the kernel's own, of many the greatest that was seen. */
export function watchPeak(pids: () => readonly number[]): () => number {
  const first = pids();
  if (first.length === 1) {
    try {
      writeFileSync(`/proc/${first[0]}/clear_refs`, '5');
      return () => field(read(`/proc/${first[0]}/status`), 'VmHWM');
    } catch {
      // Not permitted: look often instead.
    }
  }
  let peak = 0;
  const look = () => (peak = Math.max(peak, resident(pids())));
  const timer = setInterval(look, 100);
  return () => {
    clearInterval(timer);
    return look();
  };
}

/** The process and all that it started. */
export function tree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    const list = children.get(parent);
    if (list) list.push(Number(name));
    else children.set(parent, [Number(name)]);
  }
  const all = [root];
  for (const pid of all) all.push(...(children.get(pid) ?? []));
  return all;
}
