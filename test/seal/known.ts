// A user and a cluster whose keys are frozen in fixtures/seal/formats-1.json: tests of other rooms need no new key.
import { readFileSync } from 'node:fs';
import { ClusterKeys, decodeUserPublic, openRing } from '../../src/seal/index.ts';
import type { UserPublic, UserRing } from '../../src/seal/index.ts';

const file = JSON.parse(readFileSync(new URL('../../fixtures/seal/formats-1.json', import.meta.url), 'utf8')) as Record<string, string>;

/** A frozen value of bytes. */
export const frozen = (name: string): Buffer => {
  if (!(name in file)) throw new Error(`no frozen ${name}`);
  return Buffer.from(file[name], 'hex');
};
/** A frozen value of text. */
export const frozenText = (name: string): string => file[name];

export const KNOWN_USER = 'k7m2p9x4q1r8t5w3';
export const KNOWN_NAME = `users/${KNOWN_USER}/log/0000000000000041-abcdefghjkmnpqrs-1`;
export const knownRoot = (): Buffer => frozen('root');
export const knownRing = (): UserRing => openRing(frozen('root'), KNOWN_USER, frozen('ring'));
export const knownPublic = (): UserPublic => decodeUserPublic(frozen('public'));
export const knownCluster = (): ClusterKeys => ClusterKeys.parse([frozenText('clusterSecret')]);
