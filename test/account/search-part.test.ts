// The stored form of the search index, frozen: entries, filters and the texts that they are made of. When this fails after
// a change of what texts are or how they are compared, SEARCH_RULES must grow, and search-freeze.ts writes new fixtures
// beside the old ones: an index that was made by other rules would deny what is there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { OtherRules, PART_HEAD, entriesOf, entryMayHold, fingerprint } from '../../src/account/search-part.ts';
import { SearchTable } from '../../src/account/search-table.ts';
import { Corrupt } from '../../src/base/index.ts';
import { SEARCH_RULES, fold, gramsOf, loosely } from '../../src/message/index.ts';
import { openNamed } from '../../src/seal/index.ts';
import { knownRing } from '../seal/known.ts';
import { entryOf, frozenOf, hashOf, messageOf } from './search-freeze.ts';

const frozen = JSON.parse(readFileSync(frozenOf(SEARCH_RULES, 'json'), 'utf8')) as { name: string; messages: Record<string, string>; plain: string; sealed: string };

describe('account: search index, stored form', () => {
  const plain = openNamed(knownRing().sessions, frozen.name, Buffer.alloc(0), Buffer.from(frozen.sealed, 'hex'));

  it('reads what was stored', () => {
    assert.equal(plain.toString('hex'), frozen.plain);
    const found = new Map<string, number>();
    for (const { hi, lo, at } of entriesOf(plain)) found.set(`${hi} ${lo}`, at);
    const may = (emailId: string, text: string, inHeader: boolean) => {
      const { hi, lo } = fingerprint(emailId, { hi: 0, lo: 0 });
      return entryMayHold(plain, found.get(`${hi} ${lo}`)!, gramsOf(fold(text)), inHeader);
    };
    const [english, german, parts, empty] = Object.keys(frozen.messages);
    assert.equal(found.size, 4);
    for (const [id, text, inHeader] of [
      [english, 'heron', false], [english, 'SHALLOW wat', false], [english, 'Ann <ann', true], [german, 'strasse', false], [german, 'naive', false], [german, 'café', false],
      [german, 'grüße', true], [parts, '検索', false], [parts, '😀', false], [parts, 'lodz', false], [parts, 'inside', false], [parts, 'ςίσυφοσ', false], [parts, 'ёжик', false], [parts, 'invoice.pdf', false],
      [empty, '', false], [english, 'zz', false],
    ] as const) assert.equal(may(id, text, inHeader), true, text);
    for (const [id, text, inHeader] of [
      [english, 'cormorant', true], [english, 'Ann <ann@far.test', false], [german, 'Straße nach Bonn', true], [parts, '漢字変換の表', false], [parts, 'never looked', true], [empty, 'abc', true],
    ] as const) assert.equal(may(id, text, inHeader), false, text);
  });

  it('of former rules is not read, and is known to be older', () => {
    for (let rules = 1; rules < SEARCH_RULES; rules++) {
      const former = JSON.parse(readFileSync(frozenOf(rules, 'json'), 'utf8')) as typeof frozen;
      const bytes = openNamed(knownRing().sessions, former.name, Buffer.alloc(0), Buffer.from(former.sealed, 'hex'));
      assert.throws(() => [...entriesOf(bytes)], (e) => e instanceof OtherRules && e.older);
    }
  });

  it('is written as it was', async () => {
    const entries = await Promise.all(Object.entries(frozen.messages).map(([id, message]) => entryOf(id, message)));
    assert.equal(Buffer.concat([PART_HEAD, ...entries]).toString('hex'), frozen.plain);
  });

  it('is written as it was, of messages in all charsets and shapes', async () => {
    const lines = readFileSync(frozenOf(SEARCH_RULES, 'tsv'), 'utf8').trim().split('\n').slice(1);
    const differ: string[] = [];
    for (const line of lines) {
      const [file, hash] = line.split('\t');
      if (hashOf(await entryOf(file, messageOf(file))) !== hash) differ.push(file);
    }
    assert.ok(lines.length > 40);
    assert.deepEqual(differ, []);
  });

  it('cut or altered it is Corrupt, or other rules, or reads to its end; never anything else', () => {
    fc.assert(
      fc.property(fc.nat(plain.length), fc.nat(plain.length - 1), fc.nat(255), (length, at, byte) => {
        const bad = Buffer.from(plain.subarray(0, length));
        if (at < length) bad[at] = byte;
        try {
          for (const entry of entriesOf(bad)) {
            assert.ok(entry.end <= bad.length);
            entryMayHold(bad, entry.at, Uint32Array.of(0, 262_143), true);
          }
        } catch (e) {
          assert.ok(e instanceof Corrupt || e instanceof OtherRules, String(e));
        }
      }),
    );
    assert.throws(() => [...entriesOf(Buffer.of(2, 1))], OtherRules);
    assert.throws(() => [...entriesOf(Buffer.of(1, 0))], (e) => e instanceof OtherRules && e.older);
    assert.throws(() => [...entriesOf(Buffer.alloc(0))], Corrupt);
  });

  it('folds each character as its other case, and alone as among others (RFC 5051)', () => {
    const differ: string[] = [];
    for (let code = 0x20; code < 0x20000; code++) {
      if (code >= 0xd800 && code < 0xe000) continue;
      const c = String.fromCodePoint(code);
      const [upper, lower] = [c.toUpperCase(), c.toLowerCase()];
      // Simple mappings alone: İ has none that comes back.
      if (upper.length === c.length && fold(upper) !== fold(c)) differ.push(c);
      if (lower.length === c.length && lower.toUpperCase() === c && fold(lower) !== fold(c)) differ.push(c);
      if (loosely(`${fold(c)}A${fold(c)}`) !== `${loosely(fold(c))}A${loosely(fold(c))}`) differ.push(c);
    }
    assert.deepEqual(differ, []);
  });

  it('finds entries again among many, and forgets a part', () => {
    const table = new SearchTable();
    const prints = Array.from({ length: 5000 }, (_, i) => fingerprint(`m${i}`, { hi: 0, lo: 0 }));
    assert.equal(new Set(prints.map(({ hi, lo }) => `${hi} ${lo}`)).size, 5000);
    prints.forEach((print, i) => table.put(print, 1 + (i % 3), i));
    prints.forEach((print, i) => {
      const slot = table.find(print);
      assert.deepEqual([table.part(slot), table.offset(slot)], [1 + (i % 3), i]);
    });
    table.drop(2);
    prints.forEach((print, i) => assert.equal(table.find(print) < 0, i % 3 === 1));
    assert.equal(table.size, 3333);
  });
});
