// Mail like the real thing, repeatable from a seed: transport headers, a signature, alternatives of text and HTML, and
// attachments in some. No line begins with a dot, so that LMTP sends the bytes as they are.
import { existsSync, readFileSync } from 'node:fs';
import { randomId, seededRandom } from '../../src/base/index.ts';
import type { Random } from '../../src/base/index.ts';

const WORDS = 'the of and to in for is on that with as at by this be are from or have an not we will can your our more has all about please meeting project invoice report team update question schedule number address attached between version travel order garden'.split(' ');
const NAMES = ['Ada Martin', 'Jürgen Groß', 'Søren Holm', 'Li Wei', 'Maria Rossi', 'John Smith', 'Zoé Petit', 'Ivan Petrov'];
const LINE = 72;

/** Quantiles of the sizes of real mailboxes, bytes: where the list itself is not there. */
const QUANTILES: [number, number][] = [[0, 700], [0.1, 2970], [0.25, 5210], [0.5, 15_710], [0.75, 45_800], [0.9, 148_000], [0.95, 319_000], [0.99, 2_006_000], [1, 6_000_000]];
const SIZES = new URL('../../../shared/data/mail-sizes.csv', import.meta.url);

/** A message whose Message-ID can be made anew without building it again. */
export interface Mail {
  /** Bytes with CRLF, ending in CRLF. */
  readonly bytes: Buffer;
  /** Where the sixteen digits of its Message-ID stand. */
  readonly idAt: number;
}

let serial = 0;

/** A copy that nobody has seen before: servers know a repeated message by its Message-ID. */
export function fresh(mail: Mail): Buffer {
  const bytes = Buffer.from(mail.bytes);
  bytes.write((++serial).toString(16).padStart(16, '0'), mail.idAt, 'latin1');
  return bytes;
}

/** `n` sizes in bytes, drawn from real ones. */
export function realSizes(n: number, seed: number): number[] {
  const random = seededRandom(seed);
  if (existsSync(SIZES)) {
    const all = readFileSync(SIZES, 'utf8').trim().split('\n').slice(1).map((line) => Number(line.split(',')[1]));
    return Array.from({ length: n }, () => all[Math.floor(random.unit() * all.length)]);
  }
  return Array.from({ length: n }, () => {
    const u = random.unit();
    const i = Math.max(1, QUANTILES.findIndex(([q]) => q >= u));
    const [q0, s0] = QUANTILES[i - 1];
    const [q1, s1] = QUANTILES[i];
    return Math.round(s0 * (s1 / s0) ** ((u - q0) / (q1 - q0)));
  });
}

/** One message for each size. */
export const mailsOf = (sizes: readonly number[], seed: number): Mail[] => {
  const random = seededRandom(seed);
  return sizes.map((size) => mail(random, size));
};

const phrase = (random: Random, n: number) => Array.from({ length: n }, () => WORDS[Math.floor(random.unit() * WORDS.length)]).join(' ');
const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random.unit() * of.length)];
const encoded = (name: string) => (/^[\x20-\x7e]*$/.test(name) ? `"${name}"` : `=?UTF-8?B?${Buffer.from(name).toString('base64')}?=`);

/** Text lines of `bytes` in all, CRLF included. */
function prose(random: Random, bytes: number): string {
  let lines = '';
  while (lines.length < bytes - LINE - 2) lines += `${phrase(random, 14).slice(0, LINE)}\r\n`;
  return lines + 'x'.repeat(Math.max(0, bytes - lines.length - 2)) + '\r\n';
}

/** Base64 lines of about `bytes` in all; the same chunk of chance repeated, because nobody compresses it. */
function base64(random: Random, bytes: number): string {
  const lines = Array.from({ length: 64 }, () => `${random.bytes(57).toString('base64')}\r\n`);
  const n = Math.max(1, Math.floor(bytes / 78));
  const all = lines.join('');
  return all.repeat(Math.floor(n / 64)) + lines.slice(0, n % 64).join('');
}

/** A message of about `size` bytes (never under the 1.5 KB of its headers). Every fourth above 8 KB, and all above 100 KB, carry an attachment. */
export function mail(random: Random, size: number): Mail {
  const who = pick(random, NAMES);
  const host = `mx${Math.floor(random.unit() * 20)}.example.net`;
  const date = new Date(1.7e12 + random.unit() * 4e10).toUTCString().replace('GMT', '+0000');
  const reference = () => `<${randomId(random, 60)}@lists.example.net>`;
  const head = [
    `Received: from ${host} (${host} [192.0.2.${Math.floor(random.unit() * 255)}])`,
    `\tby mail.example.com (Postfix) with ESMTPS id ${randomId(random, 50)}`,
    `\tfor <someone@bench.example>; ${date}`,
    `Received: from localhost (localhost [127.0.0.1]) by ${host} with ESMTP id ${randomId(random, 50)}; ${date}`,
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=mail;',
    '\th=from:to:subject:date:message-id:references; bh=' + random.bytes(32).toString('base64') + ';',
    ...Array.from({ length: 4 }, (_, i) => `\t${i === 0 ? 'b=' : ''}${random.bytes(48).toString('base64')}`),
    `From: ${encoded(who)} <${who.split(' ')[0].toLowerCase().replace(/[^a-z]/g, 'o')}@example.net>`,
    `To: Someone <someone@bench.example>, "The team" <team@bench.example>`,
    `Cc: ${encoded(pick(random, NAMES))} <copy@example.org>`,
    `Subject: Re: ${phrase(random, 6)}`,
    `Date: ${date}`,
    'Message-ID: <0000000000000000.bench@example.net>',
    `In-Reply-To: ${reference()}`,
    `References: ${reference()} ${reference()}`,
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.0',
    'X-Spam-Status: No, score=-2.1',
    'MIME-Version: 1.0',
  ].join('\r\n');
  const a = `=_a${randomId(random, 60)}`;
  const m = `=_m${randomId(random, 60)}`;
  const attached = size > 100_000 || (size > 8192 && random.unit() < 0.25);
  const room = Math.max(0, size - head.length - 520 - (attached ? 420 : 0));
  const text = attached ? Math.min(3000, room * 0.3) : room * 0.35;
  const alternative = (html: number) =>
    `Content-Type: multipart/alternative; boundary="${a}"\r\n\r\n--${a}\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: 7bit\r\n\r\n${prose(random, text)}` +
    `--${a}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<html><head><title>mail</title></head><body><p>\r\n${prose(random, html)}</p></body></html>\r\n--${a}--\r\n`;
  const body = attached
    ? `Content-Type: multipart/mixed; boundary="${m}"\r\n\r\n--${m}\r\n${alternative(Math.min(6000, room * 0.3))}--${m}\r\nContent-Type: application/pdf; name="paper.pdf"\r\n` +
      `Content-Disposition: attachment; filename="paper.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(random, room - text - Math.min(6000, room * 0.3))}--${m}--\r\n`
    : alternative(room - text);
  const bytes = Buffer.from(`${head}\r\n${body}`);
  return { bytes, idAt: bytes.indexOf('Message-ID: <') + 'Message-ID: <'.length };
}
