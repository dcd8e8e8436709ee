// A protocol fuzzer: sessions in every state, commands mutated by their grammar and by bytes, beside sessions of the same
// user that idle and are notified meanwhile. Any bytes give an answer or BYE, never a bug, and never a hang.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { createLogger, seededRandom, systemClock } from '../../src/base/index.ts';
import type { Random } from '../../src/base/index.ts';
import { Connection } from '../../src/imap/conn.ts';
import { Turns } from '../../src/imap/turns.ts';
import { FakeBackend, FakeUser } from './fake.ts';

export const COMMANDS = [
  'CAPABILITY', 'NOOP', 'ID ("name" "x" "v" NIL)', 'ENABLE QRESYNC UTF8=ACCEPT', 'NAMESPACE', 'SELECT INBOX', 'EXAMINE INBOX (CONDSTORE)',
  'SELECT INBOX (QRESYNC (1048577 70 64:300 (1:2 64,128)))', 'CREATE a/b (USE (\\Archive))', 'DELETE a', 'RENAME a b', 'SUBSCRIBE &U,BTFw-',
  'UNSUBSCRIBE "x"', 'LIST (SUBSCRIBED RECURSIVEMATCH) "" ("*" a/%) RETURN (CHILDREN STATUS (MESSAGES UIDNEXT))', 'LIST "" %', 'LSUB "" "*"',
  'STATUS INBOX (MESSAGES UIDNEXT SIZE)', 'APPEND INBOX (\\Seen) "17-Jul-1996 02:44:25 -0700" {5+}\r\nabcde', 'APPEND INBOX {2+}\r\nab {3+}\r\nabc',
  'APPEND INBOX UTF8 (~{2+}\r\nab)', 'IDLE\r\nDONE', 'CHECK', 'UNSELECT', 'CLOSE', 'EXPUNGE', 'UID EXPUNGE 64:*',
  'FETCH 1:* (FLAGS UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)', 'UID FETCH 1:*,5 (BODY.PEEK[1.2.HEADER.FIELDS (To "Cc")]<0.100>) (CHANGEDSINCE 3 VANISHED)',
  'FETCH 2 (BINARY.SIZE[1] BODY[TEXT] RFC822.HEADER MODSEQ EMAILID SAVEDATE)', 'STORE 1 +FLAGS.SILENT (\\Deleted work)', 'UID STORE 1:* (UNCHANGEDSINCE 5) FLAGS ()',
  'SEARCH RETURN (MIN MAX ALL COUNT SAVE) CHARSET UTF-8 OR (NOT SEEN) {3+}\r\nTO x SINCE 1-Feb-1994', 'UID SEARCH UID $ YOUNGER 100 MODSEQ 5 LARGER 3 HEADER a "b"',
  'SEARCH OR SUBJECT 1 NOT (FROM a SENTSINCE 1-Feb-1994) UIDAFTER 64 UIDBEFORE 300 KEYWORD x BODY b',
  'SORT RETURN (ALL PARTIAL 1:3 COUNT) (REVERSE SUBJECT DISPLAYFROM DATE) UTF-8 FUZZY SUBJECT 1', 'UID THREAD REFERENCES UTF-8 ALL', 'THREAD ORDEREDSUBJECT UTF-8 1:3',
  'SEARCH RETURN (UPDATE COUNT) UNSEEN', 'UID SEARCH RETURN (UPDATE (FLAGS BODY.PEEK[TEXT]) COUNT) UNDELETED', 'CANCELUPDATE "x"', 'ESEARCH IN (subtree (Sent a) mailboxes INBOX selected) RETURN (PARTIAL -1:-2 RELEVANCY) UID 1:*',
  'UID FETCH 1:* (PREVIEW (LAZY)) (PARTIAL -1:-3)', 'GETQUOTAROOT INBOX', 'SETQUOTA "" (STORAGE 5)', 'SETMETADATA INBOX (/private/x {3+}\r\nabc /private/y NIL)',
  'GETMETADATA (MAXSIZE 5 DEPTH 1) "" (/private /shared/x)', 'LIST "" * RETURN (METADATA (/private/x))', 'REPLACE 2 Sent (\\Seen) {3+}\r\nabc', 'ENABLE UIDONLY IMAP4rev2',
  'UID REPLACE 64 Sent {3+}\r\nabc', 'UID SORT (ARRIVAL CC FROM SIZE TO RELEVANCY) US-ASCII UNDELETED', 'GETQUOTA ""', 'UID COPY 1:*,$ Sent', 'MOVE 2,*:3 Archive',
  'COMPRESS DEFLATE', 'APPEND Sent CATENATE (URL "/INBOX/;UID=64/;SECTION=TEXT" TEXT {3+}\r\nabc URL "/INBOX/;UID=128/;PARTIAL=0.5") (\\Seen) {2+}\r\nab',
  'NOTIFY SET STATUS (selected-delayed (MessageNew (UID BODY.PEEK[TEXT]) MessageExpunge FlagChange)) (subtree (Sent a) (MessageNew MessageExpunge)) (personal (MailboxName SubscriptionChange))',
  'NOTIFY NONE', 'ENABLE METADATA', 'UNAUTHENTICATE', 'COPY 1:2 Sent', 'UID MOVE 64 Archive', 'STARTTLS', 'LOGIN a {1+}\r\nb', 'AUTHENTICATE PLAIN =', 'AUTHENTICATE PLAIN\r\n*', 'LOGOUT',
  'AUTHENTICATE SCRAM-SHA-256 biwsbj1hbm5AZXhhbXBsZS5vcmcscj14\r\nYz1iaXdzLHI9eHRoZVNlcnZlcnNOb25jZSxwPUFBQUE=\r\n',
];
const PIECES = [
  ' ', '  ', '(', ')', '((', '))', '"', '\\', '{', '}', '{0}', '{5}', '{5+}\r\nabcde', '~{3+}\r\n\0\0\0', '{99999999+}', '{-1}', '*', '%', '$', ':', ',', '1:*', '*:*',
  '0', '4294967295', '4294967296', '9007199254740993', '18446744073709551616', '\0', '\r', '\n', '\r\n', '\x80', '\xff', '&', '&-', '&AGE-', 'NIL', 'INBOX', '[', ']', '<', '>', '<0.0>', '[]', '.', 'BODY[', 'NOT ',
  'OR ', 'UID ', 'RETURN ', '\\Seen', '\\Recent', 'DONE', 'x'.repeat(300), '('.repeat(100), '1,'.repeat(200),
];

const LOGIN = 'l LOGIN ann@example.org secret\r\n';
/** How a session comes into each state; what is fuzzed goes on from there. */
export const STATES: Record<string, string> = {
  'not authenticated': '',
  authenticated: LOGIN,
  selected: `${LOGIN}m SELECT INBOX\r\n`,
  'read-only': `${LOGIN}m EXAMINE INBOX\r\n`,
  idle: `${LOGIN}m SELECT INBOX\r\nn IDLE\r\n`,
  'in a literal': `${LOGIN}m SELECT INBOX\r\nn APPEND INBOX {40+}\r\nSubject: `,
  'in a command\'s literal': `${LOGIN}m LIST "" {7+}\r\nIN`,
  'in SASL': 'n AUTHENTICATE SCRAM-SHA-256\r\n',
  compressed: `${LOGIN}m SELECT INBOX\r\nn COMPRESS DEFLATE\r\n`,
  notified: `${LOGIN}m SELECT INBOX\r\nn NOTIFY SET (selected (MessageNew (UID BODY.PEEK[]) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange))\r\n`,
  resyncing: `${LOGIN}m ENABLE QRESYNC IMAP4rev2\r\nn SELECT INBOX\r\n`,
  'by UID only': `${LOGIN}m ENABLE UIDONLY\r\nn SELECT INBOX\r\n`,
  'keeping searches': `${LOGIN}m SELECT INBOX\r\nn SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNDELETED\r\no SEARCH RETURN (UPDATE SAVE) FLAGGED\r\n`,
};

/** A connection without a network: bytes in, all that came out. */
class Memory extends Duplex {
  out: Buffer[] = [];
  bytes = 0;
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.bytes += chunk.length;
    if (this.bytes < 8_000_000) this.out.push(chunk);
    done();
  }
}

/** The text of what came out, inflated where it is compressed. */
function told(socket: Memory): string {
  const all = Buffer.concat(socket.out);
  const mark = all.indexOf('COMPRESS completed\r\n');
  if (mark < 0) return all.toString('latin1');
  const at = mark + 'COMPRESS completed\r\n'.length;
  let rest = '';
  try {
    rest = inflateRawSync(all.subarray(at), { finishFlush: constants.Z_SYNC_FLUSH }).toString('latin1');
  } catch {
    // What was fuzzed ended the stream.
  }
  return all.toString('latin1', 0, at) + rest;
}

export class Fuzzer {
  readonly #random: Random;
  #user = new FakeUser('ann@example.org', 'secret');
  #bugs: string[] = [];
  /** Sessions of the same user that hear of all that is done. */
  #listeners: Memory[] = [];
  #runs = 0;
  /** Some input had words that answers should not have: names and texts bring them back. */
  #strange = false;
  /** The run that took most of the processor so far, milliseconds, and its input. */
  slowest = { ms: 0, input: '' };

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#renew();
  }

  get runs(): number {
    return this.#runs;
  }

  /** Another user, when the mailboxes of this one have become large. */
  #renew(): void {
    for (const listener of this.#listeners) listener.destroy();
    this.#strange = false;
    this.#user = new FakeUser('ann@example.org', 'secret');
    for (let i = 0; i < 5; i++) this.#user.mailbox('INBOX').add(`Subject: ${i}\r\nContent-Type: text/plain\r\n\r\nbody\r\n`, ['\\Seen']);
    this.#user.subscriptions.add('Sent/x');
    this.#listeners = ['idle', 'notified'].map((state) => {
      const socket = this.#connect();
      socket.push(Buffer.from(STATES[state], 'latin1'));
      return socket;
    });
  }

  #connect(): Memory {
    const socket = new Memory({ allowHalfOpen: true });
    const logger = createLogger('error', (line) => this.#bugs.push(line));
    const host = { backend: new FakeBackend(this.#user), clock: systemClock, logger, hostname: 'h', withheld: new Set<string>(), commandRoom: { used: 0 }, turns: new Turns(systemClock), secureContext: () => null, closed() {}, failed: () => void this.#bugs.push('failed') };
    new Connection(host, socket as unknown as Socket, '127.0.0.1', false);
    return socket;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.unit() * from.length)];
  }

  /** By bytes: pieces of the grammar anywhere. */
  #bytes(text: string): string {
    const at = Math.floor(this.#random.unit() * (text.length + 1));
    const to = Math.min(text.length, at + Math.floor(this.#random.unit() * 6));
    const how = this.#random.unit();
    if (how < 0.5) return text.slice(0, at) + this.#pick(PIECES) + text.slice(at);
    if (how < 0.7) return text.slice(0, at) + text.slice(to);
    if (how < 0.85) return text.slice(0, at) + this.#pick(PIECES) + text.slice(to);
    return text.slice(0, at) + String.fromCharCode(Math.floor(this.#random.unit() * 256)) + text.slice(at + 1);
  }

  /** By the grammar: words of other commands, groups twice or not at all, other forms of strings, other numbers. */
  #grammar(text: string): string {
    const words = text.match(/"[^"\r\n]*"|~?\{\d+\+?\}\r\n|[()[\]<> ]|[^()[\]<> "{]+|[\s\S]/g) ?? [text];
    const at = Math.floor(this.#random.unit() * words.length);
    const others = this.#pick(COMMANDS).split(/(?<=[ ()])|(?=[ ()])/);
    switch (Math.floor(this.#random.unit() * 7)) {
      case 0:
        words[at] = this.#pick(others);
        break;
      case 1:
        words.splice(at, 0, this.#pick(others), ' ');
        break;
      case 2: {
        const open = words.indexOf('(', at);
        const close = words.indexOf(')', open);
        if (open >= 0 && close > open) words.splice(open, 0, ...words.slice(open, close + 1), ...(this.#random.unit() < 0.5 ? [' '] : []));
        break;
      }
      case 3: {
        const open = words.indexOf('(', at);
        const close = words.indexOf(')', open);
        if (open >= 0 && close > open) words.splice(open, close + 1 - open);
        break;
      }
      case 4:
        words[at] = `{${words[at].length}+}\r\n${words[at]}`;
        break;
      case 5:
        words[at] = `"${words[at].replace(/["\\\r\n]/g, '\\$&')}"`;
        break;
      default:
        words[at] = /^\d+$/.test(words[at]) ? this.#pick(['0', '1', '4294967295', '4294967296', '99999999999999999999', '007']) : words[at].toLowerCase();
    }
    return words.join('');
  }

  #mutated(text: string): string {
    for (let times = Math.floor(this.#random.unit() * 4); times > 0; times--) text = this.#random.unit() < 0.5 ? this.#bytes(text) : this.#grammar(text);
    return text.slice(0, 20_000);
  }

  /** Some mutated commands, and a state to play them in, chosen by chance. */
  dialogue(): { state: string; text: string } {
    const state = this.#pick(Object.keys(STATES));
    let text = '';
    for (let i = 0; i < 8; i++) text += `${this.#mutated(`t${i} ${this.#pick(COMMANDS)}`)}\r\n`;
    return { state, text };
  }

  async once(): Promise<void> {
    const { state, text } = this.dialogue();
    await this.play(state, text);
  }

  /** Plays these bytes in a state, with the end behind them. Throws with the input when that is not taken well. */
  async play(state: string, text: string): Promise<void> {
    if (++this.#runs % 200 === 0 || this.#user.mailbox('INBOX').count > 300 || this.#user.mailboxes.size > 60) this.#renew();
    if (!this.#user.mailboxes.has('INBOX')) this.#renew();
    const socket = this.#connect();
    this.#strange ||= STRANGE.test(text);
    const begun = process.cpuUsage();
    let timer: NodeJS.Timeout | undefined;
    try {
      // Counted in turns: a machine that stands still for a while hangs nobody.
      let turns = 0;
      const hang = new Promise<never>((_, reject) => (timer = setInterval(() => ++turns === 200 && reject(new Error('hangs')), 100)));
      socket.push(Buffer.from(STATES[state], 'latin1'));
      if (state === 'compressed') await Promise.race([compressed(socket), hang]);
      const bytes = Buffer.from(text, 'latin1');
      socket.push(state === 'compressed' ? deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes);
      // Half-closed, so that everything is answered: the end ends whatever literal or IDLE is open.
      socket.push(null);
      await Promise.race([new Promise<void>((resolve) => (socket.writableFinished ? resolve() : socket.once('finish', resolve))), hang]);
      assert.deepEqual(this.#bugs, []);
      assertAnswers(told(socket), this.#strange);
    } catch (e) {
      throw new Error(`${state}, input (latin1): ${JSON.stringify(text)}\n${(e as Error).stack}`);
    } finally {
      clearInterval(timer);
      socket.destroy();
    }
    const { user, system } = process.cpuUsage(begun);
    const ms = (user + system) / 1000;
    if (ms > this.slowest.ms) this.slowest = { ms, input: `${state}: ${text.slice(0, 300)}` };
    if (this.#runs % 100 === 0) this.#assertListening();
  }

  /** Those who only listen are not thrown out by what others do, and hear well-formed answers. */
  #assertListening(): void {
    for (const listener of this.#listeners) {
      assert.ok(!listener.destroyed && !listener.writableEnded, 'a session that only listens was ended');
      assertAnswers(told(listener), this.#strange);
    }
  }

  end(): void {
    for (const listener of this.#listeners) listener.destroy();
  }
}

async function compressed(socket: Memory): Promise<void> {
  while (!Buffer.concat(socket.out).includes('COMPRESS completed')) await new Promise(setImmediate);
}

const STRANGE = /undefined|\[object|NaN/;

/** Output begins as it should, and has no words that only a mistake puts there (unless a client wrote them). */
function assertAnswers(out: string, strange: boolean): void {
  assert.ok(out.startsWith('* OK '), 'greeting');
  assert.ok(strange || !STRANGE.test(out), `strange words in ${JSON.stringify(out.slice(-500))}`);
}
