// Ports for servers that tests start. From below the range that the kernel gives to outgoing connections and to port 0:
// a port that was free a moment ago can't be taken by a connection before its server listens.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST = 10_000;
const LAST = 32_000;
/** Ports that are taken together by one process of tests before it goes on at another place. */
const RUN = 200;

let next = 0;
let left = 0;

/** Ports of the address that nothing listens on; none twice in a row from this process. Rejects when the address is not of this machine. */
export async function freePorts(n: number, address = '127.0.0.1'): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < n) {
    if (left-- <= 0) [next, left] = [randomInt(FIRST, LAST - RUN), RUN];
    const port = next++;
    if (await isFree(port, address)) ports.push(port);
  }
  return ports;
}

function isFree(port: number, address: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (e: NodeJS.ErrnoException) => (e.code === 'EADDRINUSE' ? resolve(false) : reject(e)));
    server.listen({ port, host: address, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
