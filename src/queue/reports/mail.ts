// The message that brings a report: a line for people, the report in gzip, signed like all mail of the domain.
import { mailDate } from '../../base/index.ts';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { BodyHash, signDkim } from '../../verify/index.ts';
import type { SigningKey } from '../../verify/index.ts';

export interface ReportMail {
  from: string;
  to: string;
  subject: string;
  /** Further header fields, CRLF at the end of each. */
  fields: string;
  /** Of the whole message. */
  type: string;
  text: string;
  file: string;
  /** Media type of the file. */
  fileType: string;
  report: string;
  id: string;
  at: number;
  keys: readonly SigningKey[];
}

/** With CRLF at line ends; ASCII alone. */
export function reportMail(m: ReportMail): Buffer {
  const boundary = `=_${createHash('sha256').update(`${m.id}${m.to}`).digest('hex').slice(0, 32)}`;
  const coded = gzipSync(m.report).toString('base64').match(/.{1,76}/g)!;
  const header = Buffer.from([
    `From: Mail Reports <${m.from}>`, `To: <${m.to}>`, `Subject: ${m.subject}`, `Date: ${mailDate(m.at)}`, `Message-ID: <${m.id}@${m.from.slice(m.from.lastIndexOf('@') + 1)}>`,
    'Auto-Submitted: auto-generated', 'MIME-Version: 1.0', `Content-Type: ${m.type};\r\n\tboundary="${boundary}"`,
  ].join('\r\n') + `\r\n${m.fields}\r\n`);
  const body = Buffer.from([
    `--${boundary}`, 'Content-Type: text/plain; charset=us-ascii', '', m.text, '',
    `--${boundary}`, `Content-Type: ${m.fileType}`, 'Content-Transfer-Encoding: base64', `Content-Disposition: attachment;\r\n\tfilename="${m.file}"`, '', ...coded, '',
    `--${boundary}--`, '',
  ].join('\r\n'));
  const hash = new BodyHash();
  hash.push(body);
  const digest = hash.digest();
  return Buffer.concat([...m.keys.map((key) => Buffer.from(signDkim(header, digest, key, m.at))), header, body]);
}
