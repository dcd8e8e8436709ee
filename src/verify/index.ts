/**
 * verify/: how other servers know that mail is from here.
 *
 * Flow in: a message's header and body as they pass, a domain's keys. Flow out: DKIM signatures, the DNS records that a
 * domain needs, and what is wrong with those that are there.
 *
 * Invariants: a message is never held in memory to be signed; secrets never leave but as signatures.
 *
 * Standards: RFC 6376 (DKIM), 8463 (Ed25519), 7208 (SPF), 7489 (DMARC), 6186 and 8314 (SRV).
 *
 * Failures: none but bugs; what is wrong with a domain is an answer, not an error.
 */
export { BodyHash, signDkim } from './dkim.ts';
export type { SigningKey } from './dkim.ts';
export { createDomainKeys, publicRecord, readSecret } from './keys.ts';
export type { NewKey } from './keys.ts';
export { checkRecords, recordsOf } from './records.ts';
export type { DnsRecord, DomainFacts, Lookup, Verdict } from './records.ts';
