// The certificate of SMTP and IMAP: given as files and read again when they change, or made here and kept with the settings.
import { X509Certificate, constants } from 'node:crypto';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, fileFault, limits, type Logger, Malformed, type Random, reason } from './base/index.ts';
import type { Config } from './config.ts';
import { selfSigned } from './self-signed.ts';
import { makeFolders } from './store/index.ts';

interface Files {
  cert: string;
  key: string;
}

export interface Certificate {
  /** The certificate in force now, for every new TLS connection. */
  context(): SecureContext;
  /** True when it was made at this start. */
  readonly made: boolean;
  /** True when it was made by us, now or earlier: mail apps ask whether to trust it. */
  readonly selfSigned: boolean;
  /** SHA-256, as mail apps show it. */
  readonly fingerprint: string;
  close(): void;
}

type Needs = Pick<Config, 'tls' | 'settingsPath' | 'hostname' | 'listen'>;

const OWN = 'certificate.pem';
/** Made anew when less than this is left. */
const RENEW_MS = 30 * 86_400_000;
/** One that ends within this time is named in the log, once a day: who was to renew it did not. */
const ENDS_SOON_MS = 10 * 86_400_000;
const WARN_EVERY_MS = 86_400_000;
/** Keys of session tickets live as long as what makes connections: with old ones everything that was said under TLS 1.2 could be read (RFC 9325 §3.4). */
const TICKET_KEYS_MS = 86_400_000;
/** Of PKCS #8 (RFC 7468 §11), and of the older form (RFC 1421 §4.6.1.1). */
const HAS_PASSPHRASE = /^(-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: *4, *ENCRYPTED)/m;

/** Opens or makes the certificate. Throws Malformed with one clear line when a given file can't be used. */
export async function openCertificate(config: Needs, clock: Clock, random: Random, logger: Logger): Promise<Certificate> {
  const log = logger.room('tls');
  const own = config.tls === null;
  // Certificate and key in one file: processes that start at once may each write it, and what is read fits together.
  const file = join(config.settingsPath, OWN);
  const files: Files = config.tls ?? { cert: file, key: file };
  const made = own && !(await stillGood(files, clock));
  if (made) await make(files, config, clock, random);
  let loaded = await load(files);
  let seen = await stamp(files);
  let begun = clock.monotonic();
  let stop = () => {};
  let warned = -Infinity;
  const warn = () => {
    const now = clock.now();
    const { begins, ends, names } = loaded;
    const [early, soon, strange] = [begins > now, ends <= now + ENDS_SOON_MS, !loaded.isFor(config.hostname)];
    if (!(early || soon || strange) || now < warned + WARN_EVERY_MS) return;
    warned = now;
    if (early) log.warn('the certificate is not valid yet, by the clock of this machine: mail apps and servers refuse it', { from: new Date(begins).toISOString(), file: files.cert });
    if (soon) log.warn(ends > now ? 'the certificate ends soon' : 'the certificate has ended: mail apps and servers refuse it', { at: new Date(ends).toISOString(), file: files.cert });
    if (strange) log.warn('the certificate is not for the name of this server: mail apps that connect to it refuse it', { hostname: config.hostname, names, file: files.cert });
  };
  warn();
  const look = async () => {
    try {
      const now = await stamp(files);
      if (clock.monotonic() - begun > TICKET_KEYS_MS && now === seen) {
        loaded = await load(files);
        begun = clock.monotonic();
      }
      if (now !== seen) {
        loaded = await load(files);
        seen = now;
        begun = clock.monotonic();
        warned = -Infinity;
        log.info('certificate read again', { fingerprint: loaded.fingerprint });
      }
      warn();
    } catch (e) {
      // Half-written, or not readable: the old one stays in force.
      log.warn('certificate not read again', { reason: reason(e) });
    }
    stop = clock.after(limits.certificate_look_ms, look);
  };
  stop = clock.after(limits.certificate_look_ms, look);
  let closed = false;
  return {
    made,
    selfSigned: own,
    get fingerprint() {
      return loaded.fingerprint;
    },
    context: () => loaded.context,
    close: () => {
      if (!closed) stop();
      closed = true;
    },
  };
}

/** The certificates that are served, the own one first, in DER: as given, or as made here earlier; empty: there is none yet, or none that can be read. */
export async function certificateChain(config: Pick<Config, 'tls' | 'settingsPath'>): Promise<Buffer[]> {
  try {
    const text = await readFile(config.tls?.cert ?? join(config.settingsPath, OWN), 'latin1');
    return (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => new X509Certificate(pem).raw);
  } catch {
    return [];
  }
}

async function stillGood(files: Files, clock: Clock): Promise<boolean> {
  try {
    return new X509Certificate(await readFile(files.cert)).validToDate.getTime() > clock.now() + RENEW_MS;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new Malformed(`certificate: cannot use ${files.cert}: ${reason(e)}`);
  }
}

async function make(files: Files, config: Needs, clock: Clock, random: Random): Promise<void> {
  const everywhere = new Set(['0.0.0.0', '::']);
  const names = [config.hostname, 'localhost', '127.0.0.1', '::1', ...config.listen.filter((a) => !everywhere.has(a) && isIP(a) !== 0)];
  // With the key of the one before: what names that key (TLSA) stays true.
  const old = await readFile(files.key).catch(() => null);
  const { cert, key } = selfSigned([...new Set(names)], clock.now(), random, old ?? undefined);
  try {
    makeFolders(config.settingsPath);
    const beside = `${files.cert}.${random.bytes(6).toString('hex')}.new`;
    await writeFile(beside, cert + key, { mode: 0o600 });
    await rename(beside, files.cert);
  } catch (e) {
    throw new Malformed(`certificate: cannot write ${files.cert}: ${fileFault(e)}`);
  }
}

interface Loaded {
  context: SecureContext;
  fingerprint: string;
  /** ms since 1970. */
  begins: number;
  ends: number;
  /** As the certificate lists them. */
  names: string;
  isFor(hostname: string): boolean;
}

async function load(files: Files): Promise<Loaded> {
  const read = async (name: string, file: string) => {
    try {
      return await readFile(file);
    } catch (e) {
      throw new Malformed(`${name}: cannot read ${file}: ${fileFault(e)}`);
    }
  };
  const cert = await read('tls-cert', files.cert);
  // One file is read once: another process that starts now may put its own in its place.
  const key = files.key === files.cert ? cert : await read('tls-key', files.key);
  if (HAS_PASSPHRASE.test(key.toString('latin1'))) throw new Malformed(`tls-key: ${files.key} has a passphrase, which nobody could type at each start; without one: openssl pkey -in ${files.key} -out NEW`);
  try {
    const x = new X509Certificate(cert);
    return {
      // Who may ask for one handshake after the other on one connection keeps everybody else waiting, at little cost.
      context: createSecureContext({ cert, key, minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_RENEGOTIATION }),
      fingerprint: x.fingerprint256,
      begins: x.validFromDate.getTime(),
      ends: x.validToDate.getTime(),
      names: x.subjectAltName ?? '',
      // The subject counts for no client any more (RFC 9525 §2).
      isFor: (hostname) => (isIP(hostname) === 0 ? x.checkHost(hostname, { subject: 'never' }) : x.checkIP(hostname)) !== undefined,
    };
  } catch (e) {
    throw new Malformed(`tls-cert and tls-key: ${files.cert} and ${files.key} are no certificate with its key (${(e as Error).message})`);
  }
}

/** Changes when a file does. */
async function stamp(files: Files): Promise<string> {
  const all = await Promise.all([stat(files.cert), stat(files.key)]);
  return all.map((s) => `${s.ino} ${s.size} ${s.mtimeMs}`).join(' ');
}
