import assert from 'node:assert/strict';
import fs from 'node:fs';
import { findPart, findSection, scanMessage } from '../../src/message/index.ts';
import type { Section } from '../../src/message/index.ts';
import { ROOT } from './samples.ts';

/** What BODY[path.section] gives of a fixture; null for NIL. */
function section(name: string, path: number[], what: Section): string | null {
  const bytes = fs.readFileSync(new URL(`${name}.eml`, ROOT));
  const range = findSection(scanMessage(bytes).body, path, what);
  return range === null ? null : bytes.subarray(range.start, range.end).toString('latin1');
}

const CASES: [name: string, path: number[], section: Section, expected: string | null][] = [
  ['plain', [], 'text', 'We meet at nine, at the old gate.\r\nBring a basket.\r\n'],
  ['plain', [1], 'all', 'We meet at nine, at the old gate.\r\nBring a basket.\r\n'],
  ['plain', [2], 'all', null],
  ['plain', [1, 1], 'all', null],
  ['plain', [0], 'all', null],
  ['plain', [1], 'text', null],
  ['plain', [1], 'header', null],
  ['plain', [], 'mime', null],
  ['nested', [1, 1, 1], 'all', "L'=C3=A9t=C3=A9 au jardin."],
  ['nested', [1, 1, 1], 'mime', 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'],
  ['nested', [1, 2], 'all', 'iVBORw0KGgo='],
  ['nested', [2], 'all', 'JVBERi0xLjQK'],
  ['nested', [3], 'all', null],
  ['nested', [1, 1, 1, 1], 'all', null],
  ['rfc822-depth', [1], 'header', 'Subject: 1\r\nFrom: one@example.org\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n'],
  ['rfc822-depth', [1], 'mime', 'Subject: 0\r\nContent-Type: message/rfc822\r\n\r\n'],
  ['rfc822-depth', [1, 2], 'all', 'after'],
  ['rfc822-depth', [1, 1], 'mime', 'Content-Type: message/rfc822\r\nContent-Description: two\r\n\r\n'],
  ['rfc822-depth', [1, 1], 'header', 'Subject: 2\r\nContent-Type: message/rfc822\r\n\r\n'],
  ['rfc822-depth', [1, 1, 1], 'header', 'Subject: 3\r\nContent-Type: text/html\r\n\r\n'],
  ['rfc822-depth', [1, 1, 1], 'text', '<p>deep</p>'],
  ['rfc822-depth', [1, 1, 1, 1], 'all', '<p>deep</p>'],
  ['rfc822-depth', [1, 1, 1, 1], 'header', null],
  ['rfc822-depth', [1, 1, 2], 'all', null],
  ['rfc822-ends-in-multipart', [1], 'text', '--b\r\n\r\nx\r\n--b--\r\n'],
  ['rfc822-ends-in-multipart', [1, 1], 'all', 'x'],
  ['boundary-never-used', [1], 'all', null],
  ['part-empty', [1], 'all', ''],
  ['part-empty', [2], 'all', ''],
  ['empty', [], 'all', ''],
  ['empty', [1], 'all', ''],
];

describe('message: sections', () => {
  for (const [name, path, what, expected] of CASES) {
    it(`${name} BODY[${[...path, what].join('.')}]`, () => assert.equal(section(name, path, what), expected));
  }
  it('the whole message is its header and text', () => {
    const all = section('nested', [], 'all');
    assert.equal(all, section('nested', [], 'header')! + section('nested', [], 'text')!);
    assert.equal(all, fs.readFileSync(new URL('nested.eml', ROOT), 'latin1'));
  });
  it('the empty path is no part', () => {
    assert.equal(findPart(scanMessage(Buffer.from('\r\nx')).body, []), null);
  });
});
