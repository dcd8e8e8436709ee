// The HTTP port for administrators and their tools: three pages, GET only, within limits. No mail and no secret ever goes
// out here.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Refused, limits, listenFault, reason } from '../base/index.ts';
import type { Logger } from '../base/index.ts';
import { CONTENT_TYPE, write } from './exposition.ts';
import type { Family } from './exposition.ts';
import type { Readiness } from './readiness.ts';

export interface WebOptions {
  readiness: Readiness;
  numbers: () => Family[];
  logger: Logger;
}

interface Page {
  status: number;
  type?: string;
  text: string;
}

export class WebServer {
  readonly #o: WebOptions;
  readonly #servers: Server[] = [];
  constructor(options: WebOptions) {
    this.#o = options;
  }

  /** Listens on one address more; port 0 takes any. Gives the port. Refused when it can't be had. */
  async listen(host: string, port: number): Promise<number> {
    // An import would read its lazy members too: an HTTP client of 14 MB.
    const { createServer } = process.getBuiltinModule('node:http');
    const server = createServer({ maxHeaderSize: limits.http_header_bytes_max, headersTimeout: limits.http_request_ms_max, requestTimeout: limits.http_request_ms_max, keepAliveTimeout: limits.http_request_ms_max, connectionsCheckingInterval: limits.http_request_ms_max / 2, noDelay: true }, (request, response) => {
      this.#answer(request, response).catch((e) => {
        this.#o.logger.error('bug', { reason: reason(e) });
        response.destroy();
      });
    });
    server.maxConnections = limits.http_connections_max;
    server.maxRequestsPerSocket = 1000;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (e: NodeJS.ErrnoException) => reject(new Refused(`HTTP cannot listen on ${host} port ${port}: ${listenFault(e)}${e.code === 'EADDRINUSE' ? ' (http-port sets another; 0: off)' : ''}`)));
      server.listen(port, host, resolve);
    });
    server.removeAllListeners('error');
    server.on('error', (e) => this.#o.logger.error('listener', { reason: reason(e) }));
    this.#servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, type = 'text/plain; charset=utf-8', text } = await this.#page(request);
    const headers: Record<string, string | number> = { 'content-type': type, 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
    if (status === 405) headers.allow = 'GET, HEAD';
    // A body is never read: the connection ends with the answer.
    if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) headers.connection = 'close';
    response.writeHead(status, headers);
    response.end(request.method === 'HEAD' ? '' : text);
  }

  async #page(request: IncomingMessage): Promise<Page> {
    const path = (request.url ?? '').split('?', 1)[0];
    const page = { '/health': 'health', '/ready': 'ready', '/metrics': 'metrics' }[path];
    if (page === undefined) return { status: 404, text: 'not found: /health, /ready, /metrics\n' };
    if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, text: 'GET only\n' };
    if (page === 'health') return { status: 200, text: 'alive\n' };
    if (page === 'metrics') return { status: 200, type: CONTENT_TYPE, text: write(this.#o.numbers()) };
    const { ready, why } = await this.#o.readiness.ask();
    return { status: ready ? 200 : 503, text: `${why}\n` };
  }

  /** Ends at once: nobody loses anything by it. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    })));
  }
}
