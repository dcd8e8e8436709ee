// A self-signed certificate (RFC 5280), for a replica that was given none: ECDSA on P-256, written in DER by hand because the
// libraries that do it cost 25 MB of memory for one certificate in two years.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import type { Random } from './base/index.ts';

const DAY_MS = 86_400_000;
/** Apple's clients take no certificate for longer than 825 days. */
export const VALID_MS = 820 * DAY_MS;

function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const n = body.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const octets = (...parts: Uint8Array[]) => der(0x04, ...parts);
const bits = (unused: number, ...parts: Uint8Array[]) => der(0x03, Buffer.from([unused]), ...parts);
const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));

/** UTCTime up to 2049, GeneralizedTime from 2050 (§4.1.2.5). */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d{3}/g, '');
  return new Date(ms).getUTCFullYear() < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}

/** The 4 or 16 bytes of an IP address. */
function ipBytes(ip: string): Buffer {
  if (isIP(ip) === 4) return Buffer.from(ip.split('.').map(Number));
  const [head, tail] = ip.replace(/%.*$/, '').split('::');
  const words = (t: string | undefined) => (t ? t.split(':') : []).map((w) => parseInt(w, 16));
  const h = words(head);
  const t = words(tail);
  const all = tail === undefined ? h : [...h, ...Array<number>(8 - h.length - t.length).fill(0), ...t];
  return Buffer.from(all.flatMap((w) => [w >> 8, w & 0xff]));
}

const extension = (id: string, critical: boolean, value: Uint8Array) => sequence(oid(id), ...(critical ? [TRUE] : []), octets(value));

/** `pem`: may hold a key of ours; any other, or none, leads to a new one. */
function keyOf(pem: Buffer | undefined): KeyObject {
  try {
    const key = createPrivateKey(pem!);
    if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch {
    // None, or damaged.
  }
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** Certificate and key in PEM for `names`: host names and IP addresses, the first of which is its subject. `old`: PEM whose key is kept. */
export function selfSigned(names: string[], nowMs: number, random: Random, old?: Buffer): { cert: string; key: string } {
  const privateKey = keyOf(old);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  // A positive number of 16 bytes.
  const serial = random.bytes(16);
  serial[0] = (serial[0] & 0x7f) | 0x40;
  // Upper bound of a common name: 64 characters.
  const subject = sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(names[0].slice(0, 64))))));
  const keyId = createHash('sha1').update(spki).digest();
  const alternative = names.map((n) => (isIP(n) !== 0 ? der(0x87, ipBytes(n)) : der(0x82, Buffer.from(n))));
  const extensions = sequence(
    extension('551d13', true, sequence()),
    extension('551d0f', true, bits(7, Buffer.from([0x80]))),
    extension('551d25', false, sequence(oid('2b06010505070301'))),
    extension('551d0e', false, octets(keyId)),
    extension('551d11', false, sequence(...alternative)),
  );
  const content = sequence(
    der(0xa0, Buffer.from([0x02, 0x01, 0x02])),
    der(0x02, serial),
    ECDSA_SHA256,
    subject,
    // An hour back, for clients whose clocks are late.
    sequence(time(nowMs - 3_600_000), time(nowMs + VALID_MS)),
    subject,
    spki,
    der(0xa3, extensions),
  );
  const whole = sequence(content, ECDSA_SHA256, bits(0, sign('sha256', content, privateKey)));
  const pem = whole.toString('base64').replace(/.{1,64}/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${pem}-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}
