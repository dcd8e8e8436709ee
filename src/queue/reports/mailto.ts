// Addresses that reports go to, as the records of strangers name them (RFC 7489 §6.2, RFC 8460 §3, RFC 6068 §2).

export interface ReportTarget {
  address: string;
  /** In lower case. */
  domain: string;
  /** Of a whole report; Infinity: of any size. */
  bytesMax: number;
}

const UNITS = ['', 'k', 'm', 'g', 't'];
/** What stands in an envelope and in a header without quotes: nothing with which an address could become more than one. */
const ADDRESS = /^[\w.!#$%&'*+/=?^`{|}~-]+@((?:[a-z0-9_-]+\.)+[a-z0-9-]+)$/i;

/** Of `mailto:reports@example.org!10m`; null: no address that mail can be sent to. */
export function mailtoOf(uri: string): ReportTarget | null {
  const m = /^mailto:([^?!\s]+)(?:\?[^!\s]*)?(?:!(\d{1,15})([kmgt]?))?$/i.exec(uri.trim());
  if (m === null) return null;
  let address: string;
  try {
    address = decodeURIComponent(m[1]);
  } catch {
    return null;
  }
  // Only then: what is encoded may be the @ itself.
  const domain = ADDRESS.exec(address)?.[1].toLowerCase();
  if (domain === undefined) return null;
  return { address, domain, bytesMax: m[2] === undefined ? Infinity : Number(m[2]) * 1024 ** UNITS.indexOf(m[3].toLowerCase()) };
}
