// The HTTP port of a replica: what its rooms count, under the names that administrators see.
import { systemClock } from './base/index.ts';
import type { Logger } from './base/index.ts';
import type { MailReceiver, Replica, Users } from './account/index.ts';
import type { Config } from './config.ts';
import type { Core } from './replica.ts';
import type { Receiving } from './receiving.ts';
import type { Sending } from './sending.ts';
import { DIRECTORY_LOG } from './store/index.ts';
import type { Stores } from './store/index.ts';
import type { Family, ProcessNumbers, Readiness, Sample, StoreRequests, WebServer } from './web/index.ts';

type Web = typeof import('./web/index.ts');

/** What serves clients, as far as its numbers go. */
export interface Serving {
  smtp?: { readonly connections: number };
  lmtp?: { readonly connections: number };
  submission?: { readonly connections: number };
  submissions?: { readonly connections: number };
  imap?: { readonly connections: number; readonly bugs: number; readonly answers: Readonly<Record<string, number>> };
}

export interface Numbered {
  core: Core;
  replica: Replica;
  users: Users;
  receiver: MailReceiver;
  serving: Serving;
  receiving: Receiving;
  sending: Sending;
}

export class WebPort {
  readonly #web: Web;
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #release: string;
  readonly #requests: StoreRequests;
  readonly #process: ProcessNumbers;
  #readiness: Readiness | null = null;
  #server: WebServer | null = null;

  /** The room is loaded when it is wanted. */
  static async load(config: Config, logger: Logger, release: string): Promise<WebPort> {
    return new WebPort(await import('./web/index.ts'), config, logger, release);
  }

  private constructor(web: Web, config: Config, logger: Logger, release: string) {
    this.#web = web;
    this.#config = config;
    this.#logger = logger.room('web');
    this.#release = release;
    this.#requests = new web.StoreRequests(systemClock);
    this.#process = new web.ProcessNumbers(systemClock.now());
  }

  measure(stores: Stores): Stores {
    return this.#requests.measure(stores);
  }

  /** Resolves with the port. Refused when it can't be had. */
  async listen(of: Numbered): Promise<number> {
    const { core } = of;
    this.#readiness = new this.#web.Readiness({ store: core.stores.home, prefix: DIRECTORY_LOG, clock: core.clock, mayWrite: () => core.presence.mayWrite() });
    this.#server = new this.#web.WebServer({ readiness: this.#readiness, numbers: () => this.#families(of), logger: this.#logger });
    let port = 0;
    for (const host of this.#config.httpListen) port = await this.#server.listen(host, this.#config.ports.http);
    return port;
  }

  /** From now on this replica is not ready. */
  draining(): void {
    if (this.#readiness) this.#readiness.draining = true;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#process.stop();
  }

  #families({ core, replica, users, receiver, serving, receiving, sending }: Numbered): Family[] {
    const { counter, gauge, by } = this.#web;
    const { smtp, lmtp, submission, submissions, imap } = serving;
    const { peers, presence } = core;
    const counts = replica.counts!;
    let [names, longest, logs, submitting, late] = [0, 0, 0, 0, 0];
    for (const { log } of users.logs.all()) {
      logs++;
      names += log.known;
      longest = Math.max(longest, log.known);
      submitting += log.submitting;
      if (log.attached) late += log.late().length;
    }
    const open = users.counts;
    const waiting = sending.queue.waiting(core.clock.now());
    const { notices, withdrawn, ...results } = sending.worker.counts;
    const { inflight, ...caches } = (replica.memory?.parts ?? {}) as Record<string, number>;
    return [
      gauge('colombier_build_info', 'The release that runs', [{ labels: { version: this.#release }, value: 1 }]),
      gauge('colombier_connections', 'Open connections by protocol', by('protocol', { smtp: smtp?.connections ?? 0, lmtp: lmtp?.connections ?? 0, submission: (submission?.connections ?? 0) + (submissions?.connections ?? 0), imap: imap?.connections ?? 0 })),
      counter('colombier_imap_commands_total', 'IMAP commands that were answered, by result', by('result', imap?.answers ?? {})),
      counter('colombier_deliveries_total', 'Copies of messages by SMTP and LMTP, one for each user, by result', by('result', receiver.counts)),
      gauge('colombier_queue_messages', 'Messages that wait to be sent, at all replicas, by state', by('state', waiting.states)),
      gauge('colombier_queue_bytes', 'Their bytes', waiting.bytes),
      gauge('colombier_queue_oldest_seconds', 'Age of the oldest of them', waiting.oldest_ms / 1000),
      gauge('colombier_queue_events', 'Events of the queue in memory', sending.queue.log.known),
      counter('colombier_queue_recipients_total', 'Recipients that this replica tried, by result', by('result', results)),
      counter('colombier_queue_notices_total', 'Notices to senders (DSN)', notices),
      counter('colombier_queue_withdrawn_total', 'Attempts given up because another replica began at the same moment', withdrawn),
      counter('colombier_reports_total', 'Daily reports put into the queue (TLS-RPT, DMARC)', sending.reports?.counts.sent ?? 0),
      counter('colombier_checks_total', 'What the checks of inbound mail said, by check and result', checks(receiving)),
      counter('colombier_bugs_total', 'IMAP connections that a bug has ended', imap?.bugs ?? 0),
      ...this.#requests.families(),
      counter('colombier_hints_total', 'Hints between replicas: sent, received, lost to a full queue', [
        { labels: { way: 'sent' }, value: peers.counts.sent },
        { labels: { way: 'received' }, value: peers.counts.received },
        { labels: { way: 'lost' }, value: peers.counts.dropped },
      ]),
      counter('colombier_peers_refused_total', 'Calls on the peer channel that were refused', peers.counts.refused),
      gauge('colombier_peers', 'Other replicas: known through the store, connected; and objects among them that no replica of this cluster wrote', by('state', { known: presence.peers().length, connected: peers.connected.length, not_authentic: presence.strangers })),
      gauge('colombier_may_write', 'Whether this replica holds a place among the others (1) or not (0)', presence.mayWrite() ? 1 : 0),
      gauge('colombier_open_users', 'Users who are logged in here, or were a moment ago', open.users),
      gauge('colombier_open_sessions', 'Their sessions', open.sessions),
      gauge('colombier_logs', 'Logs of users that are known here', logs),
      gauge('colombier_log_events', 'Events of these logs in memory', names),
      gauge('colombier_log_events_longest', 'Events of the longest of them', longest),
      gauge('colombier_directory_events', 'Events of the directory in memory', core.directory.log.known),
      gauge('colombier_submissions_open', 'Events that wait to be stored', submitting),
      gauge('colombier_late_events', 'Late events that wait for a repair', late),
      counter('colombier_late_events_repaired_total', 'Late events that were repaired', counts.lateEvents),
      counter('colombier_repairs_total', 'Repairs written', counts.repairs),
      counter('colombier_snapshots_total', 'Snapshots written', counts.snapshots),
      counter('colombier_bundles_total', 'Bundles written', counts.bundles),
      counter('colombier_collected_objects_total', 'Objects that collection deleted', counts.collected),
      gauge('colombier_cache_bytes', 'What is kept in memory because it may be asked for again', by('cache', caches)),
      gauge('colombier_inflight_bytes', 'Bytes of messages in memory that are on their way', replica.spoolBudget.used),
      gauge('colombier_memory_bytes_max', 'What both together may take (COLOMBIER_MEMORY_MB)', replica.memory?.bytesMax ?? 0),
      counter('colombier_cache_evictions_total', 'How often something of it had to go', replica.memory?.evictions ?? 0),
      ...this.#process.families(),
    ];
  }
}

/** The verdicts are there from the beginning, so that their first one is seen as an increase. */
function checks({ inbound }: Receiving): Sample[] {
  const all = inbound?.counts.all() ?? [];
  const verdicts = ['accepted', 'junk', 'refused', 'later', 'unchecked'].map((result) => ({ check: 'verdict', result, value: inbound?.counts.get('verdict', result) ?? 0 }));
  return [...verdicts, ...all.filter(({ check }) => check !== 'verdict')].map(({ check, result, value }) => ({ labels: { check, result }, value }));
}
