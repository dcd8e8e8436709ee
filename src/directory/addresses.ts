// Mail addresses as the directory compares them. RFC 5321 §2.4 leaves the local part to us: case is not distinguished.
import { domainToASCII } from 'node:url';
import { Malformed } from '../base/index.ts';

const LOCAL_BYTES_MAX = 64; // RFC 5321 §4.5.3.1.1
const DOMAIN_BYTES_MAX = 255; // RFC 5321 §4.5.3.1.2
/** Already in the form that `domainToASCII` gives: a last label that begins with a letter is no part of an IPv4 address. */
const PLAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Lower case, internationalised labels in their ASCII form. Throws Malformed. */
export function normaliseDomain(domain: string): string {
  if (domain.length <= DOMAIN_BYTES_MAX && PLAIN.test(domain) && !domain.includes('--')) return domain;
  // What is far too long is not even turned: that takes quadratic time.
  if (domain.length > 4 * DOMAIN_BYTES_MAX) throw new Malformed(`not a domain: ${domain.slice(0, 100)}`);
  const ascii = domainToASCII(domain.normalize('NFC').toLowerCase()).replace(/\.$/, '');
  // As of a URL, "1.2" would be turned into an IPv4 address, "%61" into a letter, and what comes from a slash on would be left out.
  if (!ascii || ascii.length > DOMAIN_BYTES_MAX || /[%/\\?#\s]/.test(domain) || /(^|\.)\d+$/.test(ascii) || !ascii.split('.').every((l) => LABEL.test(l))) throw new Malformed(`not a domain: ${domain.slice(0, 100)}`);
  return ascii;
}

/** Characters that nobody sees, which domainToASCII leaves out; the two joiners are letters of some scripts, and it knows where. */
const LEFT_OUT = /(?![\u200c\u200d])\p{Default_Ignorable_Code_Point}/u;

/** A domain that is to be. What only looks like another one, since nobody sees all of it, was not meant. Throws Malformed. */
export function writtenDomain(domain: string): string {
  if (LEFT_OUT.test(domain)) throw new Malformed(`not a domain: ${domain.slice(0, 100).replace(/[^ -~]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)} has characters that nobody sees`);
  return normaliseDomain(domain);
}

/** Splits at the last `@`, removes the quotes that the local part doesn't need. Throws Malformed. */
export function normaliseAddress(address: string): { local: string; domain: string } {
  const at = address.lastIndexOf('@');
  if (at < 1 || at > 4 * LOCAL_BYTES_MAX) throw new Malformed(`not an address: ${address.slice(0, 100)}`);
  let local = address.slice(0, at);
  if (/^".*"$/.test(local)) local = local.slice(1, -1).replace(/\\(.)/g, '$1');
  // Lower case of what is one character can be two, and the other way round.
  local = local.normalize('NFC').toLowerCase().normalize('NFC');
  if (!local || Buffer.byteLength(local) > LOCAL_BYTES_MAX || /[\x00-\x1f\x7f]/.test(local)) throw new Malformed(`not an address: ${address.slice(0, 100)}`);
  return { local, domain: normaliseDomain(address.slice(at + 1)) };
}

/** What is looked up for a recipient, in this order: as written, without `+tag`, the domain's catch-all. */
export function candidatesFor(address: string): string[] {
  const { local, domain } = normaliseAddress(address);
  const plus = local.indexOf('+');
  const names = [`${local}@${domain}`];
  if (plus > 0) names.push(`${local.slice(0, plus)}@${domain}`);
  names.push(`*@${domain}`);
  return names;
}
