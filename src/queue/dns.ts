// Which servers take mail for a domain (RFC 5321 §5.1, RFC 7505), in the order in which they are tried.
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { Malformed, Refused, Unavailable, limits } from '../base/index.ts';
import type { Random } from '../base/index.ts';

/** The questions that sending asks. Rejections carry node:dns codes (`ENOTFOUND`, `ENODATA`, `ESERVFAIL`, …). */
export interface Dns {
  mx(name: string): Promise<{ exchange: string; priority: number }[]>;
  a(name: string): Promise<string[]>;
  aaaa(name: string): Promise<string[]>;
  txt(name: string): Promise<string[]>;
  srv(name: string): Promise<{ name: string; port: number; priority: number; weight: number }[]>;
  caa?(name: string): Promise<{ issue?: string }[]>;
}

/** `servers`: addresses with or without port; none: those of the machine. Malformed. */
export function dnsOf(servers: readonly string[]): Required<Dns> {
  const resolver = new Resolver({ timeout: limits.dns_ms_max / 4, tries: 3 });
  if (servers.length > 0) {
    try {
      resolver.setServers([...servers]);
    } catch {
      throw new Malformed(`dns: "${servers.join(',')}" is not a list of IP addresses`);
    }
  }
  return {
    mx: (name) => resolver.resolveMx(name),
    a: (name) => resolver.resolve4(name),
    aaaa: (name) => resolver.resolve6(name),
    txt: async (name) => (await resolver.resolveTxt(name)).map((pieces) => pieces.join('')),
    srv: (name) => resolver.resolveSrv(name),
    caa: (name) => resolver.resolveCaa(name),
  };
}

export interface Host {
  /** As its certificate should call it. */
  name: string;
  /** IP address. */
  address: string;
}

const MX_MAX = 20;
/** With names that can't be in DNS, as in an MX that says "::1". */
const MISSING = ['ENOTFOUND', 'ENODATA', 'ENONAME', 'EBADNAME'];
export const isMissing = (e: unknown): boolean => MISSING.includes((e as NodeJS.ErrnoException).code ?? '');
const away = (domain: string, e: unknown) => new Unavailable(`no answer from DNS about ${domain}: ${(e as NodeJS.ErrnoException).code ?? 'error'}`);

/** Empty where there is no such name or record. Unavailable. */
async function ask<T>(domain: string, question: Promise<T[]>): Promise<T[] | null> {
  try {
    return await question;
  } catch (e) {
    if (isMissing(e)) return null;
    throw away(domain, e);
  }
}

/** Addresses of a host, IPv6 and IPv4 by turns. An answer to one question is enough. Unavailable when neither has one. */
async function addressesOf(dns: Dns, name: string): Promise<string[]> {
  const [six, four] = await Promise.allSettled([ask(name, dns.aaaa(name)), ask(name, dns.a(name))]);
  const lists = [six, four].map((x) => (x.status === 'fulfilled' ? (x.value ?? []) : []));
  const failed = [six, four].find((x) => x.status === 'rejected');
  if (failed && lists.every((l) => l.length === 0)) throw (failed as PromiseRejectedResult).reason;
  const both: string[] = [];
  for (let i = 0; i < Math.max(lists[0].length, lists[1].length); i++) for (const list of lists) if (i < list.length) both.push(list[i]);
  return both;
}

/** The hosts to try for a domain or an address literal. Refused with `5.1.2` or `5.1.10`; Unavailable. */
export async function hostsFor(domain: string, dns: Dns, random: Random): Promise<Host[]> {
  if (domain.startsWith('[')) {
    const address = domain.slice(1, -1).replace(/^IPv6:/i, '');
    if (isIP(address) === 0) throw new Refused('not an address literal', null, '550 5.1.2');
    return [{ name: domain, address }];
  }
  const name = domainToASCII(domain);
  if (name === '') throw new Refused('not a domain', null, '550 5.1.2');
  const mx = await ask(name, dns.mx(name));
  if (mx?.length === 1 && (mx[0].exchange === '' || mx[0].exchange === '.')) throw new Refused(`${domain} takes no mail`, null, '556 5.1.10');
  // Of equal preference in any order (§5.1). Without MX the domain itself is the host.
  const sorted = (mx ?? []).map((x) => ({ ...x, chance: random.unit() })).sort((a, b) => a.priority - b.priority || a.chance - b.chance);
  const names = sorted.length > 0 ? sorted.slice(0, MX_MAX).map((x) => x.exchange.replace(/\.$/, '')) : [name];
  const hosts: Host[] = [];
  let unanswered: unknown = null;
  for (const exchange of names) {
    if (hosts.length >= limits.queue_addresses_max) break;
    try {
      for (const address of await addressesOf(dns, exchange)) hosts.push({ name: exchange, address });
    } catch (e) {
      unanswered = e;
    }
  }
  if (hosts.length > 0) return hosts.slice(0, limits.queue_addresses_max);
  if (unanswered !== null) throw unanswered;
  throw new Refused(sorted.length > 0 ? `the mail servers of ${domain} have no address` : `there is no mail server for ${domain}`, null, '550 5.1.2');
}
