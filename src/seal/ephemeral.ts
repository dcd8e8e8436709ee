// X25519 key pairs for one use each. Making one takes half of the time of sealing to somebody, so some are made ahead, in
// libuv's pool, once the first is asked for.
import { generateKeyPair, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { systemRandom } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { pointOf, x25519Point, x25519Secret } from './primitives.ts';

const STOCK = 32;
/** Made at once: the pool has other work. */
const LANES = 2;

export interface Ephemeral {
  secret: KeyObject;
  /** 32 bytes. */
  point: Buffer;
}

interface Pair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const stock: Pair[] = [];
let making = 0;

/** A key pair that nobody had before. Chance of one's own (a simulation's) gives 32 bytes for it. */
export function ephemeral(random: Random): Ephemeral {
  if (random !== systemRandom) {
    const secret = x25519Secret(random.bytes(32));
    return { secret, point: x25519Point(secret) };
  }
  const { privateKey, publicKey } = stock.pop() ?? generateKeyPairSync('x25519');
  make();
  return { secret: privateKey, point: pointOf(publicKey) };
}

function make(): void {
  while (making < LANES && stock.length + making < STOCK) {
    making++;
    generateKeyPair('x25519', {}, (e, publicKey, privateKey) => {
      making--;
      if (e) return; // whoever needs one makes it, and tells what is wrong
      stock.push({ publicKey, privateKey });
      make();
    });
  }
}
