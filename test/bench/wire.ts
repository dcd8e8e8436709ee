// What the bench's clients share: a socket without Nagle, and an eye on the last line that has come. Answers are counted,
// not parsed: the load generator must not be the slower side.
import net from 'node:net';
import tls from 'node:tls';

export interface Where {
  port: number;
  tls?: boolean;
  /** Own address: servers limit the connections of one. */
  from?: string;
}

/** Opens a socket; resolves when it is ready for talk. */
export function open(where: Where): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const plain = net.connect({ host: '127.0.0.1', port: where.port, localAddress: where.from, noDelay: true });
    plain.once('error', reject);
    const ready = (socket: net.Socket) => {
      plain.off('error', reject);
      socket.on('error', () => socket.destroy());
      resolve(socket);
    };
    if (!where.tls) plain.once('connect', () => ready(plain));
    else {
      const secure = tls.connect({ socket: plain, rejectUnauthorized: false }, () => ready(secure));
      secure.once('error', reject);
    }
  });
}

const LF = 10;
/** Bytes of a line that are kept: a tag, a status and the beginning of its text. */
const HEAD = 200;

/** Follows a stream of lines and remembers how its last line begins, however long it is and however it is cut. */
export class LastLine {
  /** How the last line begins, as Latin-1. */
  head = '';
  /** That line has ended. */
  ended = true;

  push(chunk: Buffer): void {
    const last = chunk.length - 1;
    const whole = chunk[last] === LF;
    const before = last === 0 ? -1 : chunk.lastIndexOf(LF, last - 1);
    if (before >= 0) this.head = chunk.toString('latin1', before + 1, before + 1 + HEAD);
    else if (this.ended) this.head = chunk.toString('latin1', 0, HEAD);
    else if (this.head.length < HEAD) this.head += chunk.toString('latin1', 0, HEAD - this.head.length);
    this.ended = whole;
  }
}
