// fixtures/formats.tsv against the code: no version is written that has no frozen bytes, and no test that reads them.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const rows = read('fixtures/formats.tsv').split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
  const cells = line.split('\t');
  assert.equal(cells.length, 5, line);
  const [name, where, versions, frozen, test] = cells;
  const [file, constant] = where.split(' ');
  return { name, file, constant, versions: versions.split(',').map(Number), frozen: frozen.split(','), test };
});
/** Numbers that bear such a name and are stored nowhere, with the reason. */
const NOT_STORED: Record<string, string> = { 'src/peers/frames.ts CHANNEL_VERSION': 'said by two replicas to each other, and refused by another' };
const CONSTANT = /^(?:export )?const ([A-Z_]*VERSION[A-Z_]*|SEARCH_RULES|WITH_METADATA) = (\d+);$/gm;

describe('fixtures/formats.tsv', () => {
  it('has every version that the code writes, as the newest of its row', () => {
    const listed = new Map(rows.map((row) => [`${row.file} ${row.constant}`, row]));
    let found = 0;
    for (const file of globSync('src/**/*.ts', { cwd: root })) {
      for (const [, constant, value] of read(file).matchAll(CONSTANT)) {
        const place = `${file} ${constant}`;
        if (place in NOT_STORED) continue;
        found++;
        const row = listed.get(place);
        assert.ok(row, `${place} is in no row`);
        assert.equal(row.versions.at(-1), Number(value), place);
      }
    }
    assert.ok(found > 25, `${found} constants found`);
    for (const { file, constant } of rows) assert.match(read(file), new RegExp(`const ${constant} = \\d+;`), `${file} ${constant} is gone`);
  });

  it('has every version since the first, each with frozen bytes that a test reads', () => {
    for (const { name, versions, frozen, test } of rows) {
      assert.deepEqual(versions, Array.from(versions, (_, i) => versions[0] + i), name);
      assert.equal(frozen.length, versions.length, name);
      for (const file of frozen) assert.ok(existsSync(join(root, 'fixtures', file)), `${name}: fixtures/${file} is missing`);
      assert.ok(existsSync(join(root, test)), `${name}: ${test} is missing`);
    }
  });

  it('has every file of frozen bytes', () => {
    const listed = new Set(rows.flatMap((row) => row.frozen));
    const kept = globSync('{account,directory,log,queue,seal,state,store}/*', { cwd: join(root, 'fixtures') });
    // A hash that stands in every UIDVALIDITY, not a format with versions.
    assert.deepEqual(kept.filter((file) => !listed.has(file)), ['state/inbox-id.hex']);
  });
});
