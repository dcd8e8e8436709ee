// How the events of a user's log are sealed: deliveries to the user's public key (HPKE), all else under a key that only
// the user's secret gives. A body that a store would not keep inside its metadata is deflated when that helps.
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Corrupt, Refused } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import type { EventCodec } from '../log/index.ts';
import { openDelivered, openNamed, sealDelivered, sealNamed } from '../seal/index.ts';
import type { UserPublic, UserRing } from '../seal/index.ts';
import { decodeOps, encodeOps, positionsOf } from '../state/index.ts';
import type { Op } from '../state/index.ts';

const RAW = 0;
const DEFLATED = 1;
/** Garage keeps objects up to 3 KB inside its metadata, sealed and with the event's header; to deflate less costs 40 µs and gains some 100 bytes. */
const DEFLATE_FROM_BYTES = 2048;
/** Opened bodies larger than this were not written by us. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** First byte: how; then the body. `packed`: it is compressed already. */
export function pack(plain: Buffer, packed = false): Buffer {
  const small = packed || plain.length < DEFLATE_FROM_BYTES ? null : deflateRawSync(plain);
  return small && small.length < plain.length ? Buffer.concat([Buffer.of(DEFLATED), small]) : Buffer.concat([Buffer.of(RAW), plain]);
}

/** Throws Corrupt. */
export function unpack(packed: Buffer): Buffer {
  if (packed[0] === RAW) return packed.subarray(1);
  if (packed[0] !== DEFLATED) throw new Corrupt('an event packed by a newer version');
  try {
    return inflateRawSync(packed.subarray(1), { maxOutputLength: BODY_BYTES_MAX });
  } catch {
    throw new Corrupt('a packed event can not be unpacked');
  }
}

/** What a log needs to seal for one user, and to open once the ring is known. */
export interface UserCodec extends EventCodec<Op> {
  /** Set while the user is logged in. */
  ring: UserRing | null;
}

export function userCodec(keys: UserPublic, random: Random): UserCodec {
  const codec: UserCodec = {
    ring: null,
    open: (kind, name, aad, sealed) => {
      if (!codec.ring) throw new Refused('the user is not logged in here');
      const ops = decodeOps(unpack(kind === 'delivered' ? openDelivered(codec.ring.events, name, aad, sealed) : openNamed(codec.ring.sessions, name, aad, sealed)));
      // Sealing to a public key proves no origin: whoever delivers may add messages, or leave positions out after a
      // restore (which its name shows anyway), and nothing else.
      if (kind === 'delivered' && ops.some((op) => op.kind !== 'MessageAdded' && op.kind !== 'Restored')) throw new Corrupt(`${name}: a delivery that does more than deliver`);
      return ops;
    },
    positions: positionsOf,
    sizes: (ops) => {
      let messages = 0;
      let bytes = 0;
      for (const op of ops) {
        if (op.kind !== 'MessageAdded') continue;
        messages += op.messages.length;
        for (const m of op.messages) bytes += m.content.plainBytes + m.content.prefix.length;
      }
      return { messages, bytes };
    },
    seal: (kind, name, aad, ops) => {
      const body = pack(encodeOps(ops));
      if (kind === 'delivered') return sealDelivered(keys.event, name, aad, body, random);
      if (!codec.ring) throw new Refused('the user is not logged in here');
      return sealNamed(codec.ring.sessions[0], name, aad, body, random);
    },
  };
  return codec;
}
