// The checks of inbound mail over a zone that a test wrote down, without network.
import { generateKeyPairSync } from 'node:crypto';
import { Refused, limits as allLimits, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import type { Clock, Limits } from '../../src/base/index.ts';
import type { Envelope, Visit } from '../../src/smtp/index.ts';
import { BodyHash, loadInbound, signDkim } from '../../src/verify/index.ts';
import type { DmarcSeen, Inbound, InboundOptions, InboundSettings, SigningKey } from '../../src/verify/index.ts';
import type { Zone } from './dns-server.ts';

export const defaults: InboundSettings = { exempt: [], dmarc: 'quarantine', arcTrusted: [], junkScore: 6, dnsbl: [], dnsblAction: 'reject', greylist: false, ratePerMinute: 0, rspamd: null, dns: [] };

const pair = generateKeyPairSync('ed25519');
const published = `v=DKIM1; k=ed25519; p=${Buffer.from(pair.publicKey.export({ format: 'jwk' }).x!, 'base64url').toString('base64')}`;
export const keyOf = (domain: string, selector = 's'): SigningKey => ({ domain, selector, algorithm: 'ed25519', secret: pair.privateKey });

/** bob.test does everything right, from 192.0.2.1; strict.test asks to refuse what fails. */
export const zone = (): Zone => ({
  'PTR 1.2.0.192.in-addr.arpa': ['mx.bob.test'],
  'A mx.bob.test': ['192.0.2.1'],
  'TXT bob.test': ['v=spf1 ip4:192.0.2.1 -all'],
  'TXT s._domainkey.bob.test': [published],
  'TXT _dmarc.bob.test': ['v=DMARC1; p=reject'],
  'TXT strict.test': ['v=spf1 -all'],
  'TXT s._domainkey.strict.test': [published],
  'TXT _dmarc.strict.test': ['v=DMARC1; p=reject; sp=none; aspf=s; pct=50; fo=1:d; rua=mailto:dmarc@strict.test!10m , https://x.test'],
  'TXT _dmarc.mild.test': ['v=DMARC1; p=quarantine'],
  'TXT _dmarc.none.test': ['v=DMARC1; p=none'],
  'TXT s._domainkey.list.test': [published],
  'TXT list.test': ['v=spf1 ip4:203.0.113.0/24 -all'],
});

export interface Told {
  error: Refused | null;
  fields: string;
  junk: boolean;
  /** What is stored, without the prefix. */
  stored: string;
}

export class InboundWorld {
  readonly inbound: Inbound;
  readonly asked: string[] = [];
  readonly reported: DmarcSeen[] = [];

  private constructor(inbound: Inbound, asked: string[], reported: DmarcSeen[]) {
    this.inbound = inbound;
    this.asked = asked;
    this.reported = reported;
  }

  static async open({ settings = {}, records = zone(), limits = {}, clock = systemClock, answer, scoresOf, keptBytesMax = 1 << 20 }: { settings?: Partial<InboundSettings>; records?: Zone; limits?: Partial<Limits>; clock?: Clock; answer?: (name: string, type: string) => Promise<unknown[]> | undefined; scoresOf?: InboundOptions['scoresOf']; keptBytesMax?: number } = {}): Promise<InboundWorld> {
    const { openInbound } = await loadInbound();
    const asked: string[] = [];
    const ask = async (name: string, type: string): Promise<unknown[]> => {
      const key = `${type} ${name.toLowerCase()}`;
      asked.push(key);
      const own = answer?.(name, type);
      if (own !== undefined) return own;
      if (records[key] === undefined) throw Object.assign(new Error(`no ${key}`), { code: 'ENOTFOUND' });
      return type === 'TXT' ? records[key].map((text) => [text]) : records[key];
    };
    const reported: DmarcSeen[] = [];
    const inbound = openInbound({ scoresOf, onDmarc: (seen) => void reported.push(seen), hostname: 'mx.here.test', isOurs: (d) => d === 'here.test', settings: { ...defaults, ...settings }, keptBytesMax, clock, random: seededRandom(1), logger: silent, limits: { ...allLimits, ...limits }, ask }, true);
    return new InboundWorld(inbound, asked, reported);
  }

  visit(remote = '192.0.2.1'): Visit {
    return this.inbound.screen!.open(remote)!;
  }

  /** A message as it comes, in pieces of `cut` bytes. */
  async send(message: string | Buffer, { remote = '192.0.2.1', cut = 1 << 16, ...envelope }: Partial<Envelope> & { remote?: string; cut?: number } = {}): Promise<Told> {
    const visit = this.visit(remote);
    const all: Envelope = { from: 'ann@bob.test', recipients: ['you@here.test'], helo: 'mx.bob.test', tls: true, ...envelope };
    const stored: Buffer[] = [];
    const told = (more: Partial<Told>): Told => ({ error: null, fields: '', junk: false, stored: Buffer.concat(stored).toString('latin1'), ...more });
    try {
      visit.mail();
      for (const to of all.recipients) await visit.recipient(all.from, to, all.helo);
      const inspection = visit.begin(all);
      const bytes = typeof message === 'string' ? Buffer.from(message) : message;
      try {
        for (let at = 0; at < bytes.length; at += cut) stored.push(Buffer.from(await inspection.take(bytes.subarray(at, at + cut))));
        const { rest, fields, junk } = await inspection.end();
        stored.push(rest);
        return told({ fields, junk });
      } catch (e) {
        inspection.abort();
        throw e;
      }
    } catch (e) {
      if (e instanceof Refused) return told({ error: e });
      throw e;
    } finally {
      visit.close();
    }
  }

  /** How often a check said so. */
  count(check: string, result: string): number {
    return this.inbound.counts.get(check, result);
  }
}

export const head = (from: string, more = ''): string => `${more}From: Ann <${from}>\r\nTo: you@here.test\r\nSubject: Hello\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@bob.test>\r\n`;

/** Signed by `key`. */
export function signed(header: string, body: string, key: SigningKey): string {
  const hash = new BodyHash();
  hash.push(Buffer.from(body));
  return `${signDkim(Buffer.from(`${header}\r\n`), hash.digest(), key, Date.UTC(2026, 10, 22))}${header}\r\n${body}`;
}
