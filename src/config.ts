// Settings are data: read and checked once, from flag, environment, file and default, in this order. Components get values.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { Malformed, fileFault } from './base/errors.ts';
import { Networks } from './base/networks.ts';
import type { Level } from './base/logger.ts';
import { nearest } from './cli/nearest.ts';
import { settings, type SettingName } from './settings.ts';
import type { InboundSettings } from './verify/index.ts';

export type StoreConfig =
  | { readonly kind: 'disk'; readonly path: string }
  | {
      readonly kind: 's3';
      readonly buckets: readonly string[];
      readonly endpoint: string;
      readonly region: string;
      readonly accessKey: string;
      readonly secretKey: string;
    };

export interface Config {
  readonly store: StoreConfig;
  /** The secret itself, or the file that holds it (made at the first start where it is missing). */
  readonly clusterSecret: { readonly value: string } | { readonly file: string };
  /** Folder of what belongs to this machine: cluster secret, certificate. */
  readonly settingsPath: string;
  readonly hostname: string;
  /** Addresses to listen on. */
  readonly listen: readonly string[];
  /** Port 0: off. */
  readonly ports: { readonly smtp: number; readonly lmtp: number; readonly imap: number; readonly imaps: number; readonly submission: number; readonly submissions: number; readonly http: number; readonly peer: number | 'auto' };
  /** Addresses of the HTTP port. */
  readonly httpListen: readonly string[];
  /** `host:port` as other replicas reach the peer channel; null: the listen address and the port that was taken. */
  readonly peerAddress: string | null;
  /** Files in PEM; null: a self-signed certificate is made. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly sending: {
    /** Null: to the servers that DNS names. */
    readonly smarthost: { readonly host: string; readonly port: number; readonly auth: { readonly user: string; readonly pass: string } | null } | null;
    /** Addresses of resolvers; none: the machine's. */
    readonly dns: readonly string[];
    readonly mxPort: number;
    /** Received fields don't tell where the mail app was. */
    readonly hideClient: boolean;
    /** Null: when all resolvers are at loopback addresses. */
    readonly dnssec: boolean | null;
    readonly stsPort: number;
    /** Whether other domains get reports of TLS and DMARC. */
    readonly reports: boolean;
    /** Own addresses by the sender's domain; empty: all others'. */
    readonly outgoing: readonly { readonly domain: string; readonly address: string }[];
  };
  readonly receiving: {
    /** Null: when other servers can reach SMTP, or a check is asked for by name. */
    readonly checks: boolean | null;
    readonly inbound: Omit<InboundSettings, 'dns'>;
    /** Addresses and networks of load balancers. */
    readonly proxyFrom: readonly string[];
  };
  readonly plaintextLogin: 'loopback' | 'never';
  /** What SCRAM can log in with. */
  readonly scram: 'app-passwords' | 'off';
  /** IMAP capabilities that are not offered. */
  readonly imapWithheld: readonly string[];
  readonly drain_ms: number;
  /** What mail may take of memory: on its way, and kept because it may be asked for again. */
  readonly memory_bytes: number;
  readonly logLevel: Level;
}

export type Values = Partial<Record<SettingName, string>>;

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
const names = Object.keys(settings) as SettingName[];
export const flagOf = (name: SettingName): string => name.toLowerCase().replaceAll('_', '-');

/** The setting that a flag (`smtp-port`) or a line of the file (`SMTP_PORT`, `smtp-port`) names, or null. */
export function settingNamed(text: string): SettingName | null {
  const name = text.toUpperCase().replaceAll('-', '_').replace(/^COLOMBIER_/, '');
  return names.includes(name as SettingName) ? (name as SettingName) : null;
}

/** All that can be set, for "did you mean". */
export const flagNames: readonly string[] = names.map(flagOf);

/** `name = value` lines; `#` begins a comment line. Throws Malformed with file and line. */
function parseFile(text: string, file: string): Values {
  const values: Values = {};
  for (const [i, raw] of text.replace(/^\uFEFF/, '').split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const at = line.indexOf('=');
    if (at < 0) throw new Malformed(`${file}:${i + 1}: expected "name = value"`);
    const word = line.slice(0, at).trim();
    const name = settingNamed(word);
    if (name === null || name === 'CONFIG') throw new Malformed(`${file}:${i + 1}: unknown setting "${word}"${didYouMean(word, flagNames)}`);
    if (values[name] !== undefined) throw new Malformed(`${file}:${i + 1}: ${flagOf(name)} is set twice`);
    values[name] = line.slice(at + 1).trim().replace(/^"(.*)"$/, '$1');
  }
  return values;
}

export function didYouMean(word: string, words: readonly string[]): string {
  const plain = word.toLowerCase().replaceAll('_', '-').replace(/^colombier-/, '');
  const best = nearest(plain, words);
  return best === null ? '' : `; did you mean "${best}"?`;
}

function read(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (e) {
    throw new Malformed(`${what}: cannot read ${file}: ${fileFault(e)}`);
  }
}

/**
 * Reads and checks all settings. `flags` come from the command line. Throws Malformed with one clear line for an unknown
 * name or a bad value.
 */
export function readConfig(flags: Values = {}, env: NodeJS.ProcessEnv = process.env): Config {
  const fromEnv: Values = {};
  for (const [key, value] of Object.entries(env)) {
    if (!key.startsWith('COLOMBIER_') || value === undefined || value.trim() === '') continue;
    const name = settingNamed(key);
    if (name === null) throw new Malformed(`unknown setting ${key}${didYouMean(key, flagNames)}`);
    fromEnv[name] = value.trim();
  }
  const file = flags.CONFIG ?? fromEnv.CONFIG;
  const fromFile = file === undefined ? {} : parseFile(read(file, 'config'), file);
  // A secret and its _FILE are one setting in two forms: the form of the strongest source wins.
  const sources = [flags, fromEnv, fromFile];
  const get = (name: SettingName): string => sources.find((s) => s[name] !== undefined)?.[name] ?? settings[name].default;
  const secret = (name: SettingName, fileName: SettingName): { value?: string; file?: string } => {
    for (const source of sources) {
      if (source[name] !== undefined && source[fileName] !== undefined) throw new Malformed(`${flagOf(name)} and ${flagOf(fileName)} are both set`);
      if (source[name] !== undefined) return { value: source[name] };
      if (source[fileName] !== undefined) return { file: source[fileName] };
    }
    return {};
  };
  const secretValue = (name: SettingName, fileName: SettingName): string => {
    const s = secret(name, fileName);
    if (s.file === undefined) return s.value ?? '';
    const text = read(s.file, flagOf(fileName)).trim();
    if (text === '') throw new Malformed(`${flagOf(fileName)}: ${s.file} is empty`);
    return text;
  };
  const path = (text: string, name: SettingName): string => {
    if (/^~(\/|$)/.test(text)) throw new Malformed(`${flagOf(name)}: "${text}": a shell knows whose home "~" is, and here nobody does; give the whole path`);
    return resolve(text);
  };
  const number = (name: SettingName, min: number, max: number): number => {
    const text = get(name);
    const n = Number(text);
    if (!/^\d{1,9}$/.test(text) || n < min || n > max) throw new Malformed(`${flagOf(name)}: "${text}" is not a whole number from ${min} to ${max}`);
    return n;
  };
  const choice = <T extends string>(name: SettingName, of: readonly T[]): T => {
    const text = get(name) as T;
    if (!of.includes(text)) throw new Malformed(`${flagOf(name)}: "${text}" is none of ${of.join(', ')}${didYouMean(text, of)}`);
    return text;
  };
  const settingsPath = get('SETTINGS') !== '' ? path(get('SETTINGS'), 'SETTINGS') : file !== undefined ? dirname(resolve(file)) : resolve('./data/settings');
  const cluster = secret('CLUSTER_SECRET', 'CLUSTER_SECRET_FILE');
  const tls = { cert: get('TLS_CERT'), key: get('TLS_KEY') };
  if ((tls.cert === '') !== (tls.key === '')) throw new Malformed('tls-cert and tls-key must be set together');
  const addresses = (name: SettingName): string[] => {
    const all = get(name).split(',').map((a) => a.trim()).filter((a) => a !== '');
    if (all.length === 0) throw new Malformed(`${flagOf(name)}: no address given`);
    const bad = all.find((a) => isIP(a) === 0 && !HOST_NAME.test(a));
    if (bad !== undefined) throw new Malformed(`${flagOf(name)}: "${bad}" is not an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::`);
    return distinct(all);
  };
  const listen = addresses('LISTEN');
  const peerAddress = get('PEER_ADDRESS');
  const peerPort = Number(/^(?:\[[0-9a-fA-F:.]+\]|[^:\s[\]]+):(\d{1,5})$/.exec(peerAddress)?.[1] ?? 0);
  if (peerAddress !== '' && (peerPort < 1 || peerPort > 65535)) throw new Malformed(`peer-address: "${peerAddress}" is not host:port`);
  const smarthost = get('SMARTHOST');
  const smarthostUser = get('SMARTHOST_USER');
  const smarthostPassword = secretValue('SMARTHOST_PASSWORD', 'SMARTHOST_PASSWORD_FILE');
  if ((smarthostUser === '') !== (smarthostPassword === '')) throw new Malformed('smarthost-user and smarthost-password-file must be set together');
  if (smarthostUser !== '' && smarthost === '') throw new Malformed('smarthost-user is set without smarthost');
  const list = (name: SettingName) => get(name).split(',').map((a) => a.trim()).filter((a) => a !== '');
  const networks = (name: SettingName): string[] => {
    const all = list(name);
    try {
      return new Networks(all) && all;
    } catch (e) {
      throw new Malformed(`${flagOf(name)}: ${(e as Error).message}`);
    }
  };
  const domains = (name: SettingName): string[] => {
    const all = list(name).map((d) => d.toLowerCase());
    const bad = all.find((d) => d !== '*' && !/^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(d));
    if (bad !== undefined) throw new Malformed(`${flagOf(name)}: "${bad}" is not a domain`);
    return all;
  };
  const http = (name: SettingName): string => {
    const text = get(name);
    if (text !== '' && !/^https?:\/\/[^/\s,@]+\/?$/.test(text)) throw new Malformed(`${flagOf(name)}: "${text}" is not http(s)://host[:port]`);
    return text;
  };
  const rspamdUrl = http('RSPAMD_URL');
  const rspamdController = http('RSPAMD_CONTROLLER_URL');
  const rspamdPassword = secretValue('RSPAMD_PASSWORD', 'RSPAMD_PASSWORD_FILE');
  const rspamdReject = choice('RSPAMD_REJECT', ['reject', 'junk']);
  if (rspamdUrl === '' && (rspamdController !== '' || rspamdPassword !== '')) throw new Malformed('rspamd-controller-url or rspamd-password is set without rspamd-url');
  const httpListen = addresses('HTTP_LISTEN');
  const apart = distinct([...listen, ...httpListen]).length === listen.length + httpListen.length;
  const own = (['SMTP_PORT', 'LMTP_PORT', 'IMAP_PORT', 'IMAPS_PORT', 'SUBMISSION_PORT', 'SUBMISSIONS_PORT', 'PEER_PORT', ...(apart ? [] : ['HTTP_PORT' as const])] as const).filter((name) => Number(get(name)) > 0);
  const twice = own.find((name, i) => own.slice(0, i).some((other) => Number(get(other)) === Number(get(name))));
  if (twice !== undefined) throw new Malformed(`${flagOf(twice)}: ${get(twice)} is the port of ${flagOf(own.find((name) => Number(get(name)) === Number(get(twice)))!)} already`);
  const host = get('HOSTNAME').toLowerCase() || machineName();
  if (!HOST_NAME.test(host) || isIP(host) !== 0) throw new Malformed(`hostname: "${host}" is not a host name`);

  return freeze({
    store: storeOf(get('STORE'), (text) => path(text, 'STORE'), () => ({
      endpoint: get('S3_ENDPOINT'),
      region: get('S3_REGION'),
      accessKey: secretValue('S3_ACCESS_KEY', 'S3_ACCESS_KEY_FILE'),
      secretKey: secretValue('S3_SECRET_KEY', 'S3_SECRET_KEY_FILE'),
    })),
    clusterSecret: cluster.value !== undefined ? { value: cluster.value } : { file: cluster.file === undefined ? `${settingsPath}/cluster-secret` : path(cluster.file, 'CLUSTER_SECRET_FILE') },
    settingsPath,
    hostname: host,
    listen,
    ports: {
      smtp: number('SMTP_PORT', 0, 65535),
      lmtp: number('LMTP_PORT', 0, 65535),
      imap: number('IMAP_PORT', 0, 65535),
      imaps: number('IMAPS_PORT', 0, 65535),
      submission: number('SUBMISSION_PORT', 0, 65535),
      submissions: number('SUBMISSIONS_PORT', 0, 65535),
      http: number('HTTP_PORT', 0, 65535),
      peer: get('PEER_PORT') === 'auto' ? 'auto' : number('PEER_PORT', 0, 65535),
    },
    httpListen,
    peerAddress: peerAddress === '' ? null : peerAddress,
    sending: {
      smarthost: smarthost === '' ? null : { ...parseSmarthost(smarthost), auth: smarthostUser === '' ? null : { user: smarthostUser, pass: smarthostPassword } },
      dns: list('DNS'),
      mxPort: number('MX_PORT', 1, 65535),
      hideClient: choice('SUBMISSION_CLIENT', ['show', 'hide']) === 'hide',
      dnssec: { auto: null, yes: true, no: false }[choice('DNSSEC', ['auto', 'yes', 'no'])],
      stsPort: number('STS_PORT', 0, 65535),
      reports: choice('REPORTS', ['daily', 'no']) === 'daily',
      outgoing: get('OUTGOING_ADDRESS').split(',').map((a) => a.trim()).filter((a) => a !== '').map(parseOutgoing),
    },
    receiving: {
      checks: { on: true, off: false, auto: null }[choice('CHECKS', ['auto', 'on', 'off'])],
      inbound: {
        exempt: networks('CHECKS_EXEMPT'),
        dmarc: choice('DMARC', ['quarantine', 'reject', 'none']),
        arcTrusted: domains('ARC_TRUSTED'),
        junkScore: number('JUNK_SCORE', 0, 1000),
        dnsbl: domains('DNSBL'),
        dnsblAction: choice('DNSBL_ACTION', ['reject', 'score']),
        greylist: choice('GREYLIST', ['off', 'on']) === 'on',
        ratePerMinute: number('SMTP_RATE', 0, 1_000_000),
        rspamd: rspamdUrl === '' ? null : { url: rspamdUrl, controllerUrl: rspamdController || rspamdUrl, password: rspamdPassword || null, reject: rspamdReject },
      },
      proxyFrom: networks('PROXY_FROM'),
    },
    tls: tls.cert === '' ? null : { cert: path(tls.cert, 'TLS_CERT'), key: path(tls.key, 'TLS_KEY') },
    plaintextLogin: choice('PLAINTEXT_LOGIN', ['loopback', 'never']),
    scram: choice('SCRAM', ['app-passwords', 'off']),
    imapWithheld: list('IMAP_WITHHELD'),
    drain_ms: number('DRAIN_SECONDS', 0, 3600) * 1000,
    memory_bytes: number('MEMORY_MB', 1, 65536) * 1024 * 1024,
    logLevel: choice('LOG_LEVEL', ['debug', 'info', 'warn', 'error']),
  });
}

/** The machine's own, where it is one that a server can bear. */
export function machineName(name = hostname()): string {
  return HOST_NAME.test(name) ? name.toLowerCase() : 'localhost';
}

/** Without those that another of them covers: `::` takes connections by IPv4 too. */
function distinct(addresses: readonly string[]): string[] {
  if (addresses.includes('::')) return ['::'];
  return [...new Set(addresses)].filter((a) => a === '0.0.0.0' || isIP(a) !== 4 || !addresses.includes('0.0.0.0'));
}

/** `ADDRESS` or `DOMAIN=ADDRESS`. Throws Malformed. */
function parseOutgoing(text: string): { domain: string; address: string } {
  const at = text.indexOf('=');
  const address = text.slice(at + 1).trim();
  if (isIP(address) === 0) throw new Malformed(`outgoing-address: "${text}" is not an IP address`);
  return { domain: text.slice(0, Math.max(at, 0)).trim().toLowerCase(), address };
}

/** `host:port` of a smarthost. Throws Malformed. */
function parseSmarthost(text: string): { host: string; port: number } {
  const m = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const port = Number(m?.[3] ?? 587);
  if (!m || port < 1 || port > 65535) throw new Malformed(`smarthost: "${text}" is not host:port`);
  return { host: m[1] ?? m[2], port };
}

function storeOf(text: string, path: (p: string) => string, s3: () => { endpoint: string; region: string; accessKey: string; secretKey: string }): StoreConfig {
  const at = text.indexOf(':');
  const kind = text.slice(0, Math.max(at, 0));
  const rest = text.slice(at + 1).trim();
  if (kind === 'disk' && rest !== '') return { kind, path: path(rest) };
  if (kind !== 's3' || rest === '') throw new Malformed(`store: "${text}" is neither disk:PATH nor s3:BUCKET[,BUCKET...]`);
  const buckets = rest.split(',').map((b) => b.trim());
  const bad = buckets.find((b) => !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(b));
  if (bad !== undefined) throw new Malformed(`store: "${bad}" is not a bucket name`);
  if (new Set(buckets).size !== buckets.length) throw new Malformed('store: a bucket is named twice');
  const s = s3();
  const endpoints = s.endpoint.split(',').map((e) => e.trim());
  const strange = endpoints.find((e) => !/^https?:\/\/[^/\s,]+\/?$/.test(e));
  if (strange !== undefined) throw new Malformed(`s3-endpoint: "${strange}" is not http(s)://host[:port]`);
  if (new Set(endpoints).size !== endpoints.length) throw new Malformed('s3-endpoint: one is named twice');
  if (s.accessKey === '') throw new Malformed('s3-access-key is not set');
  if (s.secretKey === '') throw new Malformed('s3-secret-key is not set');
  return { kind, buckets, ...s };
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner);
  return Object.freeze(value);
}
