import assert from 'node:assert/strict';
import fs from 'node:fs';
import { renderBody, renderString, scanMessage } from '../../src/message/index.ts';
import { ROOT } from './samples.ts';

describe('message: IMAP strings', () => {
  it('are NIL, quoted, or literals', () => {
    assert.equal(renderString(null), 'NIL');
    assert.equal(renderString(''), '""');
    assert.equal(renderString('a b\t(c) {3}'), '"a b\t(c) {3}"');
    assert.equal(renderString('a"b\\c'), '"a\\"b\\\\c"');
    assert.equal(renderString('caf\xe9'), '{4}\r\ncaf\xe9');
    assert.equal(renderString('a\r\nb'), '{4}\r\na\r\nb');
    assert.equal(renderString('a\rb'), '{3}\r\na\rb');
    assert.equal(renderString('a\0b'), '{5}\r\na\xef\xbf\xbdb');
    assert.equal(renderString('x'.repeat(10_000)), `{10000}\r\n${'x'.repeat(10_000)}`);
  });
  it('a message/global is opened for clients that know it only', () => {
    const { body } = scanMessage(fs.readFileSync(new URL('message-global.eml', ROOT)));
    assert.match(renderBody(body, false), /^\(\("message" "global" NIL NIL NIL "7bit" 20\)\("message" "global"/);
    assert.match(renderBody(body, false, true), /^\(\("message" "global" NIL NIL NIL "7bit" 20 \(NIL "inside" .*\) \("text" "plain" .* 1 0\) 2\)/);
  });
});
