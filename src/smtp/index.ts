/**
 * smtp/: mail comes in, by SMTP from strangers, by LMTP from one's own relays, and by submission (submission/) from mail
 * apps that send.
 *
 * Flow in: connections. Flow out: calls of a Receiver (receiver.ts), which the accounts implement, and of a Screen
 * (screen.ts), which judges what strangers send and is not there when nothing is judged.
 * Invariants:
 * - A message ends at CRLF `.` CRLF and nowhere else; what is handed on has CRLF line ends only: a bare LF becomes CRLF,
 *   a bare CR (never a line end anywhere) becomes a space. So no byte means an end of message to one server and text
 *   to another (RFC 5321 §2.3.8, §4.1.1.4).
 * - A message is read once, whatever the number of its recipients, and no faster than the Receiver takes it.
 * - 250 is said after `commit` said that the copy is durable. SMTP has one answer for all recipients: unless all copies are
 *   stored or all are refused for good it is 451, the sender repeats, and delivery keys drop what is there twice.
 *   LMTP answers for each accepted RCPT TO (RFC 2033 §4.2).
 * - What arrived before a TLS handshake is forgotten with it (RFC 3207 §4.2).
 * Standards: RFC 5321, 1870 (SIZE), 2033 (LMTP), 2034 and 3463 (enhanced status), 2920 (PIPELINING), 3207 (STARTTLS),
 * 6152 (8BITMIME), 6531 (SMTPUTF8).
 * Failures: the four kinds of error, as answer.ts maps them; a bug answers 421 and closes that connection only.
 */
export type { Envelope, Inspection, Screen, Verdict, Visit } from './screen.ts';
export type { Outcome, Receiver, Recipient, Transaction, TransactionInfo, Wishes } from './receiver.ts';
export { LmtpServer, SmtpServer } from './server.ts';
export type { MailServerOptions } from './server.ts';
export { SubmissionServer } from './submission/server.ts';
export type { SubmissionServerOptions } from './submission/server.ts';
export type { SentMail, SentTo, Submission, Submitter } from './submission/submitter.ts';
