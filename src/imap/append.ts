// APPEND, MULTIAPPEND and REPLACE (RFC 9051 §6.3.12, RFC 3502, RFC 6855 §4, RFC 8508): messages are handed on while they arrive. It is
// apart from the other commands because it runs before its command is complete.
import { Malformed, Refused, limits } from '../base/index.ts';
import type { Flag, Uid } from '../base/index.ts';
import type { Connection } from './conn.ts';
import type { Appender } from './session.ts';
import { Args, formatSet, parseSequenceSet } from './wire/index.ts';
import type { Arrival } from './wire/index.ts';

type MessageArrival = Extract<Arrival, { kind: 'message' }>;

const TAG = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) /;
const HEAD = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) (?:APPEND |(UID )?REPLACE ([0-9]{1,10}|\*) )/i;

interface MessageArgs {
  flags: Flag[];
  date: { at: number; zone: number } | null;
  utf8: boolean;
}

/** What stands before a message literal, behind the mailbox or the literal before. */
function messageArgs(args: Args, arrival: MessageArrival, utf8: boolean): MessageArgs {
  const flags = args.peek() === '(' ? args.flagList() : [];
  if (flags.length > 0 || args.peek() === ' ') args.skip(' ');
  const date = args.peek() === '"' ? args.dateTime() : null;
  if (date !== null) args.sp();
  const wrapped = args.skip('UTF8 (');
  if (wrapped && !utf8) throw new Malformed('ENABLE UTF8=ACCEPT comes before APPEND UTF8');
  args.expect(`${arrival.eight ? '~' : ''}{${arrival.bytes}${arrival.synchronizing ? '' : '+'}}`);
  args.end();
  // RFC 7889 §4 and RFC 3502 §6.3.11 (an empty message takes the command back).
  if (arrival.bytes > limits.message_bytes_max) throw new Refused(`message is larger than ${limits.message_bytes_max} bytes`, 'TOOBIG');
  if (arrival.bytes === 0) throw new Refused('message is empty, nothing was appended');
  return { flags, date, utf8: wrapped };
}

/** Runs a whole APPEND or REPLACE that began with `first`, to its tagged answer. */
export async function runAppend(conn: Connection, first: MessageArrival): Promise<void> {
  const head = HEAD.exec(first.text);
  const tag = TAG.exec(first.text)?.[1];
  let appender: Appender | null = null;
  let answer: string;
  try {
    if (head === null) {
      if (first.synchronizing) conn.reader.abandon();
      throw new Malformed(tag === undefined ? 'tag expected' : 'one message number expected');
    }
    const byUid = head[2] !== undefined;
    const replaces = head[3] === undefined ? null : () => replaced(conn, head[3], byUid);
    appender = await receive(conn, first, head[0].length, (made) => (appender = made), replaces);
    const uid = replaces === null ? 0 : replaces();
    const { uidValidity, uids } = await appender.commit();
    appender = null;
    const code = `[APPENDUID ${uidValidity} ${formatSet(uids)}]`;
    if (replaces !== null) await takeBack(conn, uid, code);
    conn.teller.tell(true);
    if (conn.teller.searches) await conn.teller.updateSearches();
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
}

/**
 * Takes all messages. After a failure the rest of the command is still read and dropped, or, when the client waits for
 * our `+`, never sent; then the failure is thrown.
 */
async function receive(conn: Connection, first: MessageArrival, at: number, made: (appender: Appender) => void, replaces: (() => Uid) | null): Promise<Appender> {
  const { reader, out } = conn;
  let appender: Appender | null = null;
  let failure: { error: unknown } | null = null;
  let arrival: MessageArrival | Extract<Arrival, { kind: 'messages end' }> = first;
  let wrapped = false;
  for (let count = 0; ; count++) {
    const args: Args = new Args(arrival.text, arrival.literals, count === 0 ? at : 0, conn.enabled.utf8);
    try {
      if (count > 0 && wrapped) args.expect(')');
      if (arrival.kind === 'messages end') {
        args.end();
        break;
      }
      if (failure === null) {
        // Whether there is what it replaces is told before the message is sent.
        if (count === 0) replaces?.();
        else if (replaces !== null) throw new Malformed('REPLACE takes one message');
        const mailbox = count === 0 ? args.mailbox() : '';
        args.sp();
        const { flags, date, utf8 }: MessageArgs = messageArgs(args, arrival, conn.enabled.utf8);
        wrapped = utf8;
        if (appender === null) made((appender = await conn.session.append(mailbox)));
        appender.begin(flags, date, arrival.bytes);
      }
    } catch (error) {
      failure ??= { error };
    }
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
      if (failure === null) await appender!.write(piece).catch((error) => (failure = { error }));
    }
    if (failure === null) await appender!.end().catch((error) => (failure = { error }));
    const next = await conn.transport.arrival();
    if (next.kind === 'lost') conn.bye(next.why);
    if (next.kind === 'message' || next.kind === 'messages end') arrival = next;
    else throw (failure as { error: unknown } | null)?.error ?? new Malformed('why' in next ? next.why : 'message expected');
  }
  if (failure !== null) throw failure.error;
  return appender!;
}
