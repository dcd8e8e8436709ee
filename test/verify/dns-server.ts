// A name server on loopback that answers what a test wrote down, also what no honest one would say.
import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';

export type Zone = Record<string, string[]>;

const TYPES: Record<number, string> = { 1: 'A', 2: 'NS', 5: 'CNAME', 12: 'PTR', 15: 'MX', 16: 'TXT', 28: 'AAAA' };
const NUMBERS = Object.fromEntries(Object.entries(TYPES).map(([n, t]) => [t, Number(n)]));

const nameBytes = (name: string) => Buffer.concat([...name.split('.').filter((l) => l !== '').map((l) => Buffer.concat([Buffer.of(l.length), Buffer.from(l)])), Buffer.of(0)]);

function data(type: string, value: string): Buffer {
  if (type === 'A') return Buffer.from(value.split('.').map(Number));
  if (type === 'AAAA') return Buffer.from(value.split(':').map((g) => g.padStart(4, '0')).join(''), 'hex');
  if (type === 'MX') return Buffer.concat([Buffer.from([0, 10]), nameBytes(value)]);
  if (type === 'TXT') return Buffer.concat((value.match(/[^]{1,255}/g) ?? ['']).map((p) => Buffer.concat([Buffer.of(p.length), Buffer.from(p)])));
  return nameBytes(value);
}

/** `zone`: `"TXT name": [texts]`. `raw`: an answer's bytes after the question, for a name; null: none at all. */
export async function dnsServer(zone: Zone, raw: (name: string, type: string, question: Buffer) => Buffer | null | undefined = () => undefined) {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    let at = 12;
    const labels: string[] = [];
    while (query[at] !== 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + query[at]).toLowerCase());
      at += 1 + query[at];
    }
    const type = TYPES[query.readUInt16BE(at + 1)] ?? '?';
    const name = labels.join('.');
    const question = query.subarray(12, at + 5);
    asked.push(`${type} ${name}`);
    const own = raw(name, type, question);
    if (own === null) return;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    head.fill(0, 6);
    if (own !== undefined) {
      head.writeUInt16BE(1, 6);
      return void socket.send(Buffer.concat([head, question, own]), from.port, from.address);
    }
    const records = zone[`${type} ${name}`] ?? [];
    const known = Object.keys(zone).some((key) => key.endsWith(` ${name}`));
    if (!known) head.writeUInt16BE(0x8183, 2);
    head.writeUInt16BE(records.length, 6);
    const answers = records.map((value) => {
      const bytes = data(type, value);
      const fixed = Buffer.alloc(10);
      fixed.writeUInt16BE(NUMBERS[type], 0);
      fixed.writeUInt16BE(1, 2);
      fixed.writeUInt32BE(60, 4);
      fixed.writeUInt16BE(bytes.length, 8);
      return Buffer.concat([Buffer.from([0xc0, 12]), fixed, bytes]);
    });
    socket.send(Buffer.concat([head, question, ...answers]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { address: `127.0.0.1:${(socket.address() as AddressInfo).port}`, asked, stop: () => socket.close() };
}
