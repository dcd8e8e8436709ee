// One connection: the library's session (greeting, EHLO, STARTTLS, RSET, QUIT, time-outs) with our own MAIL, RCPT and DATA.
import { randomId, Refused } from '../base/index.ts';
import { mailParameters, parsePath } from './address.ts';
import { type Answer, answers, together } from './answer.ts';
import { LineEnds, parseBdat } from './chunks.ts';
import { HostedConnection } from './hosted-connection.ts';
import type { Done } from './hosted-connection.ts';
import { Incoming } from './incoming.ts';
import type { Parser } from './parser.ts';
import { prefixOf, receivedField } from './prefix.ts';
import type { Recipient, TransactionInfo } from './receiver.ts';
import type { Visit } from './screen.ts';

/** A message that comes by BDAT. */
interface Chunked {
  incoming: Incoming;
  info: TransactionInfo;
  lines: LineEnds;
  stopClock: () => void;
}

export class Connection extends HostedConnection {
  /** One for each RCPT TO that was accepted, in order: LMTP answers as often (RFC 2033 §4.2). */
  #accepted: Recipient[] = [];
  #byAddress = new Map<string, Recipient>();
  #refused = 0;
  #unknown = 0;
  #declaredBytes: number | null = null;
  #utf8 = false;
  #incoming: Incoming | null = null;
  #chunked: Chunked | null = null;
  #sayingHello = false;
  /** Where strangers are judged: null costs nothing. */
  #visit: Visit | null = null;

  get address(): string {
    return this.remoteAddress;
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    super.send(code, this.#sayingHello && Array.isArray(data) ? [...data, 'CHUNKING'] : data, context);
  }

  // The library waits 100 ms for early talkers first.
  override init(): void {
    this._setListeners(() => {
      try {
        this.#visit = this.host.screen?.open(this.remoteAddress) ?? null;
      } catch (e) {
        return this.leave(this.answer(e));
      }
      this.connectionReady();
    });
  }

  override handler_EHLO(command: Buffer, callback: Done): void {
    this.#sayingHello = true;
    try {
      super.handler_EHLO(command, callback);
    } finally {
      this.#sayingHello = false;
    }
  }

  override _onClose(): void {
    this.#endChunked();
    this.#incoming?.abort();
    this.#incoming = null;
    this.#visit?.close();
    this.#visit = null;
    super._onClose();
  }

  override _resetSession(): void {
    super._resetSession();
    this.#endChunked()?.incoming.abort();
    this.#accepted = [];
    this.#byAddress = new Map();
    this.#refused = 0;
    this.#declaredBytes = null;
    this.#utf8 = false;
  }

  override handler_MAIL(command: Buffer, callback: Done): void {
    this.reply(this.#mail(command));
    callback();
  }

  #mail(command: Buffer): Answer {
    try {
      const path = parsePath('MAIL FROM', command);
      if (this.session.envelope.mailFrom) return answers.nested;
      const { declaredBytes, utf8, unknown } = mailParameters(path.parameters);
      if (unknown !== null) return answers.parameter;
      if (declaredBytes !== null && declaredBytes > this.host.limits.message_bytes_max) return answers.tooLarge;
      this.#visit?.mail();
      this.session.envelope.mailFrom = { address: path.address, args: false };
      this.#declaredBytes = declaredBytes;
      this.#utf8 = utf8;
      return answers.sender;
    } catch (e) {
      return this.answer(e, { code: 501, status: '5.1.7' });
    }
  }

  override handler_RCPT(command: Buffer, callback: Done): void {
    this.#rcpt(command).then((a) => {
      this.reply(a);
      callback();
    });
  }

  async #rcpt(command: Buffer): Promise<Answer> {
    try {
      const { address, parameters } = parsePath('RCPT TO', command);
      if (!this.session.envelope.mailFrom) return answers.noSender;
      if (this.#chunked !== null) return answers.chunked;
      if (parameters.size > 0) return answers.parameter;
      let recipient = this.#byAddress.get(address);
      if (recipient === undefined) {
        // Each accepted command costs an answer, so repeated ones count too.
        if (this.#accepted.length >= this.host.limits.smtp_recipients_max) return answers.recipients;
        recipient = await this.host.receiver.recipient(address, this.#declaredBytes);
        if (this.#visit !== null) await this.#visit.recipient(this.#from, address, this.hostNameAppearsAs || '');
        this.#byAddress.set(address, recipient);
      } else if (this.#accepted.length >= this.host.limits.smtp_recipients_max) return answers.recipients;
      this.#accepted.push(recipient);
      return answers.recipient;
    } catch (e) {
      this.#refused++;
      // A relay of one's own holds its connection for long and may forward some wrong addresses.
      const unknown = e instanceof Refused && e.smtp?.startsWith('550 5.1.') === true && !this.host.lmtp;
      if (unknown && ++this.#unknown >= this.host.limits.smtp_unknown_recipients_max) return answers.unknowns;
      if (unknown) await this.#visit?.stall();
      return this.answer(e, { code: 501, status: '5.1.3' });
    }
  }

  get #from(): string {
    return (this.session.envelope.mailFrom as { address: string }).address;
  }

  override handler_DATA(command: Buffer, callback: Done): void {
    const parser = this._parser as Parser | false;
    if (parser === false) return callback();
    const refusal = this.#mayNotSend(command);
    if (refusal !== null) {
      this.reply(refusal);
      return callback();
    }
    const { incoming, info, stopClock } = this.#begin();
    parser.startData({
      take: async (piece) => {
        // While the accounts take their time, the silence is ours: no time-out.
        this._handlerPending = true;
        await incoming.take(piece);
        this._handlerPending = false;
      },
      end: async () => {
        stopClock();
        this._handlerPending = true;
        await this.#finish(incoming, info);
        this._handlerPending = false;
      },
    });
    this.reply(answers.go);
    callback();
  }

  /** A message is about to come. */
  #begin(): Omit<Chunked, 'lines'> {
    const { receiver, limits, clock, logger } = this.host;
    const info: TransactionInfo = {
      from: this.#from,
      recipients: [...this.#byAddress.values()],
      declaredBytes: this.#declaredBytes,
      utf8: this.#utf8,
    };
    const inspection = this.#visit?.begin({ from: info.from, recipients: [...this.#byAddress.keys()], helo: this.hostNameAppearsAs || '', tls: this.secure });
    const incoming = new Incoming(receiver, info, limits, logger, inspection);
    this.#incoming = incoming;
    return { incoming, info, stopClock: clock.after(limits.smtp_message_ms_max, () => this.leave(answers.slow)) };
  }

  /** RFC 3030 §2. */
  handler_BDAT(command: Buffer, callback: Done): void {
    const parser = this._parser as Parser | false;
    if (parser === false) return callback();
    let chunk;
    try {
      chunk = parseBdat(command);
    } catch (e) {
      // Nobody knows which of the bytes that follow are commands.
      this.leave(this.answer(e, { code: 501, status: '5.5.4' }));
      return callback();
    }
    const { bytes, last } = chunk;
    if (bytes > this.host.limits.message_bytes_max) {
      this.leave(answers.tooLarge);
      return callback();
    }
    // The bytes of a chunk that is refused come all the same.
    const refusal = this.#mayNotSend(null);
    const chunked = refusal === null ? (this.#chunked ??= { ...this.#begin(), lines: new LineEnds() }) : null;
    const sink = {
      take: async (piece: Buffer) => {
        if (chunked === null) return;
        this._handlerPending = true;
        await chunked.incoming.take(chunked.lines.push(piece));
        this._handlerPending = false;
      },
      end: async () => {
        if (chunked === null || this.#chunked !== chunked) return this.reply(refusal ?? answers.noSender);
        if (!last) return this.reply({ ...answers.chunk, text: `${bytes} octets received` });
        this.#endChunked();
        this._handlerPending = true;
        await chunked.incoming.take(chunked.lines.end());
        await this.#finish(chunked.incoming, chunked.info);
        this._handlerPending = false;
      },
    };
    if (bytes > 0) {
      parser.startChunk(bytes, sink);
      return callback();
    }
    sink.end().then(callback, (e) => {
      this.bug(e);
      callback();
    });
  }

  #endChunked(): Chunked | null {
    const chunked = this.#chunked;
    this.#chunked = null;
    chunked?.stopClock();
    return chunked;
  }

  /** `command`: of DATA, which takes no argument and nothing that BDAT began. */
  #mayNotSend(command: Buffer | null): Answer | null {
    if (command !== null && /\s\S/.test(command.toString('latin1'))) return answers.noArgument;
    if (command !== null && this.#chunked !== null) return answers.chunked;
    if (!this.session.envelope.mailFrom) return answers.noSender;
    if (this.#accepted.length > 0) return null;
    if (this.#refused === 0) return answers.noRecipient;
    return this.host.lmtp ? answers.noValidRecipientLmtp : answers.noValidRecipient;
  }

  async #finish(incoming: Incoming, info: TransactionInfo): Promise<void> {
    const { lmtp, hostname, random, clock, logger } = this.host;
    const id = randomId(random, 60);
    const received = receivedField(
      {
        lmtp,
        extended: this.openingCommand !== 'HELO',
        tls: this.tls,
        utf8: this.#utf8,
        helo: this.hostNameAppearsAs || '',
        remote: this.remoteAddress,
        hostname,
        id,
        now: clock.now(),
      },
      info.recipients.length === 1 ? info.recipients[0].address : null,
    );
    const all = await incoming.end((recipient, fields) => prefixOf(info.from, recipient.address, fields + received));
    const stored = all.filter((a) => a === answers.stored).length;
    logger.info('message', { id, remote: this.remoteAddress, bytes: incoming.bytes, recipients: all.length, stored });
    this.#incoming = null;
    // Without the client nobody hears the answers.
    if (this._closed) return;
    this.#answerAll(all, info, id);
    this._transactionCounter++;
    this._unrecognizedCommands = 0;
    this._resetSession();
    if (this.host.draining) this.leave(answers.closing);
  }

  #answerAll(all: Answer[], info: TransactionInfo, id: string): void {
    const say = (a: Answer) => this.reply(a === answers.stored ? { ...a, text: `${a.text} as ${id}` } : a);
    if (!this.host.lmtp) return say(together(all));
    const byRecipient = new Map(info.recipients.map((r, i) => [r, all[i]]));
    for (const r of this.#accepted) say(byRecipient.get(r)!);
  }
}
