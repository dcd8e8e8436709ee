// Sets of numbers as IMAP writes them. UIDs have gaps of 64, so sets are long: all here is linear.

/** `1,3:5` of ascending numbers, each once; only what is consecutive is joined. */
export function compressSet(numbers: ArrayLike<number>): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let j = i + 1;
    while (j < numbers.length && numbers[j] === numbers[j - 1] + 1) j++;
    parts.push(j - i === 1 ? String(numbers[i]) : `${numbers[i]}:${numbers[j - 1]}`);
    i = j;
  }
  return parts.join(',');
}


/** First place in ascending `sorted[0, count)` with an element >= `value`. */
export function lowerBound(sorted: ArrayLike<number>, count: number, value: number): number {
  let lo = 0;
  let hi = count;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (sorted[mid] < value) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** Ascending, each once. */
export function sortedUnique(numbers: ArrayLike<number>): Uint32Array {
  const sorted = Uint32Array.from(numbers);
  let ascending = true;
  for (let i = 1; i < sorted.length && ascending; i++) ascending = sorted[i] > sorted[i - 1];
  if (ascending) return sorted;
  sorted.sort();
  let n = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[n++] = sorted[i];
  return sorted.subarray(0, n);
}

/** The elements of ascending `a` that ascending `b` has not. */
export function without(a: Uint32Array, b: Uint32Array): Uint32Array {
  if (b.length === 0) return a;
  const kept = new Uint32Array(a.length);
  let n = 0;
  let j = 0;
  for (const value of a) {
    while (j < b.length && b[j] < value) j++;
    if (b[j] !== value) kept[n++] = value;
  }
  return kept.subarray(0, n);
}
