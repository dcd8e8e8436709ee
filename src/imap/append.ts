// APPEND, MULTIAPPEND and REPLACE (RFC 9051 §6.3.12, RFC 3502, RFC 6855 §4, RFC 8508, CATENATE:
// RFC 4469): messages are handed on while they arrive. It is
// apart from the other commands because it runs before its command is complete.
import { Malformed, Refused, limits } from '../base/index.ts';
import type { Flag, Uid } from '../base/index.ts';
import { copyUrl } from './catenate.ts';
import type { Connection } from './conn.ts';
import type { Appender } from './session.ts';
import { Args, formatSet, oldName, parseSequenceSet, quoteMailbox } from './wire/index.ts';
import type { Arrival } from './wire/index.ts';

type MessageArrival = Extract<Arrival, { kind: 'message' }>;

const TAG = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) /;
const HEAD = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) (?:APPEND |(UID )?REPLACE ([0-9]{1,10}|\*) )/i;

type MessagesEnd = Extract<Arrival, { kind: 'messages end' }>;
/** An APPEND all of whose parts are URLs comes as a command without a message literal. */
export type AppendArrival = MessageArrival | Extract<Arrival, { kind: 'command' }>;

/** Called when messages can be taken, with the mailbox as it is called and as the client wrote it. */
type Made = (appender: Appender, mailbox: { name: string; sent: string }) => void;

interface Head {
  flags: Flag[];
  date: { at: number; zone: number } | null;
  form: 'plain' | 'utf8' | 'catenate';
}

/** What stands before a message, behind the mailbox or the message before. */
function messageHead(args: Args, utf8: boolean): Head {
  const flags = args.peek() === '(' ? args.flagList() : [];
  if (flags.length > 0 || args.peek() === ' ') args.skip(' ');
  const date = args.peek() === '"' ? args.dateTime() : null;
  if (date !== null) args.sp();
  if (args.skip('CATENATE (')) return { flags, date, form: 'catenate' };
  if (!args.skip('UTF8 (')) return { flags, date, form: 'plain' };
  if (!utf8) throw new Malformed('ENABLE UTF8=ACCEPT comes before APPEND UTF8');
  return { flags, date, form: 'utf8' };
}

/** The literal's header, which ends the text. */
function literalHeader(args: Args, arrival: AppendArrival | MessagesEnd): number {
  if (arrival.kind !== 'message') throw args.error('message literal expected');
  args.expect(`${arrival.eight ? '~' : ''}{${arrival.bytes}${arrival.synchronizing ? '' : '+'}}`);
  args.end();
  if (arrival.bytes > limits.message_bytes_max) throw new Refused(`message is larger than ${limits.message_bytes_max} bytes`, 'TOOBIG');
  return arrival.bytes;
}

/** Runs a whole APPEND or REPLACE that began with `first`, to its tagged answer. */
export async function runAppend(conn: Connection, first: AppendArrival): Promise<void> {
  const head = HEAD.exec(first.text);
  const tag = TAG.exec(first.text)?.[1];
  let appender: Appender | null = null;
  let mailbox = { name: '', sent: '' };
  let answer: string;
  try {
    if (head === null) {
      if (first.kind === 'message' && first.synchronizing) conn.reader.abandon();
      throw new Malformed(tag === undefined ? 'tag expected' : 'one message number expected');
    }
    const byUid = head[2] !== undefined;
    const replaces = head[3] === undefined ? null : () => replaced(conn, head[3], byUid);
    appender = await receive(conn, first, head[0].length, (made, into) => ([appender, mailbox] = [made, into]), replaces);
    const uid = replaces === null ? 0 : replaces();
    const { uidValidity, uids } = await appender.commit();
    appender = null;
    conn.teller.made(mailbox.name, uids);
    // A client of IMAP4rev2 that wrote the name in another form learns how it is spelt.
    if (conn.enabled.rev2 && mailbox.sent !== mailbox.name) conn.out.line(`* LIST () "/" ${quoteMailbox(mailbox.name, true)}${oldName(mailbox.name, mailbox.sent)}`);
    const code = `[APPENDUID ${uidValidity} ${formatSet(uids)}]`;
    if (replaces !== null) await takeBack(conn, uid, code);
    conn.teller.tell(true);
    if (conn.teller.more) await conn.teller.rest();
    answer = replaces === null ? `OK ${code} APPEND completed` : `OK ${byUid ? 'UID ' : ''}REPLACE completed`;
  } catch (e) {
    appender?.abort();
    answer = conn.explain(e, 'APPEND');
  }
  conn.answer(tag ?? '*', answer);
}

/** UID of the message that REPLACE names (RFC 8508 §3.2: it must be there). */
function replaced(conn: Connection, number: string, byUid: boolean): Uid {
  const { view, selected, enabled } = conn;
  if (enabled.uidonly && !byUid) throw new Malformed('UIDONLY is on', 'UIDREQUIRED');
  if (selected.readOnly) throw new Refused('The mailbox is open for reading only', 'READ-ONLY');
  const uids = view.resolve(parseSequenceSet(number).set, byUid);
  if (uids.length === 0 || view.index.find(uids[0]) < 0) throw new Refused('There is no such message', byUid ? 'NONEXISTENT' : 'EXPUNGEISSUED');
  return uids[0];
}

/** The new message is there and durable; only now the old one goes, so that no failure loses both. */
async function takeBack(conn: Connection, uid: Uid, code: string): Promise<void> {
  conn.out.line(`* OK ${code} replacement is there`);
  await conn.selected.store([uid], 'add', ['\\Deleted'], null);
  await conn.selected.expunge([uid]);
  conn.view.poll(conn.out, { allowExpunge: true, own: true });
}

/**
 * Takes all messages. After a failure the rest of the command is still read and dropped, or, when the client waits for
 * our `+`, never sent; then the failure is thrown.
 */
async function receive(conn: Connection, first: AppendArrival, at: number, made: Made, replaces: (() => Uid) | null): Promise<Appender> {
  const { reader, out } = conn;
  const messages = new Messages(conn, made, replaces);
  let failure: { error: unknown } | null = null;
  let arrival: AppendArrival | MessagesEnd = first;
  for (let count = 0; ; count++) {
    const args: Args = new Args(arrival.text, arrival.literals, count === 0 ? at : 0, conn.enabled.utf8);
    if (failure === null) await messages.text(args, arrival).catch((error) => (failure = { error }));
    if (arrival.kind !== 'message') break;
    if (arrival.synchronizing) {
      if (failure !== null) {
        reader.abandon();
        break;
      }
      out.line('+ go on');
      out.flush();
    }
    while (reader.left > 0) {
      const piece = reader.piece();
      if (piece === null) {
        await conn.transport.more();
        continue;
      }
      if (failure === null) await messages.appender!.write(piece).catch((error) => (failure = { error }));
    }
    if (failure === null) await messages.literalEnded().catch((error) => (failure = { error }));
    const next = await conn.transport.arrival();
    if (next.kind === 'lost') conn.bye(next.why);
    if (next.kind === 'message' || next.kind === 'messages end') arrival = next;
    else throw (failure as { error: unknown } | null)?.error ?? new Malformed('why' in next ? next.why : 'message expected');
  }
  if (failure !== null) throw (failure as { error: unknown }).error;
  return messages.appender!;
}

/** What stands between the message literals of one command. */
class Messages {
  appender: Appender | null = null;
  readonly #conn: Connection;
  readonly #made: Made;
  readonly #replaces: (() => Uid) | null;
  #count = 0;
  #mailbox = { name: '', sent: '' };
  /** The message that is being taken. */
  #form: Head['form'] = 'plain';
  /** CATENATE: parts so far. */
  #parts = 0;

  constructor(conn: Connection, made: Made, replaces: (() => Uid) | null) {
    this.#conn = conn;
    this.#made = made;
    this.#replaces = replaces;
  }

  /** What REPLACE removes in the end. */
  #instead(): { bytes: number } | null {
    if (this.#replaces === null) return null;
    // Only REPLACE has a mailbox selected for sure.
    const { index } = this.#conn.view;
    return { bytes: index.size(index.find(this.#replaces())) };
  }

  /** Takes all up to the next literal or the end. Afterwards the literal belongs to the message that was begun. */
  async text(args: Args, arrival: AppendArrival | MessagesEnd): Promise<void> {
    if (this.#count === 0) {
      // Whether there is what it replaces is told before the message is sent.
      this.#replaces?.();
      const name = args.mailbox();
      this.#mailbox = { name, sent: args.mailboxAsSent };
    } else if (this.#form === 'utf8') args.expect(')');
    else if (this.#form === 'catenate' && (await this.#catenated(args, arrival))) return;
    while (!args.done || this.#count === 0) {
      args.sp();
      const { flags, date, form } = messageHead(args, this.#conn.enabled.utf8);
      const { imap_command_messages_max: max } = this.#conn.limits;
      if (this.#count >= max) throw new Refused(`More than ${max} messages for one command`, `MESSAGELIMIT ${max}`);
      if (this.#count++ > 0 && this.#replaces !== null) throw new Malformed('REPLACE takes one message');
      this.#form = form;
      this.#parts = 0;
      const bytes = form === 'catenate' ? 0 : literalHeader(args, arrival);
      // RFC 3502 §6.3.11: an empty message takes the command back.
      if (form !== 'catenate' && bytes === 0) throw new Refused('message is empty, nothing was appended');
      if (this.appender === null) this.#made((this.appender = await this.#conn.session.append(this.#mailbox.name, this.#instead())), this.#mailbox);
      this.appender.begin(flags, date, bytes);
      if (form !== 'catenate' || (await this.#catenated(args, arrival))) return;
    }
    if (arrival.kind === 'message') throw args.error('message expected');
  }

  /** Parts up to the next TEXT (true) or the closing parenthesis (false). */
  async #catenated(args: Args, arrival: AppendArrival | MessagesEnd): Promise<boolean> {
    const { session, host } = this.#conn;
    for (;;) {
      if (this.#parts > 0) {
        if (args.skip(')')) break;
        args.sp();
      }
      if (++this.#parts > limits.catenate_parts_max) throw new Refused(`More than ${limits.catenate_parts_max} parts`, 'LIMIT');
      if (args.skip('TEXT ')) {
        literalHeader(args, arrival);
        return true;
      }
      args.expect('URL ');
      await copyUrl({ session, hostname: host.hostname }, args.astring(), (piece) => this.appender!.write(piece));
    }
    this.#form = 'plain';
    await this.appender!.end();
    return false;
  }

  async literalEnded(): Promise<void> {
    if (this.#form !== 'catenate') await this.appender!.end();
  }
}
