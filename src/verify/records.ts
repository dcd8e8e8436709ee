// The DNS records of a domain whose mail is here, and what is wrong with those that DNS has.
import { reason } from '../base/index.ts';

export interface DnsRecord {
  name: string;
  type: 'MX' | 'TXT' | 'SRV' | 'CAA' | 'TLSA';
  value: string;
  /** What goes wrong without it. */
  why: string;
  /** Mail works without it: its absence is no fault. */
  optional?: boolean;
}

export interface DomainFacts {
  domain: string;
  /** The servers' name, to which MX and SRV lead. */
  hostname: string;
  /** Selector and text of each DKIM key; `note`: when it signs, if not now. */
  keys: { selector: string; record: string; note?: string }[];
  /** Ports as the world reaches them; null: not served. */
  ports: { imap: number | null; imaps: number | null; submission: number | null; submissions: number | null };
  /** All mail leaves through another server: SPF must name it. */
  smarthost: string | null;
  /** What TLSA should say of the certificate that servers see at port 25, and what is wrong with records that are there (null: nothing); null: none is served. */
  tlsa: { value: string; fits: (records: readonly TlsaData[]) => string | null } | null;
}

/** RFC 6698 §2.1. */
export interface TlsaData {
  usage: number;
  selector: number;
  matching: number;
  data: Buffer;
}

/** The records that `domain dns` prints. */
export function recordsOf(f: DomainFacts): DnsRecord[] {
  const srv = (service: string, port: number | null): DnsRecord[] =>
    port === null ? [] : [{ name: `_${service}._tcp.${f.domain}`, type: 'SRV', value: `0 1 ${port} ${f.hostname}.`, why: 'mail apps find the server by the address alone (RFC 6186, 8314)' }];
  return [
    { name: f.domain, type: 'MX', value: `10 ${f.hostname}.`, why: 'without it mail for the domain goes to the host of its web site, if anywhere' },
    { name: f.domain, type: 'TXT', value: `v=spf1 ${f.smarthost === null ? 'mx' : `mx a:${f.smarthost}`} ${f.smarthost === null ? '-' : '~'}all`, why: `SPF: says which servers send for the domain; without it much mail is taken for spam${f.smarthost === null ? '' : ' (if the smarthost sends from other addresses, its operator names an include)'}` },
    ...f.keys.map((k): DnsRecord => ({ name: `${k.selector}._domainkey.${f.domain}`, type: 'TXT', value: k.record, why: `DKIM: others verify the signature of what is sent${k.note ? ` (${k.note})` : ''}` })),
    { name: `_dmarc.${f.domain}`, type: 'TXT', value: 'v=DMARC1; p=quarantine', why: 'DMARC: what others do with mail that pretends to be from the domain' },
    { name: `_smtp._tls.${f.domain}`, type: 'TXT', value: `v=TLSRPTv1; rua=mailto:postmaster@${f.domain}`, why: 'TLS-RPT: others tell once a day how TLS with the servers went; the address must exist', optional: true },
    { name: `_mta-sts.${f.domain}`, type: 'TXT', value: 'v=STSv1; id=1', why: `MTA-STS: others send over TLS with a valid certificate only; needs https://mta-sts.${f.domain}/.well-known/mta-sts.txt with the lines "version: STSv1", "mode: enforce", "mx: ${f.hostname}" (and such a line for each other MX), "max_age: 604800", and a certificate for ${f.hostname} that everybody trusts; a new id with each change`, optional: true },
    { name: f.hostname, type: 'CAA', value: '0 issue "letsencrypt.org"', why: 'CAA: no other authority makes a certificate for the servers; name yours', optional: true },
    ...(f.tlsa === null ? [] : [tlsaRecord(f.hostname, f.tlsa.value)]),
    ...srv('imaps', f.ports.imaps),
    ...srv('imap', f.ports.imap),
    ...srv('submissions', f.ports.submissions),
    ...srv('submission', f.ports.submission),
  ];
}

/** RFC 7672 §3.1. */
const tlsaRecord = (host: string, value: string): DnsRecord => ({
  name: `_25._tcp.${host}`, type: 'TLSA', value, optional: true,
  why: `DANE: others send over TLS with this key only; counts where the zone of ${host} is signed (DNSSEC). Renew the certificate with the same key (certbot --reuse-key), or put the next key's record beside this one two days before; replicas with keys of their own need a record each`,
});

/** What `domain check` asks. Rejections carry node:dns codes. */
export interface Lookup {
  mx(name: string): Promise<{ exchange: string; priority: number }[]>;
  a(name: string): Promise<string[]>;
  aaaa(name: string): Promise<string[]>;
  txt(name: string): Promise<string[]>;
  srv(name: string): Promise<{ name: string; port: number }[]>;
  caa(name: string): Promise<{ issue?: string }[]>;
  /** `signed`: the resolver says that it has checked the signatures. */
  tlsa(name: string): Promise<{ signed: boolean; tlsa: readonly TlsaData[] }>;
  /** The policy (MTA-STS) that the domain's web server shows: whether it lets mail come to this host. Rejects when there is none that others can read. */
  stsAllows(domain: string, host: string): Promise<boolean>;
}

export interface Verdict {
  name: string;
  type: string;
  /** `missing` and `wrong` must be mended; `unknown`: DNS gave no answer. */
  state: 'ok' | 'missing' | 'wrong' | 'unknown';
  text: string;
}

const MISSING = ['ENOTFOUND', 'ENODATA', 'ENONAME'];
const bare = (name: string) => name.replace(/\.$/, '').toLowerCase();
/** Tags of a record in any order and spacing. */
const tagsOf = (text: string) => new Map(text.split(';').map((t) => t.trim()).filter((t) => t.includes('=')).map((t) => [t.slice(0, t.indexOf('=')).trim(), t.slice(t.indexOf('=') + 1).replace(/\s+/g, '')]));

type Judged = Omit<Verdict, 'name' | 'type'>;
const ok: Judged = { state: 'ok', text: '' };

/** Compares what DNS has with what it should have, each record by its meaning. Never rejects. */
export async function checkRecords(f: DomainFacts, dns: Lookup): Promise<Verdict[]> {
  const records = recordsOf(f);
  const verdicts = await Promise.all(records.map(async (record) => ({ name: record.name, type: record.type, ...(await judge(record, f, dns)) })));
  return [...verdicts, { name: f.hostname, type: 'A/AAAA', ...(await address(f.hostname, dns)) }];
}

async function judge(record: DnsRecord, f: DomainFacts, dns: Lookup): Promise<Judged> {
  const want = `should be ${record.value}: ${record.why}`;
  try {
    if (record.type === 'MX') {
      const found = await dns.mx(record.name);
      return found.some((m) => bare(m.exchange) === bare(f.hostname)) ? ok : { state: 'wrong', text: `leads to ${found.map((m) => m.exchange).join(', ') || 'nobody'}; ${want}` };
    }
    if (record.type === 'SRV') return await judgeService(Number(record.value.split(' ')[2]), f, dns, await dns.srv(record.name), want);
    // Which authority is the domain's own affair.
    if (record.type === 'CAA') return (await dns.caa(record.name)).length > 0 ? ok : absent(record);
    if (record.type === 'TLSA') return judgeTlsa(record, f, await dns.tlsa(record.name), want);
    const judged = judgeText(record, (await dns.txt(record.name)).filter((t) => t.length > 0), want);
    return record.value.startsWith('v=STSv1') && judged === ok ? await judgePolicy(f, dns) : judged;
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code ?? 'error';
    return MISSING.includes(code) ? (record.optional ? absent(record) : { state: 'missing', text: want }) : { state: 'unknown', text: `DNS gives no answer (${code})` };
  }
}

const absent = (record: DnsRecord): Judged => ({ state: 'ok', text: `not there, and need not be: ${record.why}` });

/** What leads to one address of this server's leads here: several sites share a name for mail apps. */
async function judgeService(port: number, f: DomainFacts, dns: Lookup, found: { name: string; port: number }[], want: string): Promise<Judged> {
  if (found.length > 0 && found.every((s) => bare(s.name) === '')) return { state: 'ok', text: 'says that there is none (RFC 6186 §3.4), and mail apps are told so' };
  const there = found.filter((s) => s.port === port);
  if (there.some((s) => bare(s.name) === bare(f.hostname))) return ok;
  const own = new Set(await addressesOf(f.hostname, dns));
  for (const s of there) if ((await addressesOf(s.name, dns)).some((a) => own.has(a))) return ok;
  return { state: 'wrong', text: `leads to ${found.map((s) => `${s.name}:${s.port}`).join(', ') || 'nobody'}; ${want}` };
}

function judgeTlsa(record: DnsRecord, f: DomainFacts, { signed, tlsa }: Awaited<ReturnType<Lookup['tlsa']>>, want: string): Judged {
  if (tlsa.length === 0) return absent(record);
  const wrong = f.tlsa!.fits(tlsa);
  if (wrong !== null) return { state: 'wrong', text: `${wrong}: ${signed ? '' : 'once the zone is signed, '}servers that know DANE send nothing here; ${want}` };
  return signed ? ok : { state: 'ok', text: 'fits, but the resolver does not say that the zone is signed (DNSSEC): without that nobody uses it' };
}

/** The record is there: what it leads to decides whether mail comes. */
async function judgePolicy(f: DomainFacts, dns: Lookup): Promise<Judged> {
  const place = `https://mta-sts.${f.domain}/.well-known/mta-sts.txt`;
  try {
    if (await dns.stsAllows(f.domain, f.hostname)) return ok;
  } catch (e) {
    return { state: 'ok', text: `there, but others can not read ${place} (${reason(e)}): without it nobody uses the record` };
  }
  return { state: 'wrong', text: `${place} does not name ${f.hostname}: servers that know MTA-STS send nothing here; it needs the line "mx: ${f.hostname}", and then a new id in this record` };
}

function judgeText(record: DnsRecord, texts: string[], want: string): Judged {
  const kind = record.value.slice(0, record.value.search(/[ ;]/)).toLowerCase();
  const found = texts.filter((t) => t.toLowerCase().startsWith(kind));
  if (found.length === 0) return record.optional ? absent(record) : { state: 'missing', text: want };
  if (found.length > 1 && kind !== 'v=dkim1') return { state: 'wrong', text: `there are ${found.length} records of that kind, and others then use none` };
  const [text] = found;
  if (kind === 'v=dkim1') return found.some((t) => tagsOf(t).get('p') === tagsOf(record.value).get('p')) ? ok : { state: 'wrong', text: `has another key; ${want}` };
  if (kind === 'v=tlsrptv1') return /;\s*rua\s*=\s*(mailto|https):/i.test(text) ? ok : { state: 'wrong', text: `names no address; ${want}` };
  if (kind === 'v=stsv1') return /;\s*id\s*=\s*[a-z0-9]{1,32}\s*(;|$)/i.test(text) ? ok : { state: 'wrong', text: `has no id; ${want}` };
  if (kind === 'v=dmarc1') return /^(none|quarantine|reject)$/i.test(tagsOf(text).get('p') ?? '') ? ok : { state: 'wrong', text: `has no policy p=; ${want}` };
  if (/\s\+all\b/i.test(text)) return { state: 'wrong', text: 'lets every server of the world send for the domain (+all)' };
  // What else may send is the domain's own affair: an `a`, `ip4` or `include` may well lead here.
  return /\s\+?(mx|a|ip4|ip6|include|exists|redirect)\b/i.test(text) ? ok : { state: 'wrong', text: `names no server; ${want}` };
}

async function address(host: string, dns: Lookup): Promise<Judged> {
  const answers = await Promise.allSettled([dns.a(host), dns.aaaa(host)]);
  if (answers.some((x) => x.status === 'fulfilled' && x.value.length > 0)) return ok;
  const silent = answers.map((x) => (x.status === 'rejected' ? ((x.reason as NodeJS.ErrnoException).code ?? 'error') : '')).find((code) => code !== '' && !MISSING.includes(code));
  if (silent !== undefined) return { state: 'unknown', text: `DNS gives no answer (${silent})` };
  return { state: 'missing', text: `the name of the server${host.includes('.') ? '' : ' (setting hostname) is no full one, and it'} has no address: nobody reaches it` };
}

/** None where DNS gives no answer. */
async function addressesOf(host: string, dns: Lookup): Promise<string[]> {
  const answers = await Promise.allSettled([dns.a(host), dns.aaaa(host)]);
  return answers.flatMap((x) => (x.status === 'fulfilled' ? x.value : []));
}
