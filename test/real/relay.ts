// A name that stays while replicas come and go, as DNS or a service address gives it to mail programs: one port that hands
// connections on to whichever replica it is told.
import net from 'node:net';
import { freePorts } from '../ports.ts';

export class Relay {
  readonly port: number;
  /** The port of loopback that new connections are handed to. */
  to: number;
  readonly #server: net.Server;
  readonly #open = new Set<net.Socket>();

  static async start(to: number): Promise<Relay> {
    const [port] = await freePorts(1);
    const relay = new Relay(port, to);
    await new Promise<void>((resolve) => relay.#server.listen(port, '127.0.0.1', resolve));
    return relay;
  }

  private constructor(port: number, to: number) {
    this.port = port;
    this.to = to;
    this.#server = net.createServer({ noDelay: true }, (near) => {
      const far = net.connect({ host: '127.0.0.1', port: this.to, noDelay: true });
      for (const [one, other] of [[near, far], [far, near]]) {
        this.#open.add(one);
        one.on('error', () => other.destroy()).on('close', () => (this.#open.delete(one), other.destroy()));
        one.pipe(other);
      }
    });
  }

  /** Ends what is open, as a replica that is killed does, and takes no more. */
  async end(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
