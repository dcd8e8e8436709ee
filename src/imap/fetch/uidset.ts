// Ascending arrays of UIDs. UIDs have gaps of 64, so sets are long: nothing here is worse than linear.

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

/** lowerBound from `from` on, in time that grows with how far the place is: many searches in order stay linear. */
export function gallop(sorted: ArrayLike<number>, count: number, value: number, from: number): number {
  let step = 1;
  let lo = from;
  while (lo < count && sorted[lo] < value) {
    from = lo + 1;
    lo += step;
    step *= 2;
  }
  let hi = Math.min(lo, count);
  lo = from;
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

/** The elements that two ascending arrays share. */
export function both(a: Uint32Array, b: Uint32Array): Uint32Array {
  let j = 0;
  return a.filter((value) => {
    while (j < b.length && b[j] < value) j++;
    return b[j] === value;
  });
}
