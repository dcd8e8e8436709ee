// Questions and answers of DNS as they are on the wire (RFC 1035 §4), as far as DANE asks: node:dns knows neither TLSA nor
// whether an answer is signed.
import { Malformed } from '../base/index.ts';

export const TYPES = { A: 1, CNAME: 5, MX: 15, AAAA: 28, TLSA: 52 } as const;
export type RecordType = keyof typeof TYPES;

/** RFC 6698 §2.1. */
export interface Tlsa {
  usage: number;
  selector: number;
  matching: number;
  data: Buffer;
}

export interface DnsAnswer {
  id: number;
  /** NOERROR 0, SERVFAIL 2, NXDOMAIN 3, … */
  code: number;
  /** Did not fit: to be asked over TCP. */
  truncated: boolean;
  /** The resolver has checked the signatures of all of it (AD, RFC 4035 §3.2.3). */
  signed: boolean;
  /** The name at the end of the aliases that lead from the question's name. */
  name: string;
  mx: { exchange: string; priority: number }[];
  addresses: string[];
  tlsa: Tlsa[];
}

const RECURSION_DESIRED = 0x0100;
/** In a question: an answer may bear AD (RFC 6840 §5.7). */
const AUTHENTIC_DATA = 0x0020;
const TRUNCATED = 0x0200;
const RESPONSE = 0x8000;
const OPT = 41;
/** What passes unfragmented everywhere. */
const UDP_BYTES = 1232;
const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 255;
const RECORDS_MAX = 500;
const ALIASES_MAX = 10;

export const bareName = (name: string): string => name.replace(/\.$/, '').toLowerCase();

/** A question with EDNS(0). Malformed: no such name can be. */
export function encodeQuestion(id: number, name: string, type: RecordType): Buffer {
  const labels = bareName(name).split('.').map((label) => Buffer.from(label, 'latin1'));
  if (labels.some((l) => l.length === 0 || l.length > LABEL_BYTES_MAX) || name.length > NAME_BYTES_MAX - 2) throw new Malformed(`not a name of DNS: ${name.slice(0, 100)}`);
  const head = Buffer.alloc(12);
  [id, RECURSION_DESIRED | AUTHENTIC_DATA, 1, 0, 0, 1].forEach((n, i) => head.writeUInt16BE(n, 2 * i));
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(TYPES[type], 1);
  tail.writeUInt16BE(1, 3);
  const opt = Buffer.alloc(11);
  opt.writeUInt16BE(OPT, 1);
  opt.writeUInt16BE(UDP_BYTES, 3);
  return Buffer.concat([head, ...labels.flatMap((l) => [Buffer.of(l.length), l]), tail, opt]);
}

/** A name and where it ends. A pointer must lead backwards, so none goes in a circle. Throws Malformed. */
function readName(b: Buffer, from: number): { name: string; end: number } {
  const labels: string[] = [];
  let bytes = 0;
  let end = -1;
  for (let at = from, limit = from; ; ) {
    if (at >= b.length) throw new Malformed('DNS: a name ends early');
    const length = b[at];
    if (length === 0) return { name: labels.join('.').toLowerCase(), end: end < 0 ? at + 1 : end };
    if (length >= 0xc0) {
      if (at + 2 > b.length) throw new Malformed('DNS: a name ends early');
      const to = b.readUInt16BE(at) & 0x3fff;
      if (end < 0) end = at + 2;
      if (to >= limit) throw new Malformed('DNS: a name leads forwards');
      at = limit = to;
      continue;
    }
    bytes += length + 1;
    if (length > LABEL_BYTES_MAX || bytes > NAME_BYTES_MAX || at + 1 + length > b.length) throw new Malformed('DNS: a name is too long');
    labels.push(b.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

function addressOf(data: Buffer): string {
  if (data.length === 4) return data.join('.');
  if (data.length !== 16) throw new Malformed('DNS: not an address');
  return Array.from({ length: 8 }, (_, i) => data.readUInt16BE(2 * i).toString(16)).join(':');
}

/** The records of `type` that answer for `name`, aliases followed. Throws Malformed. */
export function decodeAnswer(b: Buffer, name: string, type: RecordType): DnsAnswer {
  if (b.length < 12) throw new Malformed('DNS: an answer ends early');
  const flags = b.readUInt16BE(2);
  const [questions, answers] = [b.readUInt16BE(4), b.readUInt16BE(6)];
  if (!(flags & RESPONSE) || questions !== 1 || answers > RECORDS_MAX) throw new Malformed('DNS: not an answer');
  const question = readName(b, 12);
  if (question.name !== bareName(name) || question.end + 4 > b.length || b.readUInt16BE(question.end) !== TYPES[type]) throw new Malformed('DNS: the answer to another question');
  const out: DnsAnswer = { id: b.readUInt16BE(0), code: flags & 15, truncated: (flags & TRUNCATED) !== 0, signed: (flags & AUTHENTIC_DATA) !== 0, name: question.name, mx: [], addresses: [], tlsa: [] };
  const records: { name: string; type: number; at: number; data: Buffer }[] = [];
  for (let i = 0, at = question.end + 4; i < answers && !out.truncated; i++) {
    const owner = readName(b, at);
    if (owner.end + 10 > b.length) throw new Malformed('DNS: an answer ends early');
    const start = owner.end + 10;
    at = start + b.readUInt16BE(owner.end + 8);
    if (at > b.length) throw new Malformed('DNS: an answer ends early');
    records.push({ name: owner.name, type: b.readUInt16BE(owner.end), at: start, data: b.subarray(start, at) });
  }
  for (let i = 0; ; i++) {
    const alias = records.find((r) => r.type === TYPES.CNAME && r.name === out.name);
    if (!alias) break;
    if (i >= ALIASES_MAX) throw new Malformed('DNS: aliases go in a circle');
    out.name = readName(b, alias.at).name;
  }
  for (const r of records) if (r.type === TYPES[type] && r.name === out.name) take(out, b, r);
  return out;
}

function take(out: DnsAnswer, b: Buffer, { type, at, data }: { type: number; at: number; data: Buffer }): void {
  if (type === TYPES.MX) {
    if (data.length < 3) throw new Malformed('DNS: not an MX record');
    out.mx.push({ priority: data.readUInt16BE(0), exchange: readName(b, at + 2).name });
  } else if (type === TYPES.TLSA) {
    if (data.length < 4) throw new Malformed('DNS: not a TLSA record');
    out.tlsa.push({ usage: data[0], selector: data[1], matching: data[2], data: Buffer.from(data.subarray(3)) });
  } else out.addresses.push(addressOf(data));
}
