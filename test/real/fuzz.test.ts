// The fuzzer's dialogues with a replica as an administrator starts it: what they leave behind is the same mailboxes everywhere.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Fuzzer, STATES } from '../imap/fuzzing.ts';
import { everything } from './imap.ts';
import { message } from './mail.ts';
import { Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';

const FUZZ_MS = 10_000;
const ANSWER_MS = 60_000;

describe('real: fuzz', function () {
  this.timeout(180_000);
  let site: Site;
  let ann: Person;
  let a: Replica;
  let b: Replica;
  before(async () => {
    site = new Site();
    ({ ann } = await site.people('ann'));
    [a, b] = await Promise.all([site.start(), site.start()]);
  });
  after(() => site?.end());

  /** Plays it to its end: the server closes, whatever it was. */
  async function play(port: number, bytes: Buffer): Promise<string> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const pieces: Buffer[] = [];
    socket.on('data', (piece) => pieces.push(piece)).on('error', () => {}).on('end', () => socket.destroy());
    socket.end(bytes);
    const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ANSWER_MS)));
    if (!(await Promise.race([closed, late]))) {
      socket.destroy();
      throw new Error('it hangs');
    }
    clearTimeout(timer);
    return Buffer.concat(pieces).toString('latin1');
  }

  it('ends no replica, and both show the same afterwards', async () => {
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
    const fuzzer = new Fuzzer(seed);
    const [at, there] = [await a.client(ann), await b.client(ann)];
    for (let i = 0; i < 10; i++) await at.append('INBOX', message(`fuzz-${i}`, 300 + 700 * i), i % 2 === 0 ? '\\Seen' : '');
    let runs = 0;
    for (const end = Date.now() + FUZZ_MS; Date.now() < end; runs++) {
      const { state, text } = fuzzer.dialogue();
      // TLS waits for its handshake, and what is compressed is fuzzed in memory.
      if (state === 'compressed' || /STARTTLS/i.test(text)) continue;
      const opening = STATES[state].replaceAll('ann@example.org secret', `${ann.address} ${ann.password}`);
      try {
        const said = await play(runs % 2 === 0 ? a.imap : b.imap, Buffer.from(opening + text, 'latin1'));
        assert.ok(said.startsWith('* OK '), 'greeting');
        for (const replica of [a, b]) {
          assert.ok(replica.running, 'the replica has ended');
          assert.doesNotMatch(replica.log, / (error|bug) /);
        }
      } catch (e) {
        throw new Error(`seed ${seed}, ${state}, input (latin1): ${JSON.stringify(text)}\n${(e as Error).stack}`);
      }
    }
    fuzzer.end();
    assert.ok(runs > 20, String(runs));
    const names = async () => (await there.ok('LIST "" "*"')).filter((line) => !line.includes('\\Noselect')).map((line) => / "\/" (.*)$/s.exec(line)![1]);
    const shown = async (imap: typeof at) => {
      await imap.ok('NOOP');
      const all: Record<string, string[]> = {};
      for (const name of (await names()).filter((one) => !one.startsWith('{'))) all[name] = await everything(imap, name);
      return JSON.stringify(all);
    };
    // What both wrote at one moment may still be put right.
    await until(async () => (await shown(at)) === (await shown(there)), 30_000, () => `seed ${seed}: they differ`);
    assert.ok((await names()).includes('"INBOX"'));
  });
});
