// Limits of mail that goes out: a part of `limits`.

const KIB = 1024;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const sendingLimits = {
  /** Time of one attempt to send, its bytes apart; nobody else connects for these recipients before it is over. */
  queue_attempt_ms: 16 * MINUTE,
  /** Bytes a millisecond of the slowest link to another server: a larger message gets so much more time. */
  queue_bytes_per_ms_min: 16,
  /** Silence of another server before the connection is cut (RFC 5321 §4.5.3.2.6 asks for 10 minutes after the last line). */
  queue_silence_ms_max: 10 * MINUTE,
  /** What must be left of an attempt when the last line of a message is sent: the answer is waited for. */
  queue_answer_ms: 11 * MINUTE,
  /** On top of an attempt, for clocks of the store's nodes that differ and a LIST that is some seconds old. */
  queue_margin_ms: 2 * MINUTE,
  /** First and longest wait before a message is tried again; between them it is the message's age. */
  queue_retry_ms_min: 5 * MINUTE,
  queue_retry_ms_max: 4000 * SECOND,
  /** Age at which a message is given up (RFC 5321 §4.5.4.1 asks for 4 to 5 days at least). */
  queue_age_ms_max: 5 * DAY,
  /** Age at which the sender hears that it takes long. */
  queue_delay_notice_ms: 4 * HOUR,
  /** A message that another replica took in is left to it for so long after it is due. */
  queue_takeover_ms: 30 * SECOND,
  /** How often a replica looks for messages that are due. */
  queue_look_ms: 5 * SECOND,
  queue_poll_ms: 30 * SECOND,
  /** Transactions at once of one replica, and with one destination (a smarthost is one). */
  queue_transactions_max: 40,
  queue_transactions_per_destination_max: 10,
  /** Attempts at once that are written down: under way, before it in line for a transaction, behind it while the result is written. */
  queue_attempts_max: 200,
  queue_attempts_per_destination_max: 40,
  /** An attempt that waits longer in line is withdrawn: what is left of its time must do for the transaction. */
  queue_line_ms_max: 2 * MINUTE,
  /** Recipients of one transaction with another server (RFC 5321 §4.5.3.1.8 asks servers for 100 at least). */
  queue_recipients_per_transaction_max: 100,
  /** An open connection waits so long for the next message. */
  queue_connection_idle_ms: 5 * SECOND,
  queue_connect_ms_max: 30 * SECOND,
  /** From there to the greeting and, in clear, through STARTTLS: servers wait for DNS, or to see who can't. An attempt has no room for the 5 minutes of RFC 5321 §4.5.3.2.1. */
  queue_greeting_ms_max: 2 * MINUTE,
  /** Addresses of one destination that are tried in one attempt. */
  queue_addresses_max: 8,
  /** Time for one DNS question with its repetitions. */
  dns_ms_max: 20 * SECOND,
  /** Bytes of one answer from DNS over TCP. */
  dns_answer_bytes_max: 64 * KIB,
  /** A policy of MTA-STS: RFC 8461 §3.2 proposes these bounds of size and time. */
  sts_policy_bytes_max: 64 * KIB,
  sts_fetch_ms_max: 1 * MINUTE,
  /** Wait after a fetch before the next one of that domain (§3.3). */
  sts_fetch_again_ms: 5 * MINUTE,
  /** DNS is asked so often whether a domain's policy changed; and one that is in use is read again so often. */
  sts_ask_ms: 10 * MINUTE,
  sts_refresh_ms: 1 * DAY,
  /** Domains whose policies, or lack of one, are remembered: about 300 bytes each. */
  sts_policies_max: 10_000,
  /** Domains of a day's reports, and rows of one: a replica keeps them in memory for a quarter of an hour. */
  report_domains_max: 2000,
  report_rows_max: 500,
  /** How often a replica stores what it counted; and the time after midnight at which a day's reports are made, doubled at most. */
  report_flush_ms: 15 * MINUTE,
  report_wait_ms: 1 * HOUR,
  /** Bytes of all that waits, as a snapshot of the queue tells of it: it is read as a whole. Each recipient takes some 1000 at first, and less once it was tried. */
  queue_state_bytes_max: 48 * KIB * KIB,
  /** The same of one user, and of all that is forwarded: a part of it, or one who sends to where nobody answers would end it for all. */
  queue_state_bytes_per_user_max: 12 * KIB * KIB,
  /** Events between two snapshots of the queue. */
  queue_snapshot_events: 200,
  /** A message up to this size is put into seven bits, in memory, for a server that takes no others; a larger one goes back. */
  queue_convert_bytes_max: 10 * KIB * KIB,
  /** Bytes of its parts that are encoded for that: a megabyte takes 50 ms, in which nothing else is done. */
  queue_encode_bytes_max: KIB * KIB,
  /** Memory for messages that are put into seven bits, three times their size, and then for what came of it until it is sent: others wait. */
  queue_convert_memory_bytes_max: 64 * KIB * KIB,
  /** Bytes of the original that a DSN brings back; more than that, its header alone. */
  dsn_original_bytes_max: 256 * KIB,
  /** New DKIM keys sign so long after they were made, so that their records are in DNS; and old ones are kept so long after their last signature. */
  dkim_announce_ms: 2 * DAY,
  dkim_overlap_ms: 7 * DAY,
  /** Recipients that one user may send to in an hour and in a day, through any replica. */
  submission_recipients_per_hour_max: 500,
  submission_recipients_per_day_max: 2500,
  /** How far ahead a message may be sent (FUTURERELEASE): as long as a holiday; it waits in the store, and costs it that. */
  submission_hold_ms_max: 30 * DAY,
  /** Wrong passwords of one connection before it is closed. */
  submission_failures_max: 3,
};
