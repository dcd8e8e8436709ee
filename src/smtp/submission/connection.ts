// One connection of a mail app that sends: the library's session with AUTH, and our own MAIL, RCPT and DATA.
import type { Socket } from 'node:net';
import { randomId, Refused } from '../../base/index.ts';
import { parsePath } from '../address.ts';
import { type Answer, answers } from '../answer.ts';
import type { Host } from '../host.ts';
import { HostedConnection } from '../hosted-connection.ts';
import type { Done } from '../hosted-connection.ts';
import type { Parser } from '../parser.ts';
import { receivedField } from '../prefix.ts';
import { recipientParameters, submissionParameters } from './parameters.ts';
import type { SentTo, Submission, Submitter } from './submitter.ts';

export interface SubmissionHost extends Host {
  readonly submitter: Submitter;
  /** The Received field doesn't tell where the mail app was. */
  readonly hideClient: boolean;
}

type Credentials = { username: string; password: string; authzid?: string };
type Verdict = (e: (Error & { responseCode?: number }) | null, done?: { user: string }) => void;

const own = {
  accepted: { code: 250, status: '2.6.0', text: 'message accepted' },
  authentication: { code: 530, status: '5.7.0', text: 'log in first' },
  tls: { code: 538, status: '5.7.11', text: 'STARTTLS first' },
  /** RFC 4954 §6. */
  away: { code: 454, status: '4.7.0', text: 'the password can not be checked now, try again later' },
  failures: { code: 421, status: '4.7.0', text: 'too many wrong passwords' },
} satisfies Record<string, Answer>;

export class SubmissionConnection extends HostedConnection<SubmissionHost> {
  #submission: Submission | null = null;
  #failures = 0;
  #recipients: SentTo[] = [];
  #mail: ReturnType<typeof submissionParameters> | null = null;
  #transaction: ReturnType<Submission['begin']> | null = null;

  constructor(host: SubmissionHost, socket: Socket, closed: () => void) {
    super(host, socket, closed);
    if ('encrypted' in socket) this.session.secure = this.secure = true;
  }

  override init(): void {
    this._setListeners(() => this.connectionReady());
  }

  get #mayLogIn(): boolean {
    return this.secure || this.host.submitter.plaintextAllowed(this.remoteAddress);
  }

  // AUTH is neither offered nor taken where a password could be read on its way.
  override handler_EHLO(command: Buffer, callback: Done): void {
    const { options } = this._server;
    const methods = options.authMethods;
    if (!this.#mayLogIn) options.authMethods = [];
    const { limits, clock } = this.host;
    const hold = limits.submission_hold_ms_max;
    const until = `${new Date(clock.now() + hold).toISOString().slice(0, 19)}Z`;
    this.send = (code, lines, context) => super.send(code, Array.isArray(lines) ? [...lines, `FUTURERELEASE ${hold / 1000} ${until}`] : lines, context);
    try {
      super.handler_EHLO(command, callback);
    } finally {
      options.authMethods = methods;
      delete (this as Partial<this>).send;
    }
  }

  override handler_AUTH(command: Buffer, callback: Done): void {
    if (this.session.envelope.mailFrom) this.reply(answers.nested);
    else if (!this.#mayLogIn) this.reply(own.tls);
    else return super.handler_AUTH(command, callback);
    callback();
  }

  /** The library asks through its server's onAuth (server.ts). */
  authenticate({ username, password, authzid = '' }: Credentials, verdict: Verdict): void {
    // Nobody acts for another here (RFC 4616 §2).
    const login = authzid === '' || authzid === username ? this.host.submitter.login(username, password, this.remoteAddress) : Promise.reject(new Refused('nobody may log in as someone else', 'AUTHORIZATIONFAILED', '535 5.7.8'));
    login.then(
      (submission) => {
        this.#submission = submission;
        verdict(null, { user: submission.address });
      },
      (e) => {
        const said = this.answer(e);
        const a = said === answers.later ? own.away : said;
        if (a !== own.away) this.host.logger.info('log-in refused', { remote: this.remoteAddress, why: a.text });
        // The library puts the enhanced status before it.
        verdict(Object.assign(new Error(a.text), { responseCode: a.code }));
        if (e instanceof Refused && ++this.#failures >= this.host.limits.submission_failures_max) this.leave(own.failures);
      },
    );
  }

  override _onClose(): void {
    this.#transaction?.abort();
    this.#transaction = null;
    super._onClose();
  }

  override _resetSession(): void {
    super._resetSession();
    this.#recipients = [];
    this.#mail = null;
  }

  override handler_STARTTLS(command: Buffer, callback: Done): void {
    super.handler_STARTTLS(command, callback);
    // What was said in clear counts no more (RFC 3207 §4.2).
    if (this._upgrading) this.#submission = null;
  }

  override handler_MAIL(command: Buffer, callback: Done): void {
    void this.#from(command).then((a) => {
      this.reply(a);
      callback();
    });
  }

  async #from(command: Buffer): Promise<Answer> {
    try {
      if (this.#submission === null) return own.authentication;
      const path = parsePath('MAIL FROM', command);
      if (this.session.envelope.mailFrom) return answers.nested;
      const mail = submissionParameters(path.parameters, { now: this.host.clock.now(), holdMsMax: this.host.limits.submission_hold_ms_max, secure: this.secure });
      if (mail.unknown !== null) return answers.parameter;
      if ((mail.declaredBytes ?? 0) > this.host.limits.message_bytes_max) return answers.tooLarge;
      await this.#submission.sender(path.address);
      this.session.envelope.mailFrom = { address: path.address, args: false };
      this.#mail = mail;
      return answers.sender;
    } catch (e) {
      return this.answer(e, { code: 501, status: '5.1.7' });
    }
  }

  override handler_RCPT(command: Buffer, callback: Done): void {
    void this.#to(command).then((a) => {
      this.reply(a);
      callback();
    });
  }

  async #to(command: Buffer): Promise<Answer> {
    try {
      const { address, parameters } = parsePath('RCPT TO', command);
      if (this.#submission === null) return own.authentication;
      if (this.#mail === null) return answers.noSender;
      const { notify, orcpt, unknown } = recipientParameters(parameters);
      if (unknown !== null) return answers.parameter;
      if (this.#recipients.some((r) => r.address === address)) return answers.recipient;
      if (this.#recipients.length >= this.host.limits.smtp_recipients_max) return answers.recipients;
      await this.#submission!.recipient(address, this.#recipients.length);
      this.#recipients.push({ address, notify, orcpt });
      return answers.recipient;
    } catch (e) {
      return this.answer(e, { code: 501, status: '5.1.3' });
    }
  }

  override handler_DATA(command: Buffer, callback: Done): void {
    const parser = this._parser as Parser | false;
    if (parser === false) return callback();
    const refusal = /\s\S/.test(command.toString('latin1')) ? answers.noArgument : this.#submission === null ? own.authentication : this.#mail === null ? answers.noSender : this.#recipients.length === 0 ? answers.noRecipient : null;
    if (refusal !== null) {
      this.reply(refusal);
      return callback();
    }
    const { limits, clock } = this.host;
    const from = (this.session.envelope.mailFrom as { address: string }).address;
    const { declaredBytes, ret, envid, utf8, requireTls, releaseAt } = this.#mail!;
    const transaction = this.#submission!.begin({ from, recipients: this.#recipients, declaredBytes, ret, envid, utf8, requireTls, releaseAt });
    this.#transaction = transaction;
    const stopClock = clock.after(limits.smtp_message_ms_max, () => this.leave(answers.slow));
    // After an error the rest is read and dropped: the sender hears of it at the end only.
    const sofar: { bytes: number; error: unknown } = { bytes: 0, error: null };
    parser.startData({
      take: async (piece) => {
        sofar.bytes += piece.length;
        if (sofar.error !== null) return;
        this._handlerPending = true;
        try {
          if (sofar.bytes > limits.message_bytes_max) throw new Refused(answers.tooLarge.text, 'LIMIT', '552 5.3.4');
          await transaction.write(piece);
        } catch (e) {
          sofar.error = e;
          transaction.abort();
        }
        this._handlerPending = false;
      },
      end: async () => {
        stopClock();
        this._handlerPending = true;
        const a = await this.#finish(transaction, sofar);
        this._handlerPending = false;
        if (this._closed) return;
        this.reply(a);
        this._resetSession();
        if (this.host.draining) this.leave(answers.closing);
      },
    });
    this.reply(answers.go);
    callback();
  }

  async #finish(transaction: ReturnType<Submission['begin']>, { bytes, error }: { bytes: number; error: unknown }): Promise<Answer> {
    const { random, logger, limits } = this.host;
    this.#transaction = null;
    const id = randomId(random, 60);
    try {
      if (error !== null) throw error;
      if (transaction.received > limits.smtp_received_max) {
        transaction.abort();
        return answers.loop;
      }
      await transaction.commit(this.#received(id));
      logger.info('submitted', { id, remote: this.remoteAddress, bytes, recipients: this.#recipients.length });
      return { ...own.accepted, text: `${own.accepted.text} as ${id}` };
    } catch (e) {
      return this.answer(e, { code: 554, status: '5.6.0' });
    }
  }

  #received(id: string): string {
    const { hostname, clock, hideClient } = this.host;
    const trace = { lmtp: false, extended: true, authenticated: true, tls: this.tls, utf8: this.#mail!.utf8, helo: this.hostNameAppearsAs || '', remote: this.remoteAddress, hostname, id, now: clock.now(), hideClient };
    return receivedField(trace, this.#recipients.length === 1 ? this.#recipients[0].address : null);
  }
}
