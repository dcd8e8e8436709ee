// What is counted for daily reports: rows by domain, each with how often it was seen. Rows are JSON, so equal ones meet, in one
// process and between processes.
import { Corrupt, limits } from '../../base/index.ts';

export type ReportKind = 'tls' | 'dmarc';

const VERSION = 1;

/** One kind of rows. */
export class Tally {
  readonly domains = new Map<string, Map<string, number>>();

  get empty(): boolean {
    return this.domains.size === 0;
  }

  /** Rows beyond the limits are not counted. */
  add(domain: string, row: object, n = 1): void {
    let rows = this.domains.get(domain);
    if (!rows) {
      if (this.domains.size >= limits.report_domains_max) return;
      this.domains.set(domain, (rows = new Map()));
    }
    const key = JSON.stringify(row);
    const was = rows.get(key);
    if (was === undefined && rows.size >= limits.report_rows_max) return;
    rows.set(key, (was ?? 0) + n);
  }

  merge(other: Tally): void {
    for (const [domain, rows] of other.domains) for (const [row, n] of rows) this.add(domain, JSON.parse(row) as object, n);
  }

  /** Version 1: a byte, then JSON: domains, each with rows and counts. */
  encode(): Buffer {
    return Buffer.concat([Buffer.of(VERSION), Buffer.from(JSON.stringify([...this.domains].map(([domain, rows]) => [domain, [...rows]])))]);
  }

  /** Throws Corrupt. */
  static decode(bytes: Uint8Array): Tally {
    if (bytes[0] !== VERSION) throw new Corrupt('queue: counts written by a newer version');
    const tally = new Tally();
    try {
      for (const [domain, rows] of JSON.parse(Buffer.from(bytes.subarray(1)).toString()) as [string, [string, number][]][]) for (const [row, n] of rows) tally.add(domain, JSON.parse(row) as object, n);
    } catch {
      throw new Corrupt('queue: counts that can not be read');
    }
    return tally;
  }
}
