// AWS Signature Version 4 for the few requests that are sent (docs.aws.amazon.com/AmazonS3/latest/API/
// sig-v4-header-based-auth.html). Names and buckets hold nothing that a path would have to escape (check-name.ts).
import { createHmac, hash } from 'node:crypto';

/** The payload's hash of a body that is not in memory. */
export const UNSIGNED = 'UNSIGNED-PAYLOAD';
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export interface Unsigned {
  method: string;
  host: string;
  /** Absolute, nothing to escape in it. */
  path: string;
  /** Sorted and escaped already (`escapeQuery`), without `?`. */
  query: string;
  /** Further headers that are signed: `x-amz-…`, lower case. */
  headers: Record<string, string>;
  /** SHA-256 in hex, or UNSIGNED. */
  payload: string;
  /** Milliseconds since 1970 by the server's clock. */
  time: number;
}

export interface Keys {
  region: string;
  accessKey: string;
  secretKey: string;
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** RFC 3986 unreserved characters stay, as SigV4 wants it. */
export const escapeQuery = (text: string): string => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

export class Signer {
  readonly #keys: Keys;
  #day = '';
  #key: Buffer = Buffer.alloc(0);

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** All headers to send, the given ones included. */
  sign(request: Unsigned): Record<string, string> {
    const stamp = new Date(request.time).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const day = stamp.slice(0, 8);
    const headers: Record<string, string> = { host: request.host, 'x-amz-content-sha256': request.payload, 'x-amz-date': stamp, ...request.headers };
    const names = Object.keys(headers).sort();
    const signed = names.join(';');
    let canonical = `${request.method}\n${request.path}\n${request.query}\n`;
    for (const name of names) canonical += `${name}:${headers[name]}\n`;
    canonical += `\n${signed}\n${request.payload}`;
    const scope = `${day}/${this.#keys.region}/s3/aws4_request`;
    const signature = createHmac('sha256', this.#keyOf(day)).update(`AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${hash('sha256', canonical)}`).digest('hex');
    headers.authorization = `AWS4-HMAC-SHA256 Credential=${this.#keys.accessKey}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
    return headers;
  }

  #keyOf(day: string): Buffer {
    if (day !== this.#day) {
      const { secretKey, region } = this.#keys;
      this.#key = hmac(hmac(hmac(hmac(`AWS4${secretKey}`, day), region), 's3'), 'aws4_request');
      this.#day = day;
    }
    return this.#key;
  }
}
