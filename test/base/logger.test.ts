import assert from 'node:assert/strict';
import { createLogger } from '../../src/base/index.ts';

describe('base/logger', () => {
  it('lets no text that strangers choose make a line, or move the cursor', () => {
    const lines: string[] = [];
    const logger = createLogger('info', (line) => lines.push(line), 'room');
    const names = ['a\r\n2026-01-01 error room forged', 'a b=c', '\x1b[2J', '\x9b2J', '\x7f', 'a\u2028b', '\u202eexe.txt', '\u2066', 'é ü', '\ud800', '"', ''];
    for (const name of names) logger.info('a name', { name });
    logger.info('\x9b2J\u202e\n');
    for (const line of lines) assert.match(line, /^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+\n$/);
    const told = lines.slice(0, names.length).map((line) => / a name name=(.*)\n$/.exec(line)![1]);
    assert.deepEqual(told.map((text) => JSON.parse(text) as string), names);
    assert.equal(told[8], '"é ü"');
  });
});
