// What can be known of a client before its message: block lists, its name in DNS, and how it calls itself.
import { isIP } from 'node:net';
import { plainAddress, reversedAddress } from '../../base/index.ts';
import { recordsOrNull } from './questions.ts';
import type { Ask } from './questions.ts';

/** The lists that have this address (RFC 5782). A list that does not answer has it not. */
export async function listedBy(ask: Ask, zones: readonly string[], address: string): Promise<string[]> {
  const name = reversedAddress(address);
  const found = await Promise.all(zones.map(async (zone) => {
    const records = (await recordsOrNull(ask, `${name}.${zone}`, 'A')) ?? [];
    // 127.255.255.x says that the list does not want to be asked from here.
    return records.some((r) => typeof r === 'string' && r.startsWith('127.') && !r.startsWith('127.255.255.'));
  }));
  return zones.filter((_, i) => found[i]);
}

export interface Origin {
  /** The name that DNS has for the address and that leads back to it (RFC 8601 §2.7.3). */
  name: string | null;
  iprev: 'pass' | 'fail' | 'permerror' | 'temperror';
}

/** Names of one address that are followed. */
const NAMES_MAX = 5;

export async function originOf(ask: Ask, address: string): Promise<Origin> {
  const plain = plainAddress(address);
  const six = isIP(plain) === 6;
  const names = await recordsOrNull(ask, `${reversedAddress(plain)}.${six ? 'ip6' : 'in-addr'}.arpa`, 'PTR');
  if (names === null) return { name: null, iprev: 'temperror' };
  if (names.length === 0) return { name: null, iprev: 'permerror' };
  const own = reversedAddress(plain);
  let unanswered = false;
  for (const name of names.slice(0, NAMES_MAX).map(String)) {
    const back = await recordsOrNull(ask, name.replace(/\.$/, ''), six ? 'AAAA' : 'A');
    unanswered ||= back === null;
    if (back?.some((a) => isIP(String(a)) !== 0 && reversedAddress(String(a)) === own)) return { name: name.replace(/\.$/, '').toLowerCase(), iprev: 'pass' };
  }
  return { name: null, iprev: unanswered ? 'temperror' : 'fail' };
}

/** `good`: a name that leads somewhere. `ours`: it calls itself by our name. */
export type Helo = 'good' | 'address' | 'plain' | 'ours' | 'unknown';

export async function heloOf(ask: Ask, helo: string, isOurs: (domain: string) => boolean): Promise<Helo> {
  const name = helo.toLowerCase().replace(/\.$/, '');
  if (isOurs(name)) return 'ours';
  if (name.startsWith('[') || isIP(name) !== 0) return 'address';
  if (!name.includes('.')) return 'plain';
  const answers = await Promise.all(['A', 'AAAA'].map((type) => recordsOrNull(ask, name, type)));
  return answers.every((a) => a !== null && a.length === 0) ? 'unknown' : 'good';
}
