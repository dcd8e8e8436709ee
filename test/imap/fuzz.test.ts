// Any bytes give an answer or BYE, never a bug, and never a hang: dialogues of real commands, mutated by pieces of the
// grammar, through the whole connection. A failing input is printed; put it under fixtures/imap/crashers as a file.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { createLogger, seededRandom, systemClock } from '../../src/base/index.ts';
import { Connection } from '../../src/imap/conn.ts';
import { limits } from '../../src/base/index.ts';
import { FakeBackend, FakeUser } from './fake.ts';

const FUZZ_MS = 3000;
const CRASHERS = new URL('../../fixtures/imap/crashers/', import.meta.url);

const COMMANDS = [
  'CAPABILITY', 'NOOP', 'ID ("name" "x" "v" NIL)', 'ENABLE QRESYNC UTF8=ACCEPT', 'NAMESPACE', 'SELECT INBOX', 'EXAMINE INBOX (CONDSTORE)',
  'SELECT INBOX (QRESYNC (1048577 70 64:300 (1:2 64,128)))', 'CREATE a/b (USE (\\Archive))', 'DELETE a', 'RENAME a b', 'SUBSCRIBE &U,BTFw-',
  'UNSUBSCRIBE "x"', 'LIST (SUBSCRIBED RECURSIVEMATCH) "" ("*" a/%) RETURN (CHILDREN STATUS (MESSAGES UIDNEXT))', 'LIST "" %', 'LSUB "" "*"',
  'STATUS INBOX (MESSAGES UIDNEXT SIZE)', 'APPEND INBOX (\\Seen) "17-Jul-1996 02:44:25 -0700" {5+}\r\nabcde', 'APPEND INBOX {2+}\r\nab {3+}\r\nabc',
  'APPEND INBOX UTF8 (~{2+}\r\nab)', 'IDLE\r\nDONE', 'CHECK', 'UNSELECT', 'CLOSE', 'EXPUNGE', 'UID EXPUNGE 64:*',
  'FETCH 1:* (FLAGS UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)', 'UID FETCH 1:*,5 (BODY.PEEK[1.2.HEADER.FIELDS (To "Cc")]<0.100>) (CHANGEDSINCE 3 VANISHED)',
  'FETCH 2 (BINARY.SIZE[1] BODY[TEXT] RFC822.HEADER MODSEQ EMAILID SAVEDATE)', 'STORE 1 +FLAGS.SILENT (\\Deleted work)', 'UID STORE 1:* (UNCHANGEDSINCE 5) FLAGS ()',
  'SEARCH RETURN (MIN MAX ALL COUNT SAVE) CHARSET UTF-8 OR (NOT SEEN) {3+}\r\nTO x SINCE 1-Feb-1994', 'UID SEARCH UID $ YOUNGER 100 MODSEQ 5 LARGER 3 HEADER a "b"',
  'SORT RETURN (ALL PARTIAL 1:3 COUNT) (REVERSE SUBJECT DISPLAYFROM DATE) UTF-8 FUZZY SUBJECT 1', 'UID THREAD REFERENCES UTF-8 ALL', 'THREAD ORDEREDSUBJECT UTF-8 1:3',
  'SEARCH RETURN (UPDATE COUNT) UNSEEN', 'CANCELUPDATE "x"', 'ESEARCH IN (subtree (Sent a) mailboxes INBOX selected) RETURN (PARTIAL -1:-2 RELEVANCY) UID 1:*',
  'UID FETCH 1:* (PREVIEW (LAZY)) (PARTIAL -1:-3)', 'GETQUOTAROOT INBOX', 'SETQUOTA "" (STORAGE 5)', 'SETMETADATA INBOX (/private/x {3+}\r\nabc /private/y NIL)',
  'GETMETADATA (MAXSIZE 5 DEPTH 1) "" (/private /shared/x)', 'LIST "" * RETURN (METADATA (/private/x))', 'REPLACE 2 Sent (\\Seen) {3+}\r\nabc', 'ENABLE UIDONLY IMAP4rev2',
  'COMPRESS DEFLATE', 'APPEND Sent CATENATE (URL "/INBOX/;UID=64/;SECTION=TEXT" TEXT {3+}\r\nabc URL "/INBOX/;UID=128/;PARTIAL=0.5") (\\Seen) {2+}\r\nab',
  'UNAUTHENTICATE', 'COPY 1:2 Sent', 'UID MOVE 64 Archive', 'STARTTLS', 'LOGIN a {1+}\r\nb', 'AUTHENTICATE PLAIN =', 'AUTHENTICATE PLAIN\r\n*',
];
const PIECES = [
  ' ', '  ', '(', ')', '((', '))', '"', '\\', '{', '}', '{0}', '{5}', '{5+}\r\nabcde', '~{3+}\r\n\0\0\0', '{99999999+}', '{-1}', '*', '%', '$', ':', ',', '1:*', '*:*',
  '0', '4294967296', '18446744073709551616', '\0', '\r', '\n', '\r\n', '\x80', '\xff', '&', '&-', '&AGE-', 'NIL', 'INBOX', '[', ']', '<', '>', '<0.0>', '[]', '.', 'BODY[', 'NOT ',
  'OR ', 'UID ', 'RETURN ', '\\Seen', '\\Recent', 'DONE', 'x'.repeat(300), '('.repeat(100), '1,'.repeat(200),
];

/** A connection without a network: bytes in, all that came out. */
class Memory extends Duplex {
  out = '';
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.out += chunk.toString('latin1');
    done();
  }
}

interface Outcome {
  bugs: string[];
  out: string;
}

async function run(input: Buffer, login: boolean): Promise<Outcome> {
  const user = new FakeUser('ann@example.org', 'secret');
  for (let i = 0; i < 5; i++) user.mailbox('INBOX').add(`Subject: ${i}\r\nContent-Type: text/plain\r\n\r\nbody\r\n`, ['\\Seen']);
  user.subscriptions.add('Sent/x');
  const bugs: string[] = [];
  const logger = createLogger('error', (line) => bugs.push(line));
  const socket = new Memory({ allowHalfOpen: true });
  const host = {
    backend: new FakeBackend(user), clock: systemClock, logger, hostname: 'h', secureContext: () => null, closed() {}, failed: () => void bugs.push('failed'),
  };
  new Connection(host, socket as unknown as Socket, '127.0.0.1', false);
  if (login) socket.push('l LOGIN ann@example.org secret\r\nm SELECT INBOX\r\n');
  socket.push(input);
  // The sentinel ends whatever literal or IDLE is open; half-closed, so that everything is answered.
  socket.push(null);
  await new Promise<void>((resolve) => socket.once('finish', resolve));
  socket.destroy();
  return { bugs, out: socket.out };
}

/** One line of output is an answer the grammar knows (literals' contents aside). */
function assertAnswers(out: string): void {
  const text = out.replace(/\{(\d+)\}\r\n/g, (header) => header);
  assert.ok(text.startsWith('* OK '), 'greeting');
  assert.ok(!/undefined|\[object|NaN/.test(text), `strange words in ${JSON.stringify(text.slice(-500))}`);
}

describe('imap: fuzz', () => {

  const check = async (input: Buffer, login: boolean, from: string) => {
    let timer: NodeJS.Timeout;
    const hang = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('hangs')), 3000)));
    try {
      const { bugs, out } = await Promise.race([run(input, login), hang]);
      assert.deepEqual(bugs, []);
      assertAnswers(out);
    } catch (e) {
      throw new Error(`${from}, ${login ? 'logged in' : 'not logged in'}, input (latin1): ${JSON.stringify(input.toString('latin1'))}\n${(e as Error).stack}`);
    } finally {
      clearTimeout(timer!);
    }
  };

  it('what crashed once does not again', async () => {
    const files = existsSync(CRASHERS) ? readdirSync(CRASHERS) : [];
    for (const file of files) for (const login of [false, true]) await check(readFileSync(new URL(file, CRASHERS)), login, file);
  });

  it('mutated dialogues', async function () {
    this.timeout(FUZZ_MS + 10_000);
    const kept = limits.imap_bad_commands_max;
    limits.imap_bad_commands_max = 1000;
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
    const random = seededRandom(seed);
    const pick = <T>(from: T[]): T => from[Math.floor(random.unit() * from.length)];
    const mutate = (text: string): string => {
      for (let times = Math.floor(random.unit() * 4); times > 0; times--) {
        const at = Math.floor(random.unit() * (text.length + 1));
        const to = Math.min(text.length, at + Math.floor(random.unit() * 6));
        const how = random.unit();
        if (how < 0.5) text = text.slice(0, at) + pick(PIECES) + text.slice(at);
        else if (how < 0.7) text = text.slice(0, at) + text.slice(to);
        else if (how < 0.85) text = text.slice(0, at) + pick(PIECES) + text.slice(to);
        else text = text.slice(0, at) + String.fromCharCode(Math.floor(random.unit() * 256)) + text.slice(at + 1);
      }
      return text;
    };
    let runs = 0;
    try {
      for (const end = performance.now() + FUZZ_MS; performance.now() < end; runs++) {
        let text = '';
        for (let i = 0; i < 12; i++) text += `${mutate(`t${i} ${pick(COMMANDS)}`)}\r\n`;
        await check(Buffer.from(text, 'latin1'), random.unit() < 0.8, `seed ${seed}, run ${runs}`);
      }
    } finally {
      limits.imap_bad_commands_max = kept;
    }
    assert.ok(runs > 20);
  });
});
