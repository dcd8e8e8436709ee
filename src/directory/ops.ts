// What happened in the directory, and its stored form: version 1, 2 where keys of domains are in it, 3 where addresses lead
// elsewhere, 4 where users have spam scores of their own, or 5 where messages are counted against a quota. A claim is known by the place of its AddressClaimed:
// (writer, seq, index of the operation in its event).
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';

/** A wrapped root key; `label` is what the user called an app password. */
export interface StoredWrap {
  id: string;
  kind: 'password' | 'app' | 'recovery';
  label: string;
  bytes: Buffer;
}

export type DirectoryOp =
  | { kind: 'DomainAdded'; domain: string }
  | { kind: 'DomainRemoved'; domain: string }
  /** `user`: random id, never used again. `publicKeys`: encodeUserPublic. `ring`: sealRing. `bucket`: empty on disk. */
  | { kind: 'UserAdded'; user: string; at: number; publicKeys: Buffer; ring: Buffer; bucket: string; quotaBytes: number }
  | { kind: 'UserRemoved'; user: string }
  | { kind: 'QuotaChanged'; user: string; quotaBytes: number }
  | { kind: 'WrapAdded'; user: string; wrap: StoredWrap }
  | { kind: 'WrapRemoved'; user: string; id: string }
  /** `address`: normalised, `*@domain` for a catch-all. `user`: an id, or `>` and an address elsewhere (version 3). `at`: the store's time, from which a claim's hour counts. */
  | { kind: 'AddressClaimed'; address: string; user: string; primary: boolean; at: number }
  | { kind: 'AddressConfirmed'; claim: string }
  /** By its claimer (another was first), or by whoever needs the address after an hour; wins over a confirmation. */
  | { kind: 'ClaimEnded'; claim: string }
  | { kind: 'AddressRemoved'; claim: string }
  /** After a restore from backup: takes a position far beyond. */
  | { kind: 'Restored'; at: number }
  /** A domain signs its mail with it (DKIM). `secret`: PKCS #8, DER. `at`: ms since 1970. */
  | { kind: 'DomainKeyAdded'; domain: string; key: DomainKey }
  | { kind: 'DomainKeyRemoved'; domain: string; selector: string }
  | ({ kind: 'SpamScoresChanged'; user: string } & SpamScores)
  /** `messages` 0: no limit. */
  | { kind: 'MessageQuotaChanged'; user: string; messages: number };

/** From which score on a user's mail is taken for spam, in tenths; null: as the program that scores it says. */
export interface SpamScores {
  /** Into Junk. */
  junk: number | null;
  /** Not taken. */
  reject: number | null;
}

/** A key that signs a domain's mail. */
export interface DomainKey {
  selector: string;
  algorithm: 'rsa' | 'ed25519';
  secret: Buffer;
  at: number;
}

/** Version 1 knows no keys of domains, version 2 no addresses that lead elsewhere, version 3 no spam scores, version 4 no quota of messages; each is written where it is enough. */
const VERSION = 5;
const ELSEWHERE = '>';
/** Whether a claim's user is an address elsewhere, and that address. */
export const elsewhere = (user: string): string | null => (user.startsWith(ELSEWHERE) ? user.slice(ELSEWHERE.length) : null);
export const leadingTo = (address: string): string => ELSEWHERE + address;
const versionOf = (op: DirectoryOp): number => (op.kind === 'MessageQuotaChanged' ? 5 : op.kind === 'SpamScoresChanged' ? 4 : op.kind === 'AddressClaimed' && elsewhere(op.user) !== null ? 3 : KINDS.indexOf(op.kind) > KINDS_OF_1 ? 2 : 1);
const KINDS = ['DomainAdded', 'DomainRemoved', 'UserAdded', 'UserRemoved', 'QuotaChanged', 'WrapAdded', 'WrapRemoved', 'AddressClaimed', 'AddressConfirmed', 'ClaimEnded', 'AddressRemoved', 'Restored', 'DomainKeyAdded', 'DomainKeyRemoved', 'SpamScoresChanged', 'MessageQuotaChanged'] as const;
const KINDS_OF_1 = KINDS.indexOf('Restored');
const ALGORITHMS = ['rsa', 'ed25519'] as const;
const WRAP_KINDS = ['password', 'app', 'recovery'] as const;

export function encodeWrap(w: ByteWriter, wrap: StoredWrap): void {
  w.string(wrap.id).u8(WRAP_KINDS.indexOf(wrap.kind)).string(wrap.label).bytes(wrap.bytes);
}
export function decodeWrap(r: ByteReader): StoredWrap {
  const id = r.string();
  const kind = WRAP_KINDS[r.u8()];
  if (!kind) throw new Corrupt('directory: unknown kind of wrapped key');
  return { id, kind, label: r.string(), bytes: Buffer.from(r.bytes()) };
}

export function encodeDomainKey(w: ByteWriter, key: DomainKey): void {
  w.string(key.selector).u8(ALGORITHMS.indexOf(key.algorithm)).bytes(key.secret).varint(key.at);
}
export function decodeDomainKey(r: ByteReader): DomainKey {
  const selector = r.string();
  const algorithm = ALGORITHMS[r.u8()];
  if (!algorithm) throw new Corrupt('directory: unknown kind of key');
  return { selector, algorithm, secret: Buffer.from(r.bytes()), at: r.varint() };
}

/** 0: none, else the score and one. */
export function encodeScores(w: ByteWriter, { junk, reject }: SpamScores): void {
  w.varint(junk === null ? 0 : junk + 1).varint(reject === null ? 0 : reject + 1);
}
export function decodeScores(r: ByteReader): SpamScores {
  const read = () => {
    const n = r.varint();
    return n === 0 ? null : n - 1;
  };
  return { junk: read(), reject: read() };
}

/** The stored form of one event's operations. */
export function encodeDirectoryOps(ops: DirectoryOp[]): Buffer {
  const w = new ByteWriter().u8(Math.max(1, ...ops.map(versionOf))).varint(ops.length);
  for (const op of ops) {
    w.u8(KINDS.indexOf(op.kind));
    switch (op.kind) {
      case 'DomainAdded':
      case 'DomainRemoved':
        w.string(op.domain);
        break;
      case 'UserAdded':
        w.string(op.user).varint(op.at).bytes(op.publicKeys).bytes(op.ring).string(op.bucket).varint(op.quotaBytes);
        break;
      case 'UserRemoved':
        w.string(op.user);
        break;
      case 'QuotaChanged':
        w.string(op.user).varint(op.quotaBytes);
        break;
      case 'WrapAdded':
        encodeWrap(w.string(op.user), op.wrap);
        break;
      case 'WrapRemoved':
        w.string(op.user).string(op.id);
        break;
      case 'AddressClaimed':
        w.string(op.address).string(op.user).u8(op.primary ? 1 : 0).varint(op.at);
        break;
      case 'AddressConfirmed':
      case 'ClaimEnded':
      case 'AddressRemoved':
        w.string(op.claim);
        break;
      case 'Restored':
        w.varint(op.at);
        break;
      case 'DomainKeyAdded':
        encodeDomainKey(w.string(op.domain), op.key);
        break;
      case 'DomainKeyRemoved':
        w.string(op.domain).string(op.selector);
        break;
      case 'SpamScoresChanged':
        encodeScores(w.string(op.user), op);
        break;
      case 'MessageQuotaChanged':
        w.string(op.user).varint(op.messages);
    }
  }
  return w.done();
}

function decodeOp(r: ByteReader): DirectoryOp {
  const kind = KINDS[r.u8()];
  switch (kind) {
    case 'DomainAdded':
    case 'DomainRemoved':
      return { kind, domain: r.string() };
    case 'UserAdded':
      return { kind, user: r.string(), at: r.varint(), publicKeys: Buffer.from(r.bytes()), ring: Buffer.from(r.bytes()), bucket: r.string(), quotaBytes: r.varint() };
    case 'UserRemoved':
      return { kind, user: r.string() };
    case 'QuotaChanged':
      return { kind, user: r.string(), quotaBytes: r.varint() };
    case 'WrapAdded':
      return { kind, user: r.string(), wrap: decodeWrap(r) };
    case 'WrapRemoved':
      return { kind, user: r.string(), id: r.string() };
    case 'AddressClaimed':
      return { kind, address: r.string(), user: r.string(), primary: r.u8() === 1, at: r.varint() };
    case 'AddressConfirmed':
    case 'ClaimEnded':
    case 'AddressRemoved':
      return { kind, claim: r.string() };
    case 'Restored':
      return { kind, at: r.varint() };
    case 'DomainKeyAdded':
      return { kind, domain: r.string(), key: decodeDomainKey(r) };
    case 'DomainKeyRemoved':
      return { kind, domain: r.string(), selector: r.string() };
    case 'SpamScoresChanged':
      return { kind, user: r.string(), ...decodeScores(r) };
    case 'MessageQuotaChanged':
      return { kind, user: r.string(), messages: r.varint() };
    default:
      throw new Corrupt('directory: an operation of a newer version');
  }
}

/** Throws Corrupt. */
export function decodeDirectoryOps(bytes: Uint8Array): DirectoryOp[] {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version < 1 || version > VERSION) throw new Corrupt('directory: an event written by a newer version');
  const ops = Array.from({ length: r.count() }, () => decodeOp(r));
  r.finish();
  return ops;
}
