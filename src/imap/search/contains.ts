// Whether a text has another in it, in time that grows with their lengths and never with their product. The engine's own
// search is that good for short ones only: past 250 characters it forgets what it has compared, and half a megabyte of one
// letter with another in its middle, looked for in a message of that letter, would hold everybody up for minutes.

/** As far as the engine's search is linear. */
const SHORT = 250;

/** The test for one text that is looked for in many. */
export function finder(wanted: string): (text: string) => boolean {
  if (wanted.length <= SHORT) return (text) => text.includes(wanted);
  const end = wanted.slice(-SHORT);
  let borders: Uint32Array | null = null;
  // Nearly no text has even the end.
  return (text) => text.length >= wanted.length && text.includes(end) && goesThrough(text, wanted, (borders ??= bordersOf(wanted)));
}

/** For each beginning of a text the length of its longest proper beginning that is its end too (Knuth, Morris, Pratt). */
function bordersOf(wanted: string): Uint32Array {
  const borders = new Uint32Array(wanted.length);
  for (let i = 1, have = 0; i < wanted.length; i++) {
    const c = wanted.charCodeAt(i);
    while (have > 0 && wanted.charCodeAt(have) !== c) have = borders[have - 1];
    if (wanted.charCodeAt(have) === c) have++;
    borders[i] = have;
  }
  return borders;
}

function goesThrough(text: string, wanted: string, borders: Uint32Array): boolean {
  for (let i = 0, have = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    while (have > 0 && wanted.charCodeAt(have) !== c) have = borders[have - 1];
    if (wanted.charCodeAt(have) === c) have++;
    if (have === wanted.length) return true;
  }
  return false;
}
