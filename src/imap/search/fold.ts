// How texts are compared: without regard to case and to how a character is composed (RFC 5051 i;unicode-casemap in
// spirit). Upper case is the common form, because `ς` and `σ`, `ß` and `ss` meet there.

/** Two texts match where one's folded form contains the other's. */
export function fold(text: string): string {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(text) ? text.toUpperCase() : text.normalize('NFKD').toUpperCase();
}
