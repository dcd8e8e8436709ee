// The fuzzer for some seconds (an hour: `npm run fuzz`), and what it found before. A failing input is printed: put it
// under fixtures/imap/crashers as a file.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { limits } from '../../src/base/index.ts';
import { commands } from '../../src/imap/command/registry.ts';
import { COMMANDS, Fuzzer, STATES } from './fuzzing.ts';

const FUZZ_MS = 60_000;
const CRASHERS = new URL('../../fixtures/imap/crashers/', import.meta.url);

describe('imap: fuzz', function () {
  this.timeout(240_000);
  const kept = limits.imap_bad_commands_max;
  before(() => (limits.imap_bad_commands_max = 1000));
  after(() => (limits.imap_bad_commands_max = kept));

  it('what crashed once does not again', async () => {
    const fuzzer = new Fuzzer(1);
    const files = existsSync(CRASHERS) ? readdirSync(CRASHERS) : [];
    for (const file of files) for (const state of Object.keys(STATES)) await fuzzer.play(state, readFileSync(new URL(file, CRASHERS), 'latin1'));
    fuzzer.end();
  });

  it('every command, cut off at every byte', async () => {
    const known = new Set(COMMANDS.map((command) => /^(UID )?[A-Z]+/.exec(command)![0]));
    assert.deepEqual([...commands.keys()].filter((name) => !known.has(name)), [], 'commands that are not fuzzed');
    const fuzzer = new Fuzzer(2);
    let count = 0;
    for (const command of COMMANDS) {
      for (let cut = 0; cut < command.length + 2; cut++, count++) {
        // In turn: the client goes there, or ends the line there and goes on.
        const text = `t ${command}`.slice(0, cut + 2);
        await fuzzer.play('selected', count % 2 === 0 ? text : `${text}\r\nu NOOP\r\n`);
      }
    }
    fuzzer.end();
    assert.ok(count > 2000);
  });

  it('mutated dialogues', async () => {
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
    const fuzzer = new Fuzzer(seed);
    try {
      for (const end = performance.now() + FUZZ_MS; performance.now() < end; ) await fuzzer.once();
    } catch (e) {
      throw new Error(`seed ${seed}, run ${fuzzer.runs}, ${(e as Error).message}`);
    }
    fuzzer.end();
    assert.ok(fuzzer.runs > 20);
  });

  it('programs of a megabyte', async () => {
    const fuzzer = new Fuzzer(3);
    const million = (piece: string) => piece.repeat(Math.floor(1_000_000 / piece.length));
    for (const text of [
      `t SEARCH ${million('OR SUBJECT a ')}ALL ALL`,
      `t SEARCH ${million('NOT ')}ALL`,
      `t SEARCH ${million('(')}`,
      `t SEARCH ${million('UID 1:*,5 ')}ALL`,
      `t SEARCH ${million('5,1,')}1`,
      `t SEARCH SUBJECT "${million('a\\"')}"`,
      `t SEARCH TEXT {1000000+}\r\n${million('x')}${'x'.repeat(1_000_000 % 1)}`,
      `t FETCH 1:* (${million('BODY.PEEK[1.2.3.4] ')}FLAGS)`,
      `t FETCH 1:* BODY[${million('1.')}1]`,
      `t FETCH 1:* BODY[HEADER.FIELDS (${million('Subject ')}To)]`,
      `t FETCH ${million('1:*,')}1 FLAGS`,
      `t LIST "" (${million('%*')})`,
      `t LIST "" ${million('%')}`,
      `t STORE 1 FLAGS (${million('k ')}k)`,
      `t NOTIFY SET ${million('(personal NONE) ')}(personal NONE)`,
      `t SETMETADATA "" (${million('/private/x NIL ')}/private/x NIL)`,
      `t SORT (${million('REVERSE ')}DATE) UTF-8 ALL`,
      `t ENABLE ${million('X ')}X`,
      `t CREATE ${million('a/')}b`,
      `t CREATE "${million('&AGE-')}"`,
      `t ID (${million('"a" "b" ')}"c" NIL)`,
    ]) {
      await fuzzer.play('selected', `${text}\r\nu NOOP\r\n`);
    }
    fuzzer.end();
  });
});
