// THREAD=ORDEREDSUBJECT (RFC 5256 §3, "ORDEREDSUBJECT"): messages of one base subject, the others below the first.
import type { Forest } from './tree.ts';

/** `rank[m]`: message m's place by its date, then its number; all different. */
export function threadBySubject(subjects: readonly string[], rank: Uint32Array): Forest {
  const n = subjects.length;
  const byRank = new Uint32Array(n);
  for (let m = 0; m < n; m++) byRank[rank[m]] = m;
  const forest: Forest = { roots: [], first: new Int32Array(n).fill(-1), next: new Int32Array(n).fill(-1), message: Int32Array.from({ length: n }, (_, m) => m) };
  const heads = new Map<string, number>();
  const lasts = new Int32Array(n).fill(-1);
  for (const m of byRank) {
    const head = heads.get(subjects[m]);
    if (head === undefined) {
      heads.set(subjects[m], m);
      forest.roots.push(m);
      continue;
    }
    if (lasts[head] < 0) forest.first[head] = m;
    else forest.next[lasts[head]] = m;
    lasts[head] = m;
  }
  return forest;
}
