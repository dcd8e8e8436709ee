/**
 * queue/: mail goes out. What users send is a sealed blob and an event in a log of the queue's own, under `queue/`, with
 * the same engine as a user's; any replica sends it.
 *
 * Flow in: messages from submission (Outbox), the log's events by hints and a poll. Flow out: SMTP to the smarthost or
 * to the servers that DNS names; deliveries and notifications to users here, through smtp/'s Receiver.
 *
 * Invariants:
 * - blob before event, event before 250: nothing is sent before it is durable, and nothing that was acknowledged is
 *   dropped without a notification (a bounce that can't be delivered ends: it has the null sender).
 * - before a replica connects it writes `Attempting`: in one event with the message that it takes in, so that nobody can be
 *   first; or alone, and then it lists: when another's attempt is there, it steps back. Others
 *   leave the recipients alone until that attempt's time and a margin are over, by the store's own time. What is written down
 *   may wait in line for a transaction; what waits too long, or is held, or whose replica leaves, is withdrawn.
 * - the last line of a message is handed over only after the store has answered once more, and while both clocks say that
 *   enough of the time is left to hear the answer. So a message can be delivered twice only when its sender dies, is stopped or loses the store between that
 *   line and its own PUT of the result; or when the other server's answer is lost, which SMTP can not tell from a
 *   refusal.
 * - the store reads nothing: events and snapshots are sealed under a key from the cluster secret, blobs under keys in
 *   the events. A replica can read what waits here.
 *
 * - mail for an address that leads elsewhere is in the queue before its 250; what looks like spam is refused before it. What
 *   fails later is told to the postmaster here, never to a sender outside.
 * - a server whose TLS is not what DANE or MTA-STS asks for gets no mail: it is put off, and returned after five days.
 *
 * Standards: RFC 5321 (§4.5.4 retries, §5 hosts), 3030 (chunks), 6409 (submission), 3461, 3464, 6522 (notifications), 7505 (null MX),
 * 7435 (opportunistic TLS), 7672 (DANE), 8461 (MTA-STS), 6376, 8463 (DKIM, in verify/).
 *
 * Failures: Refused and Malformed to the mail app, Unavailable while the store does not answer; what goes wrong on the
 * way to another server becomes an outcome, never an error.
 */
export { dnsOf, hostsFor } from './dns.ts';
export type { Dns, Host } from './dns.ts';
export { checkDane, usableRecords } from './dane.ts';
export { decodeAnswer, encodeQuestion } from './dns-message.ts';
export type { DnsAnswer, Tlsa } from './dns-message.ts';
export { QueueState, isFinal, sentFrom } from './fold.ts';
export type { QueuedMessage } from './fold.ts';
export { Forwarder } from './forward.ts';
export { fetchTextBy } from './https.ts';
export { queueKeys } from './keys.ts';
export { Mailroom } from './mailroom.ts';
export { decodeQueueOps, encodeQueueOps } from './ops.ts';
export type { Outcome, QueueOp } from './ops.ts';
export { dmarcReport, dmarcReportAddresses } from './reports/dmarc-report.ts';
export type { DmarcRecorder, DmarcSeen } from './reports/dmarc-report.ts';
export { DailyReports, dayOf } from './reports/daily.ts';
export { Tally } from './reports/tally.ts';
export { tlsReport, tlsReportAddresses } from './reports/tls-report.ts';
export { Outbox } from './outbox.ts';
export type { SealedSpool, Senders } from './outbox.ts';
export { Queue } from './queue.ts';
export { Route } from './route.ts';
export type { Smarthost, TlsSession } from './route.ts';
export { policyShelf } from './shelf.ts';
export { SevenBitForms } from './seven-bit-forms.ts';
export { inSevenBits } from './seven-bits.ts';
export { srsAddress, srsSender } from './srs.ts';
export { StsPolicies, decodePolicy, encodePolicy, parseStsPolicy, stsAllows, stsRecordId } from './sts.ts';
export type { KeptPolicy, PolicyShelf, StsPolicy, UnreadPolicy } from './sts.ts';
export { targetsFor } from './tls-policy.ts';
export type { Demand } from './tls-policy.ts';
export type { Onward } from './take-in.ts';
export { signedDnsOf } from './validating.ts';
export type { SignedDns } from './validating.ts';
export { Worker } from './worker.ts';
export type { Plan, Sender } from './worker.ts';
