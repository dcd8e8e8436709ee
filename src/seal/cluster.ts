// The secret that all replicas of a cluster share and the store does not know, and the keys made of it.
//
// Text form: `colombier1-` base64url(32 bytes) `-` checksum of 4 characters.
import { hash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Refused } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import type { SymmetricKey } from './keys.ts';
import { hkdfExpand, secretKey } from './primitives.ts';
import { checksum } from './token-text.ts';

const PREFIX = 'colombier1-';
const TEXT = /^colombier1-([A-Za-z0-9_-]{43})-([0-9a-z]{4})$/;

/** A new cluster secret in its text form. */
export function createClusterSecret(random: Random): string {
  const body = random.bytes(32).toString('base64url');
  return `${PREFIX}${body}-${checksum('cluster secret', body, 4)}`;
}

function parseClusterSecret(text: string): Buffer {
  const trimmed = text.trim();
  if (!trimmed.startsWith(PREFIX)) {
    throw new Refused(/^colombier\d/.test(trimmed) ? 'this cluster secret is of a newer version' : `this is no cluster secret: one begins with ${PREFIX}`);
  }
  const m = TEXT.exec(trimmed);
  if (!m) throw new Refused(`this cluster secret is incomplete or has a typo: expected ${PREFIX}, 43 characters, a hyphen and 4 more`);
  if (checksum('cluster secret', m[1], 4) !== m[2]) throw new Refused('this cluster secret has a typo: its checksum does not fit');
  return Buffer.from(m[1], 'base64url');
}

interface Secret {
  id: string;
  prk: Buffer;
  mac: KeyObject;
}

const purposeKey = (secret: Buffer, purpose: string): Buffer => hkdfExpand(secret, Buffer.from(`colombier cluster 1\0${purpose}`), 32);
const inner = Symbol('secrets');

/** The keys of one writing cluster secret and of all that are accepted beside it (rotation). */
export class ClusterKeys {
  /** Of the writing secret, 8 hex digits. */
  readonly id: string;
  /** Of all accepted secrets, the writing one first. */
  readonly ids: readonly string[];
  /** Keys of directory events: the writing one first. */
  readonly directory: readonly SymmetricKey[];
  readonly [inner]: readonly Secret[];

  /** `secrets`: 32 bytes each, the writing one first. */
  constructor(secrets: readonly Buffer[]) {
    if (secrets.length === 0) throw new Refused('a cluster needs a secret');
    this[inner] = secrets.map((prk) => ({
      id: hash('sha256', purposeKey(prk, 'id'), 'hex').slice(0, 8),
      prk,
      mac: secretKey(purposeKey(prk, 'mac')),
    }));
    this.ids = this[inner].map((s) => s.id);
    this.id = this.ids[0];
    if (new Set(this.ids).size !== this.ids.length) throw new Refused('the same cluster secret is given twice');
    this.directory = this[inner].map((s) => ({ id: `${s.id}00000000`, key: secretKey(purposeKey(s.prk, 'directory')) }));
  }

  /** Of the writing secret alone: what a replica has that never had another. */
  get alone(): ClusterKeys {
    return new ClusterKeys([this[inner][0].prk]);
  }

  /** Text forms, the writing one first. Throws Refused on a typo, never repeating the text. */
  static parse(texts: readonly string[]): ClusterKeys {
    return new ClusterKeys(texts.map(parseClusterSecret));
  }

  /** 32 bytes for a purpose of another room. Throws Refused for an id that is not accepted. */
  derive(purpose: string, id: string = this.id): Buffer {
    const secret = this[inner].find((s) => s.id === id);
    if (!secret) throw new Refused(`cluster key ${id} is not accepted here`);
    return purposeKey(secret.prk, `derived\0${purpose}`);
  }

  /** 32 bytes that authenticate and key the peer channel. */
  peerKey(id: string = this.id): Buffer {
    return this.derive('peer channel', id);
  }
}

/** The MAC key of an accepted id, or null. For mac.ts. */
export function macKey(keys: ClusterKeys, id: string): KeyObject | null {
  for (const s of keys[inner]) if (s.id === id) return s.mac;
  return null;
}
