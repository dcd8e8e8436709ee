// An HTTP server that answers what a test tells it to: for what no real S3 does on demand.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

export type Answerer = (seen: Seen, response: ServerResponse) => void;

export interface FakeS3 {
  endpoint: string;
  /** All requests so far. */
  seen: Seen[];
  /** Answers of the next requests, one each; the last one stays. */
  answers: Answerer[];
  close(): Promise<void>;
}

export async function fakeS3(): Promise<FakeS3> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      const seen: Seen = { method: request.method!, url: request.url!, headers: request.headers, body: Buffer.concat(pieces) };
      fake.seen.push(seen);
      const answer = fake.answers.length > 1 ? fake.answers.shift()! : fake.answers[0];
      answer(seen, response);
    });
    request.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    answers: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return fake;
}

export const ok: Answerer = (_, response) => response.setHeader('etag', '"x"').end();
export const fails =
  (status: number, code = 'InternalError', message = 'it went wrong'): Answerer =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
  };
export const reset: Answerer = (_, response) => response.socket!.resetAndDestroy();
export const never: Answerer = () => {};
/** Announces more than it sends. */
export const cut: Answerer = (_, response) => {
  response.writeHead(200, { 'content-length': '100', 'last-modified': new Date().toUTCString() });
  response.write('only this');
  setTimeout(() => response.socket?.destroy(), 5);
};
export const object =
  (body: string, headers: Record<string, string> = {}): Answerer =>
  (_, response) => {
    response.writeHead(200, { 'content-length': String(body.length), 'last-modified': new Date().toUTCString(), ...headers }).end(body);
  };
export const xml =
  (text: string): Answerer =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'application/xml' }).end(text);
  };
export const listing = (rows: string[], truncated = false): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/><IsTruncated>${truncated}</IsTruncated>${rows
    .map((name) => `<Contents><Key>${name}</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;x&quot;</ETag><Size>12</Size><StorageClass>STANDARD</StorageClass></Contents>`)
    .join('')}</ListBucketResult>`;
