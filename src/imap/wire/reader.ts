// Bytes in, commands out: lines and literals of RFC 9051 §9, RFC 7888 (`{n+}`) and RFC 3516 (`~{n}`). The connection
// pushes what its socket gives and pulls with `next`; nothing is read ahead of what it pulls. Message literals of
// APPEND are handed over in pieces, never collected. Holds no buffer between commands.
import { limits } from '../../base/index.ts';
import type { Literal } from './args.ts';

/** What `next` found. */
export type Arrival =
  /** A whole command: its line and literals. */
  | { kind: 'command'; text: string; literals: Literal[] }
  /** A client waits for `+` before it sends a literal (that is no message). */
  | { kind: 'continue'; text: ''; literals: Literal[] }
  /** A message literal begins: take it by `piece` (a synchronizing one comes after `+`; `abandon` if it is refused). */
  | { kind: 'message'; text: string; literals: Literal[]; bytes: number; synchronizing: boolean; eight: boolean }
  /** The end of a command that had message literals: what stands behind the last one. */
  | { kind: 'messages end'; text: string; literals: Literal[] }
  /** A command over a limit; it is over, the next one can follow. */
  | { kind: 'refused'; text: string; literals: Literal[]; why: string }
  /** Where the next command begins can't be told any more: say BYE. */
  | { kind: 'lost'; text: string; literals: Literal[]; why: string };

const NONE: Literal[] = [];

const NO_ROOM = 'too many long commands at once, try again';

const HEADER = /(~?)\{([0-9]{1,16})(\+?)\}$/;
/** What stands before a message literal at least: a literal directly behind it is the mailbox. */
const APPEND = /^[^ ]+ (?:APPEND |(?:UID )?REPLACE [^ ]+ )/i;
const LF = 0x0a;
const CR = 0x0d;

/** Bytes of long commands that are in memory, of all connections of a server. */
export interface CommandRoom {
  used: number;
}

type Mode = 'line' | 'literal' | 'skip' | 'message';

export class CommandReader {
  /** Larger lines and literals, and message literals. */
  authenticated = false;
  /** Lines as they are, no literals: IDLE's DONE and SASL answers. */
  lines = false;
  /** Bytes pushed and not taken yet. */
  buffered = 0;
  #queue: Buffer[] = [];
  #mode: Mode = 'line';
  /** A line that has not ended, `#used` bytes of it; grows by doubling, is dropped when the line is there. */
  #partial: Buffer | null = null;
  #used = 0;
  /** The command so far. */
  #text = '';
  #literals: Literal[] = [];
  #bytes = 0;
  /** Why the rest of this command is only skipped. */
  #refused: string | null = null;
  /** The literal that is being read: where its header begins, what is missing, what is there. */
  #at = 0;
  #eight = false;
  #left = 0;
  #pieces: Buffer[] = [];
  #inMessages = false;
  /** Where the mailbox begins in a command that takes a message; -1: it is another. Known from its first literal on. */
  #append = -1;
  readonly #room: CommandRoom;
  /** What this connection has of it, for the command that is read or runs. */
  #held = 0;
  #over = false;

  constructor(room: CommandRoom = { used: 0 }) {
    this.#room = room;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
    this.buffered += chunk.length;
  }

  /** Forgets all that was pushed (STARTTLS: what came in clear must not count as said under TLS). */
  clear(): void {
    this.#queue = [];
    this.buffered = 0;
    this.#partial = null;
    this.#used = 0;
    this.#endCommand();
    this.#giveBack();
  }

  #giveBack(): void {
    this.#room.used -= this.#held;
    this.#held = 0;
    this.#over = false;
  }

  /** The next arrival, or null when more bytes are needed. */
  next(): Arrival | null {
    // Whoever asks for the next one is done with the last.
    if (this.#over) this.#giveBack();
    for (;;) {
      if (this.#mode === 'literal') {
        if (!this.#fill()) return null;
      } else if (this.#mode !== 'line') {
        while (this.#left > 0) if (this.#take() === null) return null;
        this.#mode = 'line';
      }
      const line = this.#line();
      if (line === null) return null;
      if (typeof line !== 'string') return line;
      const arrival = this.#add(line);
      if (arrival !== null) return arrival;
    }
  }

  /** A piece of the message literal, or null when more bytes are needed (or it has ended: `left`). */
  piece(): Buffer | null {
    return this.#mode === 'message' ? this.#take() : null;
  }

  #take(): Buffer | null {
    const chunk = this.#queue[0];
    if (chunk === undefined || this.#left === 0) return null;
    const n = Math.min(chunk.length, this.#left);
    this.#left -= n;
    this.#shift(n);
    return n === chunk.length ? chunk : chunk.subarray(0, n);
  }

  /** Bytes of the message literal that have not been taken. */
  get left(): number {
    return this.#mode === 'message' ? this.#left : 0;
  }

  /** A synchronizing message literal was answered with NO: the client does not send it, its command is over. */
  abandon(): void {
    this.#endCommand();
  }

  #shift(n: number): void {
    const chunk = this.#queue[0];
    this.buffered -= n;
    if (n === chunk.length) this.#queue.shift();
    else this.#queue[0] = chunk.subarray(n);
  }

  #endCommand(): void {
    this.#mode = 'line';
    this.#text = '';
    this.#literals = [];
    this.#bytes = 0;
    this.#refused = null;
    this.#left = 0;
    this.#pieces = [];
    this.#inMessages = false;
    this.#append = -1;
  }

  #lineMax(): number {
    return this.authenticated ? limits.imap_line_bytes_max : limits.imap_line_unauthenticated_bytes_max;
  }

  /** The next line without its end, null when it is not there yet. */
  #line(): string | Arrival | null {
    for (;;) {
      const chunk = this.#queue[0];
      if (chunk === undefined) return null;
      const end = chunk.indexOf(LF);
      const n = end < 0 ? chunk.length : end + 1;
      if (this.#used + n > this.#lineMax() + 2) return this.#lost('line too long');
      let line: string | null = null;
      if (end >= 0 && this.#used === 0) {
        line = chunk.toString('latin1', 0, end > 0 && chunk[end - 1] === CR ? end - 1 : end);
      } else {
        if (this.#partial === null || this.#partial.length < this.#used + n) {
          const bytes = Math.max((this.#partial?.length ?? 0) * 2, this.#used + n);
          if (!this.#fits(this.#bytes + bytes)) return this.#lost(NO_ROOM);
          const bigger = Buffer.allocUnsafeSlow(bytes);
          this.#partial?.copy(bigger, 0, 0, this.#used);
          this.#partial = bigger;
        }
        chunk.copy(this.#partial, this.#used, 0, n);
        this.#used += n;
        if (end >= 0) {
          const last = this.#used - 1;
          line = this.#partial.toString('latin1', 0, last > 0 && this.#partial[last - 1] === CR ? last - 1 : last);
          this.#partial = null;
          this.#used = 0;
        }
      }
      this.#shift(n);
      if (line !== null) return line;
    }
  }

  /** Adds a line to the command. Null: its literal follows. */
  #add(line: string): Arrival | null {
    const header = !this.lines && line.charCodeAt(line.length - 1) === 0x7d ? HEADER.exec(line.length > 40 ? line.slice(-40) : line) : null;
    this.#bytes += line.length;
    if (this.#bytes > limits.imap_command_bytes_max) this.#refused ??= 'command too long';
    else if (!this.#fits(this.#bytes)) this.#refused ??= NO_ROOM;
    // The text of a command that is only skipped is not kept, but for its tag.
    if (this.#refused === null || this.#text === '') this.#text += line;
    if (header === null) return this.#ended();

    const bytes = Number(header[2]);
    const synchronizing = header[3] === '';
    const eight = header[1] !== '';
    const at = this.#text.length - header[0].length;
    if (this.#refused === null && this.authenticated) {
      // In its first line: to look at a command of many literals again for each would cost the square of its length.
      if (this.#literals.length === 0) this.#append = APPEND.exec(line)?.[0].length ?? -1;
      if (this.#inMessages || (this.#append >= 0 && at > this.#append)) return this.#message(bytes, synchronizing, eight);
    }
    const most = this.authenticated ? limits.imap_literal_bytes_max : limits.imap_line_unauthenticated_bytes_max;
    if (bytes > most || this.#bytes + bytes > (this.authenticated ? limits.imap_command_bytes_max : 2 * most)) this.#refused ??= 'literal too large';
    else if (!this.#fits(this.#bytes + bytes)) this.#refused ??= NO_ROOM;
    if (this.#refused !== null) {
      if (synchronizing) return this.#ended();
      if (bytes > limits.message_bytes_max) return this.#lost('literal too large');
      this.#mode = 'skip';
      this.#left = bytes;
      return null;
    }
    this.#bytes += bytes;
    this.#at = at;
    this.#eight = eight;
    this.#left = bytes;
    this.#mode = 'literal';
    return synchronizing ? { kind: 'continue', text: '', literals: NONE } : null;
  }

  /** Takes room for a command of so many bytes; false when there is none. */
  #fits(bytes: number): boolean {
    const more = bytes - limits.imap_command_small_bytes - this.#held;
    if (more <= 0) return true;
    if (this.#room.used + more > limits.imap_commands_bytes_max) return false;
    this.#room.used += more;
    this.#held += more;
    return true;
  }

  #message(bytes: number, synchronizing: boolean, eight: boolean): Arrival {
    if (!synchronizing && bytes > 2 * limits.message_bytes_max) return this.#lost('literal too large');
    this.#over = true;
    const arrival: Arrival = { kind: 'message', text: this.#text, literals: this.#literals, bytes, synchronizing, eight };
    this.#endCommand();
    this.#inMessages = true;
    this.#mode = 'message';
    this.#left = bytes;
    return arrival;
  }

  #ended(): Arrival {
    const text = this.#text;
    const literals = this.#literals;
    const refused = this.#refused;
    const inMessages = this.#inMessages;
    this.#over = true;
    this.#endCommand();
    if (refused !== null) return { kind: 'refused', text, literals: NONE, why: refused };
    return { kind: inMessages ? 'messages end' : 'command', text, literals };
  }

  #lost(why: string): Arrival {
    const begun = this.#partial?.toString('latin1', 0, Math.min(this.#used, 100)) ?? this.#queue[0]?.toString('latin1', 0, 100) ?? '';
    const text = (this.#text + begun).slice(0, 200);
    this.clear();
    return { kind: 'lost', text, literals: NONE, why };
  }

  /** Collects the literal; true when it is whole. */
  #fill(): boolean {
    while (this.#left > 0) {
      const piece = this.#take();
      if (piece === null) return false;
      // Drops of a few bytes are joined, so that their objects do not outweigh them.
      const last = this.#pieces.at(-1);
      if (last !== undefined && last.length + piece.length < 4096) this.#pieces[this.#pieces.length - 1] = Buffer.concat([last, piece]);
      else this.#pieces.push(piece);
    }
    const bytes = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#literals.push({ at: this.#at, bytes, eight: this.#eight });
    this.#pieces = [];
    this.#mode = 'line';
    return true;
  }
}
