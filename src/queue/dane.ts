// DANE for SMTP (RFC 7672): which certificates a domain's signed DNS says that its servers have.
import { X509Certificate, createHash } from 'node:crypto';
import type { Tlsa } from './dns-message.ts';

export const DANE_TA = 2;
export const DANE_EE = 3;
const HASHES = ['', 'sha256', 'sha512'];
const DIGEST_BYTES = [0, 32, 64];
/** Certificates of a chain that are looked at, and records of one host. */
const CHAIN_MAX = 10;
const RECORDS_MAX = 50;

/** Records that SMTP knows: the usages of PKIX (0 and 1) are none of them (RFC 7672 §3.1.3). */
export function usableRecords(records: readonly Tlsa[]): Tlsa[] {
  const usable = (r: Tlsa) => (r.usage === DANE_TA || r.usage === DANE_EE) && r.selector <= 1 && r.matching <= 2 && (r.matching === 0 ? r.data.length > 0 : r.data.length === DIGEST_BYTES[r.matching]);
  return records.filter(usable).slice(0, RECORDS_MAX);
}

/** RFC 6698 §2.1.2, §2.1.3. */
function matches(record: Tlsa, certificate: X509Certificate): boolean {
  const selected = record.selector === 0 ? certificate.raw : (certificate.publicKey.export({ type: 'spki', format: 'der' }) as Buffer);
  const presented = record.matching === 0 ? selected : createHash(HASHES[record.matching]).update(selected).digest();
  return presented.equals(record.data);
}

/**
 * Null when the chain that a server has shown (its own certificate first) fits a record; else why not. `names`: those that
 * a certificate under a trust anchor may bear (RFC 7672 §3.2.2). `now`: ms since 1970.
 */
export function checkDane(chain: readonly Buffer[], records: readonly Tlsa[], names: readonly string[], now: number): string | null {
  const certificates = chain.slice(0, CHAIN_MAX).map((der) => new X509Certificate(der));
  const [own] = certificates;
  if (!own) return 'no certificate was shown';
  // Neither name nor dates matter: the record itself says so (RFC 7672 §3.1.1).
  if (records.some((r) => r.usage === DANE_EE && matches(r, own))) return null;
  const anchors = records.filter((r) => r.usage === DANE_TA);
  if (anchors.length === 0) return 'the certificate is not the one that TLSA names';
  const valid = (c: X509Certificate) => Date.parse(c.validFrom) <= now && now <= Date.parse(c.validTo);
  let why = 'no certificate of the chain is the one that TLSA names';
  // From the server's own upwards, each signed by the next, until one is an anchor.
  for (let i = 0; i < certificates.length; i++) {
    const c = certificates[i];
    if (i > 0 && (!c.ca || !certificates[i - 1].checkIssued(c) || !certificates[i - 1].verify(c.publicKey))) break;
    if (!valid(c)) {
      why = 'a certificate of the chain has expired';
      break;
    }
    if (!anchors.some((r) => matches(r, c))) continue;
    return names.some((n) => own.checkHost(n, { subject: 'default' }) !== undefined) ? null : `the certificate is not for ${names[0]}`;
  }
  return why;
}
