// How much text the envelopes and the structure of one message may hold: a message can be made of nothing but headers.
import type { Address, BodyPart, Envelope, HeaderText, Parameters } from '../base/index.ts';

/** Strings cut out of a longer header than this are copied, because a cut-out keeps the whole header in memory. */
const SHARED_BYTES_MAX = 8192;
/** Longest word that is free when nothing is left: all that are in common use. */
const SHORT_WORD = 16;

/** Takes texts of a message from an allowance (bytes) until nothing is left; what doesn't fit becomes absent. */
export class TextAllowance {
  #left: number;
  #copy = false;
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** The next texts come out of a header of so many bytes. */
  from(headerBytes: number): void {
    this.#copy = headerBytes > SHARED_BYTES_MAX;
  }

  part(part: BodyPart): void {
    this.#names(part);
    part.params = this.#params(part.params);
    part.id = this.#take(part.id);
    part.description = this.#take(part.description);
    part.md5 = this.#take(part.md5);
    part.location = this.#take(part.location);
    if (part.disposition !== null) {
      const type = this.#take(part.disposition.type);
      part.disposition = type === null ? null : { type, params: this.#params(part.disposition.params) };
    }
    if (part.language !== null) {
      const tags = part.language.map((tag) => this.#take(tag)).filter((tag) => tag !== null);
      part.language = tags.length === 0 ? null : tags;
    }
  }

  /** What a part is, is always said, if need be in short words. */
  #names(part: BodyPart): void {
    const bytes = part.type.length + part.subtype.length + part.encoding.length + 3;
    if (bytes <= this.#left) {
      this.#left -= bytes;
      return;
    }
    const type = part.type.toLowerCase();
    if (part.subtype.length > SHORT_WORD || (type !== 'multipart' && type !== 'message')) {
      if (type !== 'multipart') part.type = 'application';
      part.subtype = type === 'multipart' ? 'mixed' : 'octet-stream';
    }
    if (part.encoding.length > SHORT_WORD) part.encoding = '7bit';
  }

  envelope(e: Envelope): void {
    e.date = this.#take(e.date);
    e.subject = this.#take(e.subject);
    e.messageId = this.#take(e.messageId);
    e.inReplyTo = this.#take(e.inReplyTo);
    const from = e.from;
    e.from = this.#addresses(from);
    e.sender = e.sender === from ? e.from : this.#addresses(e.sender);
    e.replyTo = e.replyTo === from ? e.from : this.#addresses(e.replyTo);
    e.to = this.#addresses(e.to);
    e.cc = this.#addresses(e.cc);
    e.bcc = this.#addresses(e.bcc);
  }

  #addresses(list: Address[] | null): Address[] | null {
    if (list === null) return null;
    for (let i = 0; i < list.length; i++) {
      const a = list[i];
      const bytes = (a.name?.length ?? 0) + (a.mailbox?.length ?? 0) + (a.host?.length ?? 0) + 3;
      if (bytes > this.#left) return i === 0 ? null : list.slice(0, i);
      a.name = this.#take(a.name);
      a.mailbox = this.#take(a.mailbox);
      a.host = this.#take(a.host);
    }
    return list;
  }

  #params(params: Parameters): Parameters {
    for (let i = 0; i < params.length; i++) {
      const [name, value] = params[i];
      if (name.length + value.length + 2 > this.#left) return params.slice(0, i);
      params[i] = [this.#take(name)!, this.#take(value)!];
    }
    return params;
  }

  #take(text: HeaderText): HeaderText | null;
  #take(text: HeaderText | null): HeaderText | null;
  #take(text: HeaderText | null): HeaderText | null {
    if (text === null) return null;
    // Even an empty text takes room when it is stored.
    if (text.length + 1 > this.#left) return null;
    this.#left -= text.length + 1;
    return this.#copy && text.length >= 13 ? Buffer.from(text, 'latin1').toString('latin1') : text;
  }
}
