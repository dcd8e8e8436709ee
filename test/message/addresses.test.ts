import assert from 'node:assert/strict';
import { parseAddresses } from '../../src/message/index.ts';

/** `name|mailbox|host`, null as -. */
function read(text: string): string[] {
  return parseAddresses(text).map((a) => [a.name, a.mailbox, a.host].map((s) => s ?? '-').join('|'));
}

const CASES: [text: string, ...expected: string[]][] = [
  ['a@b', '-|a|b'],
  ['<a@b>', '-|a|b'],
  ['A B <a@b>', 'A B|a|b'],
  ['"A, B" <a@b>', 'A, B|a|b'],
  ['A (c) B <a@b>', 'A B|a|b'],
  ['a@b (Name)', 'Name|a|b'],
  ['a@b (x (y) z)', 'x (y) z|a|b'],
  ['a', '-|a|MISSING_DOMAIN'],
  ['a b c', 'a b c|MISSING_MAILBOX|MISSING_DOMAIN'],
  ['<>', '-|MISSING_MAILBOX|MISSING_DOMAIN'],
  ['@b', '-|MISSING_MAILBOX|b'],
  ['a@', '-|a|MISSING_DOMAIN'],
  ['"a b"@c', '-|a b|c'],
  ['A. B. C <a@b>', 'A. B. C|a|b'],
  ['G: a@b, c@d;', '-|G|-', '-|a|b', '-|c|d', '-|-|-'],
  ['G:;', '-|G|-', '-|-|-'],
  ['"G X": a@b;', '-|G X|-', '-|a|b', '-|-|-'],
  ['G: a@b', '-|G|-', '-|a|b', '-|-|-'],
  ['A: B: c@d;', '-|A|-', '-|-|-', '-|B|-', '-|c|d', '-|-|-'],
  ['undisclosed-recipients:;', '-|undisclosed-recipients|-', '-|-|-'],
  ['a@b,,c@d', '-|a|b', '-|c|d'],
  [', a@b', '-|a|b'],
  ['a@b; c@d', '-|a|b', '-|c|d'],
  ['A <a@b>;B <c@d>', 'A|a|b', 'B|c|d'],
  ['a @ b . c', '-|a|b.c'],
  ['a..b@c', '-|a..b|c'],
  ['<@r1,@r2:a@b>', '-|a|b'],
  ['a@[1.2.3.4]', '-|a|[1.2.3.4]'],
  ['a@[IPv6:2001:db8::1]', '-|a|[IPv6:2001:db8::1]'],
  ['A <a@b', 'A|a|b'],
  ['A <a@b, C <c@d>', 'A|a|b', 'C|c|d'],
  ['"a\\"b\\\\c" <x@y>', 'a"b\\c|x|y'],
  ['"no end <a@b>, c@d', 'no end|a|b', '-|c|d'],
  ['(no end <a@b>'],
  ['"a" "b"<x@y>', 'a b|x|y'],
  ['"A\r\n B" <a@b>', 'A B|a|b'],
  ['A\tB  C <a@b>', 'A B C|a|b'],
  ['"" <a@b>', '-|a|b'],
  ["'a@b' <a@b>", "'a@b'|a|b"],
  ['a@b <a@b>', 'a@b|a|b'],
  ['mailto:a@b', '-|mailto|-', '-|a|b', '-|-|-'],
  ['\xe9 <a@\xe9>', '\xe9|a|\xe9'],
  ['(only)'],
  ['   '],
  [''],
];

describe('message: addresses', () => {
  for (const [text, ...expected] of CASES) it(JSON.stringify(text), () => assert.deepEqual(read(text), expected));
});
