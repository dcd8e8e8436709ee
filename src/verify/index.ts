/**
 * verify/: how other servers know that mail is from here, and how it is judged what others send (inbound/).
 *
 * Flow in: a message's header and body as they pass, a domain's keys; connections, recipients and messages of strangers,
 * through smtp/'s Screen. Flow out: DKIM signatures, the DNS records that a domain needs, and what is wrong with those
 * that are there; refusals, header fields that say what was found, and whether a message belongs into Junk.
 *
 * Invariants:
 * - a message is never held in memory to be signed; secrets never leave but as signatures.
 * - what strangers send costs bounded memory, time and DNS questions, whatever it is; what is remembered of them is bounded.
 * - a check that gives no answer (DNS, rspamd, a bug) never refuses a message.
 * - nothing is refused after its 250: there are no bounces of what was judged.
 * - the library that verifies is loaded only where inbound mail is judged.
 *
 * Standards: RFC 6376, 8301 (DKIM), 8463 (Ed25519), 7208 (SPF), 7489 and 9989 (DMARC), 8617 (ARC), 8601
 * (Authentication-Results), 5782 (block lists), 6647 (greylisting), 6186 and 8314 (SRV).
 *
 * Failures: Refused with an SMTP code, Unavailable when there is no room; what is wrong with a domain is an answer, not an
 * error.
 */
export type { DmarcSeen } from './inbound/dmarc-seen.ts';
export type { Inbound, InboundOptions } from './inbound/open.ts';
export type { InboundSettings } from './inbound/settings.ts';
/** The checks of inbound mail, loaded when they are wanted. */
export const loadInbound = () => import('./inbound/open.ts');
export { BodyHash, sealArc, signDkim, signDkimWith } from './dkim.ts';
export type { SigningKey } from './dkim.ts';
export { createDomainKeys, publicRecord, readSecret, signingKeys } from './keys.ts';
export type { NewKey } from './keys.ts';
export { sameOrganization } from './organization.ts';
export { checkRecords, recordsOf } from './records.ts';
export type { DnsRecord, DomainFacts, Lookup, TlsaData, Verdict } from './records.ts';
