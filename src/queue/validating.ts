// A resolver that checks signatures (DNSSEC), asked for what DANE rests on. Its word counts only when nobody on the way can
// change it: at a loopback address, or where the administrator says so.
import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { connect, isIP } from 'node:net';
import { Malformed, Unavailable, limits, reason } from '../base/index.ts';
import type { Clock, Random } from '../base/index.ts';
import { decodeAnswer, encodeQuestion } from './dns-message.ts';
import type { DnsAnswer, RecordType } from './dns-message.ts';

/** What DANE asks. `signed` false: somebody on the way may have changed it, or left it out. */
export interface SignedDns {
  /** Empty where there is nothing of that kind. Unavailable: no answer, or one whose signatures are wrong. */
  ask(name: string, type: RecordType): Promise<DnsAnswer>;
}

interface Server {
  address: string;
  port: number;
}

const NOERROR = 0;
const NXDOMAIN = 3;
const TRIES = 3;
const UDP_MS = 3000;
const TCP_MS = 8000;

/** Docker's own hands on what others say, over whatever way. */
const FORWARDER = '127.0.0.11';
const isLoopback = (address: string): boolean => (/^127\./.test(address) && address !== FORWARDER) || address === '::1';

function parseServer(text: string): Server {
  const m = /^\[(.+)\](?::(\d+))?$/.exec(text) ?? (isIP(text) ? [text, text] : /^([^:]+):(\d+)$/.exec(text));
  if (!m || !isIP(m[1])) throw new Malformed(`dns: "${text}" is not an IP address`);
  return { address: m[1], port: Number(m[2] ?? 53) };
}

/** `servers` as in the settings, none: the machine's. Null when their word does not count: `trusted` null: where all are at loopback. */
export function signedDnsOf(servers: readonly string[], trusted: boolean | null, clock: Clock, random: Random): SignedDns | null {
  const list = (servers.length > 0 ? [...servers] : getServers()).map(parseServer);
  if (trusted === false || list.length === 0) return null;
  if (trusted === null && !list.every((s) => isLoopback(s.address))) return null;
  return new Resolver(list, clock, random);
}

class Resolver implements SignedDns {
  readonly #servers: Server[];
  readonly #clock: Clock;
  readonly #random: Random;
  constructor(servers: Server[], clock: Clock, random: Random) {
    this.#servers = servers;
    this.#clock = clock;
    this.#random = random;
  }

  async ask(name: string, type: RecordType): Promise<DnsAnswer> {
    let why = 'no answer';
    for (let i = 0; i < TRIES; i++) {
      const server = this.#servers[i % this.#servers.length];
      try {
        const answer = await this.#one(server, name, type);
        if (answer.code === NOERROR || answer.code === NXDOMAIN) return answer;
        why = `code ${answer.code}`;
      } catch (e) {
        why = reason(e);
      }
    }
    throw new Unavailable(`no answer from DNS about ${type} of ${name}: ${why}`);
  }

  async #one(server: Server, name: string, type: RecordType): Promise<DnsAnswer> {
    const id = this.#random.bytes(2).readUInt16BE(0);
    const question = encodeQuestion(id, name, type);
    const read = (bytes: Buffer) => {
      const answer = decodeAnswer(bytes, name, type);
      if (answer.id !== id) throw new Malformed('DNS: the answer to another question');
      return answer;
    };
    const answer = await this.#udp(server, question, read);
    return answer.truncated ? this.#tcp(server, question, read) : answer;
  }

  #udp(server: Server, question: Buffer, read: (bytes: Buffer) => DnsAnswer): Promise<DnsAnswer> {
    return new Promise((resolve, reject) => {
      const socket = createSocket(isIP(server.address) === 6 ? 'udp6' : 'udp4');
      const cancel = this.#clock.after(UDP_MS, () => end(() => reject(new Unavailable('no answer in time'))));
      const end = (then: () => void) => {
        cancel();
        socket.removeAllListeners('message');
        socket.close();
        then();
      };
      socket.on('error', (e) => end(() => reject(e)));
      // Connected: what comes from elsewhere is not seen.
      socket.connect(server.port, server.address, () => socket.send(question));
      socket.on('message', (bytes) => {
        try {
          const answer = read(bytes);
          end(() => resolve(answer));
        } catch (e) {
          end(() => reject(e));
        }
      });
    });
  }

  #tcp(server: Server, question: Buffer, read: (bytes: Buffer) => DnsAnswer): Promise<DnsAnswer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: server.address, port: server.port, noDelay: true });
      const end = (then: () => void) => {
        cancel();
        socket.destroy();
        then();
      };
      const cancel = this.#clock.after(TCP_MS, () => end(() => reject(new Unavailable('no answer in time'))));
      const length = Buffer.alloc(2);
      length.writeUInt16BE(question.length);
      socket.once('connect', () => socket.write(Buffer.concat([length, question])));
      socket.on('error', (e) => end(() => reject(e)));
      socket.once('close', () => end(() => reject(new Unavailable('the resolver hung up'))));
      let sofar = Buffer.alloc(0);
      socket.on('data', (piece) => {
        sofar = Buffer.concat([sofar, piece]);
        if (sofar.length > limits.dns_answer_bytes_max) return end(() => reject(new Malformed('DNS: the answer is too long')));
        if (sofar.length < 2 || sofar.length < 2 + sofar.readUInt16BE(0)) return;
        end(() => {
          try {
            resolve(read(sofar.subarray(2, 2 + sofar.readUInt16BE(0))));
          } catch (e) {
            reject(e as Error);
          }
        });
      });
    });
  }
}
