// Daily reports to other domains. Each replica counts in memory and puts its counts into the store every quarter of an hour and
// when it stops; after the day one replica makes the reports of all of them. Which one is decided as with any message: the day
// is a message in the queue, to nobody, and whoever gets its attempt "delivers" it.
import { createHash } from 'node:crypto';
import { Unavailable, limits, randomId, reason } from '../../base/index.ts';
import type { Clock, Logger, Random } from '../../base/index.ts';
import { listAll } from '../../log/index.ts';
import { openNamed, sealNamed } from '../../seal/index.ts';
import { reportName, reportPrefix } from '../../store/index.ts';
import { sameOrganization } from '../../verify/index.ts';
import type { SigningKey } from '../../verify/index.ts';
import { isMissing } from '../dns.ts';
import type { Dns } from '../dns.ts';
import { enqueue, plainSpec } from '../enqueue.ts';
import type { Queue } from '../queue.ts';
import type { TlsSession } from '../route.ts';
import { dmarcReport, dmarcReportAddresses, permissionName } from './dmarc-report.ts';
import type { DmarcRecorder, DmarcSeen } from './dmarc-report.ts';
import { reportMail } from './mail.ts';
import { Tally } from './tally.ts';
import type { ReportKind } from './tally.ts';
import { tlsReport, tlsReportAddresses, tlsRow } from './tls-report.ts';
import type { TlsRow } from './tls-report.ts';

export interface DailyReportsOptions {
  queue: Queue;
  dns: Pick<Dns, 'txt'>;
  hostname: string;
  /** The domain that reports come from, with its keys; null: none is here, so nobody can report. */
  sender: () => { domain: string; keys: readonly SigningKey[] } | null;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** A recipient that stands for "make the reports of this day". No such domain can be. */
export const REPORTS = 'daily-reports@colombier.invalid';
const DAY_MS = 24 * 60 * 60 * 1000;
const KINDS: readonly ReportKind[] = ['tls', 'dmarc'];
const NOTHING = Buffer.alloc(0);
const ID_BITS = 60;

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export class DailyReports implements DmarcRecorder {
  readonly counts = { sent: 0 };
  readonly #o: DailyReportsOptions;
  #day: string;
  #tallies = { tls: new Tally(), dmarc: new Tally() };
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(options: DailyReportsOptions) {
    this.#o = options;
    this.#day = dayOf(options.clock.now());
  }

  start(): void {
    this.#cancel = this.#o.clock.after(limits.report_flush_ms * (0.9 + 0.2 * this.#o.random.unit()), () => {
      if (this.#stopped) return;
      this.flush().catch((e) => this.#o.logger.info('counts for reports are not stored yet', { why: reason(e) }));
      this.start();
    });
  }

  /** A connection to another domain's server. */
  session(s: TlsSession): void {
    this.#turn();
    this.#tallies.tls.add(s.domain, tlsRow(s));
  }

  record(seen: DmarcSeen): void {
    if (seen.rua.length === 0) return;
    this.#turn();
    this.#tallies.dmarc.add(seen.domain, seen);
  }

  /** At midnight (UTC) what was counted belongs to the day before. */
  #turn(): void {
    if (dayOf(this.#o.clock.now()) !== this.#day) this.flush().catch((e) => this.#o.logger.warn('counts for reports are lost', { why: reason(e) }));
  }

  /** Puts what was counted into the store. Unavailable: it is kept. */
  async flush(): Promise<void> {
    const { queue, clock, random } = this.#o;
    const [day, tallies] = [this.#day, this.#tallies];
    this.#day = dayOf(clock.now());
    if (KINDS.every((kind) => tallies[kind].empty)) return;
    this.#tallies = { tls: new Tally(), dmarc: new Tally() };
    try {
      for (const kind of KINDS) {
        if (tallies[kind].empty) continue;
        const name = reportName(queue.root, day, kind, randomId(random, ID_BITS));
        await queue.store.put(name, sealNamed(queue.keys.events[0], name, NOTHING, tallies[kind].encode(), random));
        tallies[kind] = new Tally();
      }
      await this.#promise(day);
    } catch (e) {
      if (this.#day === day) for (const kind of KINDS) this.#tallies[kind].merge(tallies[kind]);
      throw e;
    }
  }

  /** A message that is due some time after the day, for whoever is there then. */
  async #promise(day: string): Promise<void> {
    const { queue, clock, random } = this.#o;
    const id = `reports-${day}`;
    if (queue.state.messages.has(id)) return;
    const releaseAt = Date.parse(`${day}T00:00:00Z`) + DAY_MS + limits.report_wait_ms * (1 + random.unit());
    const recipients = [{ address: REPORTS, notify: 0, orcpt: '' }];
    await queue.write((state) => (state.messages.has(id) ? [] : [{ kind: 'Queued', ...plainSpec, id, at: clock.now(), from: '', recipients, releaseAt: Math.floor(releaseAt), blob: '', contentKey: '', plainBytes: 0, sealedBytes: 0, prefix: '' }]));
  }

  /** Makes the reports of a day from what all replicas have stored, and puts them into the queue. Unavailable. */
  async send(day: string): Promise<void> {
    const { queue, logger } = this.#o;
    for (const kind of KINDS) {
      const tally = new Tally();
      const { rows } = await listAll(queue.store, reportPrefix(queue.root, day, kind), limits.list_keys_max);
      const names = rows.map((row) => row.name);
      for (const name of names) {
        try {
          const object = await queue.store.get(name);
          if (object) tally.merge(Tally.decode(openNamed(queue.keys.events, name, NOTHING, object.bytes)));
        } catch (e) {
          if (e instanceof Unavailable) throw e;
          // Whoever can read it makes the report: the day is tried again, at any replica.
          if (/newer version/.test(reason(e))) throw new Unavailable(`${reason(e)}: ${name}`);
          logger.error('counts for reports can not be read', { object: name, why: reason(e) });
        }
      }
      for (const [domain, rows] of tally.domains) {
        try {
          const parsed = [...rows].map(([row, n]) => [JSON.parse(row), n] as const);
          if (kind === 'tls') await this.#sendTls(day, domain, parsed as never);
          else await this.#sendDmarc(day, domain, parsed as never);
        } catch (e) {
          if (e instanceof Unavailable) throw e;
          // Whatever a stranger's record has done to this one, the others are made.
          logger.error('a report is not made', { kind, domain, why: reason(e) });
        }
      }
      for (const name of names) await queue.store.delete(name);
    }
  }

  async #texts(name: string): Promise<string[]> {
    return this.#o.dns.txt(name).catch((e) => {
      if (!isMissing(e)) this.#o.logger.info('no report where DNS does not say who wants one', { name, why: reason(e) });
      return [];
    });
  }

  async #sendTls(day: string, domain: string, rows: (readonly [TlsRow, number])[]): Promise<void> {
    const { sender, hostname } = this.#o;
    const to = tlsReportAddresses(await this.#texts(`_smtp._tls.${domain}`));
    const from = sender();
    if (to.length === 0 || from === null) return;
    const id = this.#id('tls', day, domain);
    const begin = Date.parse(`${day}T00:00:00Z`);
    const contact = `postmaster@${from.domain}`;
    const report = JSON.stringify(tlsReport({ organization: hostname, contact, id, domain, from: begin, to: begin + DAY_MS, rows }));
    for (const address of to) {
      await this.#enqueue(address, id, (at) => ({
        subject: `Report Domain: ${domain} Submitter: ${from.domain} Report-ID: <${id}@${from.domain}>`,
        // What goes wrong with TLS must not keep the report of it back (RFC 8460 §3, RFC 8689 §5).
        fields: `TLS-Report-Domain: ${domain}\r\nTLS-Report-Submitter: ${from.domain}\r\nTLS-Required: No\r\n`, anyTls: true,
        type: 'multipart/report; report-type="tlsrpt"',
        text: `How TLS went with the mail servers of ${domain} on ${day}, in the form of RFC 8460.`,
        file: `${from.domain}!${domain}!${begin / 1000}!${(begin + DAY_MS) / 1000 - 1}!${id}.json.gz`,
        fileType: 'application/tlsrpt+gzip', report, at,
      }));
    }
  }

  async #sendDmarc(day: string, domain: string, rows: (readonly [DmarcSeen, number])[]): Promise<void> {
    const { sender, hostname } = this.#o;
    const from = sender();
    if (from === null) return;
    const id = this.#id('dmarc', day, domain);
    const begin = Date.parse(`${day}T00:00:00Z`);
    const report = dmarcReport({ organization: hostname, contact: `postmaster@${from.domain}`, id, from: begin, to: begin + DAY_MS, rows });
    for (const { address, domain: where, bytesMax } of dmarcReportAddresses(rows.at(-1)![0].rua)) {
      if (!(await sameOrganization(domain, where)) && !(await this.#texts(permissionName(domain, where))).some((t) => /^v=DMARC1\b/i.test(t))) continue;
      await this.#enqueue(address, id, (at) => ({
        subject: `Report Domain: ${domain} Submitter: ${from.domain} Report-ID: <${id}@${from.domain}>`,
        fields: '', type: 'multipart/mixed',
        text: `Mail that said to be from ${domain} on ${day}, in the form of RFC 7489.`,
        file: `${from.domain}!${domain}!${begin / 1000}!${(begin + DAY_MS) / 1000 - 1}!${id}.xml.gz`,
        fileType: 'application/gzip', report, at,
      }), bytesMax);
    }
  }

  /** The same at every replica: one that is there already is not made again. */
  #id(kind: ReportKind, day: string, domain: string): string {
    return createHash('sha256').update(`${this.#o.hostname.split('.').slice(-2).join('.')} ${kind} ${day} ${domain}`).digest('hex').slice(0, 24);
  }

  /** What is larger than its recipient takes is not sent (RFC 7489 §6.2). */
  async #enqueue(address: string, id: string, mail: (at: number) => Omit<Parameters<typeof reportMail>[0], 'from' | 'to' | 'id' | 'keys'> & { anyTls?: boolean }, bytesMax = Infinity): Promise<void> {
    const { queue, random, clock, sender } = this.#o;
    const { domain, keys } = sender()!;
    const at = clock.now();
    const { anyTls = false, ...report } = mail(at);
    const message = reportMail({ ...report, from: `postmaster@${domain}`, to: address, id, keys });
    if (message.length > bytesMax) return;
    const mine = createHash('sha256').update(`${id} ${address}`).digest('hex').slice(0, 16);
    // Nobody hears of a report that can't be delivered: the null sender ends it.
    await enqueue(queue, random, { id: `report-${mine}`, at, from: '', anyTls, recipients: [{ address, notify: 0, orcpt: '' }] }, message);
    this.counts.sent++;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.flush().catch((e) => this.#o.logger.info('counts for reports are lost', { why: reason(e) }));
  }
}
