// A certificate authority of the tests' own.
import { X509Certificate, createHash } from 'node:crypto';
import { generate } from 'selfsigned';

export interface Certificate {
  /** PEM. */
  key: string;
  cert: string;
}

const DAY_MS = 86_400_000;

export class Authority {
  readonly root: Certificate;
  private constructor(root: Certificate) {
    this.root = root;
  }

  static async create(name = 'test authority'): Promise<Authority> {
    const made = await generate([{ name: 'commonName', value: name }], {
      keyType: 'ec', algorithm: 'sha256',
      extensions: [{ name: 'basicConstraints', cA: true, critical: true }, { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true }],
    });
    return new Authority({ key: made.private, cert: made.cert });
  }

  /** For these names; `days` before today it has expired. */
  async issue(names: string[], days = 30): Promise<Certificate> {
    const now = Date.now();
    const made = await generate([{ name: 'commonName', value: names[0] }], {
      keyType: 'ec', algorithm: 'sha256', ca: this.root,
      notBeforeDate: new Date(now - 100 * DAY_MS), notAfterDate: new Date(now + days * DAY_MS),
      extensions: [{ name: 'basicConstraints', cA: false }, { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) }],
    });
    return { key: made.private, cert: made.cert };
  }

  /** With the authority's own certificate behind it. */
  chain(leaf: Certificate): Certificate {
    return { key: leaf.key, cert: `${leaf.cert.trim()}\n${this.root.cert}` };
  }
}

/** The data of a TLSA record, SHA-256: of the whole certificate (selector 0) or its key (1). */
export function tlsaData(cert: string, selector: 0 | 1): Buffer {
  const x = new X509Certificate(cert);
  return createHash('sha256').update(selector === 0 ? x.raw : (x.publicKey.export({ type: 'spki', format: 'der' }) as Buffer)).digest();
}
