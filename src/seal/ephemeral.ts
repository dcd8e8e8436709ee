// X25519 key pairs for one use each. Making one takes half of the time of sealing to somebody, so some are made ahead, one in a turn
// of the event loop once the first is asked for. (To have libuv's pool make one takes this thread as long as to make it.)
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { systemRandom } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { pointOf, x25519Point, x25519Secret } from './primitives.ts';

const STOCK = 32;

export interface Ephemeral {
  secret: KeyObject;
  /** 32 bytes. */
  point: Buffer;
}

const stock: Ephemeral[] = [];
let making = false;

/** A key pair that nobody had before. Chance of one's own (a simulation's) gives 32 bytes for it. */
export function ephemeral(random: Random): Ephemeral {
  if (random !== systemRandom) {
    const secret = x25519Secret(random.bytes(32));
    return { secret, point: x25519Point(secret) };
  }
  const pair = stock.pop() ?? make();
  if (!making) setImmediate(makeAhead);
  making = true;
  return pair;
}

function make(): Ephemeral {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { secret: privateKey, point: pointOf(publicKey) };
}

function makeAhead(): void {
  stock.push(make());
  making = stock.length < STOCK;
  if (making) setImmediate(makeAhead);
}
