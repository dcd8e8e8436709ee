// Who plays: two users whose keys are frozen, and a directory that says who they are and never fails. What the real
// directory adds is a log like theirs.
import type { Random } from '../../src/base/index.ts';
import type { Logins } from '../../src/account/index.ts';
import type { Directory, StoredWrap, UserRecord } from '../../src/directory/index.ts';
import { ClusterKeys, decodeUserPublic, encodeUserPublic, mac, openRing, sealNamed, openNamed, sealRing, verifyMac } from '../../src/seal/index.ts';
import type { UserRing } from '../../src/seal/index.ts';
import type { Authenticator } from '../../src/log/index.ts';
import { seededRandom } from '../../src/base/index.ts';
import { KNOWN_USER, frozen, knownCluster, knownRing, knownRoot } from '../seal/known.ts';

export const DOMAIN = 'pigeon.example';

export interface Player {
  readonly address: string;
  readonly record: UserRecord;
  readonly ring: UserRing;
}

/** The one password of everybody. */
const WRAP = 'any';
const root = knownRoot();
export const cluster: ClusterKeys = knownCluster();

function player(local: string, id: string, ring: Buffer): Player {
  const record: UserRecord = { id, at: 0, publicKeys: encodeUserPublic(decodeUserPublic(frozen('public'))), ring, bucket: null, quotaBytes: 0, quotaStamp: '', wraps: new Map([[WRAP, { kind: 'app', id: WRAP, bytes: Buffer.alloc(0) } as unknown as StoredWrap]]) };
  return { address: `${local}@${DOMAIN}`, record, ring: openRing(root, id, ring) };
}

const OTHER_USER = 'z9y8x7w6v5t4s3r2';
export const players: readonly Player[] = [
  player('wilhelmina', KNOWN_USER, frozen('ring')),
  player('zacharias', OTHER_USER, sealRing(root, OTHER_USER, knownRing(), seededRandom(1))),
];

const records = new Map(players.map((p) => [p.record.id, p.record]));
const byAddress = new Map(players.map((p) => [p.address, p]));

export const directory = {
  state: {
    users: records,
    owner: (address: string) => byAddress.get(address)?.record ?? null,
    hasDomain: (domain: string) => domain === DOMAIN,
    messageQuotaOf: () => 0,
    addressesOf: (id: string) => players.filter((p) => p.record.id === id).map((p) => ({ address: p.address })),
  },
  ask: async () => {},
  onChanged: () => () => {},
} as unknown as Directory;

/** Every password is right: Argon2 is no part of what is simulated. */
export const logins = {
  login: async (user: string) => ({ record: byAddress.get(user)!.record, root, wrap: WRAP }),
  hold: () => () => {},
  forget: () => {},
} as unknown as Logins;

export const authenticator: Authenticator = {
  mac: (name, bytes) => mac(cluster, name, bytes[0], ...bytes.slice(1)),
  verify: (name, bytes, made) => void verifyMac(cluster, made, name, bytes[0], ...bytes.slice(1)),
};

const NOTHING = Buffer.alloc(0);
export const presenceSeal = (random: Random) => ({
  seal: (name: string, plain: Buffer) => sealNamed(cluster.directory[0], name, NOTHING, plain, random),
  open: (name: string, sealed: Buffer) => openNamed(cluster.directory, name, NOTHING, sealed),
});
