import assert from 'node:assert/strict';
import { fieldBytes, filterHeader, readFields, unfold } from '../../src/message/index.ts';

const HEADER = 'From: a@b\r\nSubject : one\r\n two\r\nno colon here\r\nX-Y:z\nsubject: again\r\n\r\nBody: no\r\n';

describe('message: header fields', () => {
  it('are cut with their folding and line ends', () => {
    const fields = readFields(HEADER);
    assert.deepEqual(fields.map((f) => [f.name, f.prefix, f.value, f.end]), [
      ['from', 'From: ', 'a@b', '\r\n'],
      ['subject', 'Subject : ', 'one\r\n two', '\r\n'],
      ['x-y', 'X-Y:', 'z', '\n'],
      ['subject', 'subject: ', 'again', '\r\n'],
    ]);
    assert.equal(fields.map(fieldBytes).join(''), HEADER.slice(0, HEADER.indexOf('\r\n\r\n') + 2).replace('no colon here\r\n', ''));
    assert.equal(unfold('a\r\n b\n\tc'), 'a b\tc');
  });

  it('without a name or before the first name are none', () => {
    assert.deepEqual(readFields(' folded: first\r\n: x\r\nA: b').map((f) => f.name), ['a']);
  });

  it('are chosen by name, any case, with the empty line', () => {
    const choose = (names: string[], not: boolean) => filterHeader(Buffer.from(HEADER, 'latin1'), names, not).toString('latin1');
    assert.equal(choose(['SUBJECT'], false), 'Subject : one\r\n two\r\nsubject: again\r\n\r\n');
    assert.equal(choose(['x-none'], false), '\r\n');
    assert.equal(choose(['subject', 'From'], true), 'no colon here\r\nX-Y:z\n\r\n');
    assert.equal(choose(['sub'], false), '\r\n', 'a beginning is not the name');
  });

  it('without a last line end get one before the empty line', () => {
    assert.equal(filterHeader(Buffer.from('A: b'), ['a'], false).toString(), 'A: b\r\n\r\n');
  });

  it('keep their bytes whatever they are', () => {
    const raw = Buffer.from([0x41, 0x3a, 0x20, 0xff, 0x00, 0x80, 0x0d, 0x0a, 0x0d, 0x0a]);
    assert.deepEqual(filterHeader(raw, ['a'], false), raw);
  });
});
