// APPEND and MULTIAPPEND (RFC 9051 §6.3.12, RFC 3502, RFC 6855 §4): messages are handed on while they arrive. It is
// apart from the other commands because it runs before its command is complete.
import { Malformed, Refused, limits } from '../base/index.ts';
import type { Flag } from '../base/index.ts';
import type { Connection } from './conn.ts';
import type { Appender } from './session.ts';
import { Args, formatSet } from './wire/index.ts';
import type { Arrival } from './wire/index.ts';

type MessageArrival = Extract<Arrival, { kind: 'message' }>;

const HEAD = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) APPEND /i;

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

/** Runs a whole APPEND that began with `first`, to its tagged answer. */
export async function runAppend(conn: Connection, first: MessageArrival): Promise<void> {
  const tag = HEAD.exec(first.text)?.[1];
  let appender: Appender | null = null;
  let answer: string;
  try {
    if (tag === undefined) {
      if (first.synchronizing) conn.reader.abandon();
      throw new Malformed('tag expected');
    }
    appender = await receive(conn, first, tag.length + ' APPEND '.length, (made) => (appender = made));
    const { uidValidity, uids } = await appender.commit();
    appender = null;
    conn.teller.tell(true);
    if (conn.teller.searches) await conn.teller.updateSearches();
    answer = `OK [APPENDUID ${uidValidity} ${formatSet(uids)}] APPEND completed`;
  } catch (e) {
    appender?.abort();
    answer = conn.explain(e, 'APPEND');
  }
  conn.answer(tag ?? '*', answer);
}

/**
 * Takes all messages. After a failure the rest of the command is still read and dropped, or, when the client waits for
 * our `+`, never sent; then the failure is thrown.
 */
async function receive(conn: Connection, first: MessageArrival, at: number, made: (appender: Appender) => void): Promise<Appender> {
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
