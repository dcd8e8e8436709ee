// One message from a stranger, between DATA and the answer.
import { Refused, reason } from '../../base/index.ts';
import type { Envelope, Inspection, Verdict } from '../../smtp/screen.ts';
import { Authentication, loadLibrary } from './authentication.ts';
import type { Authenticated } from './authentication.ts';
import type { Bench } from './bench.ts';
import { decide } from './decide.ts';
import type { Decision, Found } from './decide.ts';
import { dmarcSeen } from './dmarc-seen.ts';
import { HeadReader, readHead } from './head.ts';
import { Kept } from './kept.ts';
import type { Helo, Origin } from './origin.ts';
import type { Questions } from './questions.ts';
import { authenticationResults, scoreField, spamFields } from './results.ts';
import { byScores } from './rspamd.ts';
import type { RspamdAnswer, Scores } from './rspamd.ts';

/** What the connection knows of its client. */
export interface Client {
  readonly remote: string;
  readonly questions: Questions;
  readonly origin: Promise<Origin>;
  readonly helo: Promise<Helo>;
  readonly listed: Promise<readonly string[]>;
  /** Of all recipients of this message. */
  readonly scores: Scores | null;
}

const NOTHING = Buffer.alloc(0);
const CRLF = Buffer.from('\r\n');

export class MessageInspection implements Inspection {
  readonly #bench: Bench;
  readonly #client: Client;
  readonly #envelope: Envelope;
  /** Null once the header is over. */
  #reader: HeadReader | null = new HeadReader();
  #auth: Authentication | null = null;
  #signed = false;
  #kept: Kept | null;
  #over = false;

  constructor(bench: Bench, client: Client, envelope: Envelope) {
    this.#bench = bench;
    this.#client = client;
    this.#envelope = envelope;
    this.#kept = bench.rspamd === null ? null : new Kept(bench.random, bench.keptBudget);
  }

  async take(piece: Buffer): Promise<Buffer> {
    // As it came: who looks for spam may look at what is forged, too.
    await this.#kept?.push(piece);
    if (this.#reader === null) {
      if (this.#signed) await this.#auth?.write(piece);
      return piece;
    }
    const found = this.#reader.push(piece);
    if (found !== null) return this.#headed(found.header, found.body);
    if (this.#reader.bytes > this.#bench.limits.checks_header_bytes_max) throw new Refused('the header is too large', null, '552 5.3.4');
    return NOTHING;
  }

  async #headed(header: Buffer, body: Buffer): Promise<Buffer> {
    const { hostname, limits, settings, counts, logger } = this.#bench;
    this.#reader = null;
    if (header.length > limits.checks_header_bytes_max) throw new Refused('the header is too large', null, '552 5.3.4');
    const head = readHead(header, hostname, limits);
    if (head.forged > 0) counts.add('forged', 'removed');
    this.#signed = head.signed;
    try {
      const about = { remote: this.#client.remote, helo: this.#envelope.helo, from: this.#envelope.from, hostname, arcTrusted: settings.arcTrusted };
      this.#auth = new Authentication(await loadLibrary(), this.#client.questions.ask, about);
      await this.#auth.write(head.judged);
      if (this.#signed && body.length > 0) await this.#auth.write(body);
    } catch (e) {
      logger.error('checks', { reason: reason(e) });
      this.#auth = null;
    }
    if (this.#over) this.abort();
    return body.length === 0 ? head.stored : Buffer.concat([head.stored, body]);
  }

  async end(): Promise<Verdict> {
    const { counts, logger } = this.#bench;
    // No empty line: all of it is header.
    const rest = this.#reader === null ? NOTHING : await this.#headed(Buffer.concat([this.#reader.end(), CRLF]), NOTHING).then((stored) => stored.subarray(0, stored.length - 2));
    try {
      const [auth, origin, helo, listed, asked] = await Promise.all([this.#authenticated(), this.#client.origin, this.#client.helo, this.#client.listed, this.#content()]);
      const found: Found = { auth, origin, helo, listed: listed.length, rspamd: asked.answer };
      const decision = decide(found, this.#bench.settings);
      this.#count(found, decision);
      if (auth?.facts) this.#bench.onDmarc?.(dmarcSeen(auth.facts, auth.policy, this.#client.remote, this.#envelope.from, decision, this.#bench.settings));
      if (decision.refused !== null || decision.junk) logger.info(decision.refused !== null ? 'refused' : 'junk', { remote: this.#client.remote, because: decision.because, score: decision.score });
      if (decision.refused !== null) throw decision.refused;
      return { rest, fields: this.#fields(found, decision, asked.unchecked), junk: decision.junk };
    } catch (e) {
      if (e instanceof Refused) throw e;
      // A fault of ours never costs anybody a message.
      logger.error('checks', { reason: reason(e) });
      counts.add('verdict', 'unchecked');
      return { rest, fields: '', junk: false };
    } finally {
      this.#dispose();
    }
  }

  async #authenticated(): Promise<Authenticated | null> {
    try {
      return (await this.#auth?.end()) ?? null;
    } catch (e) {
      this.#bench.logger.error('authentication', { reason: reason(e) });
      return null;
    }
  }

  async #content(): Promise<{ answer: RspamdAnswer | null; unchecked: string | null }> {
    const { rspamd, hostname, counts, logger } = this.#bench;
    if (rspamd === null || this.#kept === null) return { answer: null, unchecked: null };
    const { remote, origin } = this.#client;
    const { from, recipients, helo, tls } = this.#envelope;
    const { name } = await origin;
    try {
      const said = await rspamd.check(this.#kept, { IP: remote, Helo: helo, From: from, Rcpt: recipients, 'MTA-Name': hostname, ...(name === null ? {} : { Hostname: name }), ...(tls ? { 'TLS-Cipher': 'yes' } : {}), ...(recipients.length === 1 ? { 'Deliver-To': recipients[0] } : {}) });
      counts.add('rspamd', said.verdict);
      return { answer: byScores(said, this.#client.scores), unchecked: null };
    } catch (e) {
      counts.add('rspamd', 'away');
      logger.warn('rspamd does not answer, a message is taken unchecked', { reason: reason(e) });
      return { answer: null, unchecked: 'rspamd does not answer' };
    }
  }

  #fields({ auth, origin, rspamd }: Found, decision: Decision, unchecked: string | null): string {
    const { remote } = this.#client;
    const rows = [...(auth?.rows ?? []), ...(origin === null ? [] : [`iprev=${origin.iprev}${origin.name === null ? '' : ` (${origin.name.replace(/[^a-z0-9._-]/gi, '?')})`} policy.iprev=${remote.includes(':') ? `"${remote}"` : remote}`])];
    const spam = rspamd === null && unchecked === null ? '' : spamFields({ junk: decision.junk, score: rspamd?.score ?? null, required: rspamd?.required ?? null, symbols: rspamd?.symbols ?? [], unchecked });
    return authenticationResults(this.#bench.hostname, rows) + scoreField(decision.score, decision.rules) + (spam === '' && decision.junk ? 'X-Spam-Flag: YES\r\n' : spam);
  }

  #count({ auth, origin, helo }: Found, { refused, junk, because, arcSaved }: Decision): void {
    const { counts } = this.#bench;
    for (const check of ['spf', 'dkim', 'arc', 'dmarc'] as const) counts.add(check, auth?.[check] ?? 'error');
    if (origin !== null) counts.add('iprev', origin.iprev);
    if (helo !== null) counts.add('helo', helo);
    if (arcSaved) counts.add('arc', 'vouched');
    const verdict = refused !== null ? (refused.smtp?.startsWith('4') ? 'later' : 'refused') : junk ? 'junk' : auth === null ? 'unchecked' : 'accepted';
    counts.add('verdict', verdict);
    if (because !== null) counts.add(`${verdict === 'refused' ? 'refused' : verdict === 'later' ? 'later' : 'junk'}_because`, because);
  }

  #dispose(): void {
    this.#kept?.dispose();
    this.#kept = null;
    this.#over = true;
  }

  abort(): void {
    this.#dispose();
    this.#auth?.abort();
    this.#auth = null;
  }
}
