// Watches what is shown, apart from the system: UIDs never name another message, UIDVALIDITY stays, blobs are there
// before the events that name them, nothing readable is stored.
import type { OpenUser } from '../../src/account/index.ts';
import { userCodec } from '../../src/account/index.ts';
import { decodeUserPublic } from '../../src/seal/index.ts';
import { placeOps, readEvent } from '../../src/log/index.ts';
import type { OpenedEvent } from '../../src/log/index.ts';
import type { MailboxIndex } from '../../src/imap/session.ts';
import { seededRandom } from '../../src/base/index.ts';
import type { Op } from '../../src/state/index.ts';
import { blobName, userRoot } from '../../src/store/index.ts';
import { authenticator, players } from './cast.ts';
import type { Player } from './cast.ts';
import { SECRETS } from './ledger.ts';
import type { SimWorld } from './store.ts';

/** A property of DESIGN section 8 does not hold. */
export class Violation extends Error {
  readonly property: string;
  constructor(property: string, text: string) {
    super(`${property}: ${text}`);
    this.property = property;
  }
}

const SLOTS = 64;
const openers = new Map(
  players.map((p) => {
    const codec = userCodec(decodeUserPublic(p.record.publicKeys), seededRandom(1));
    codec.ring = p.ring;
    return [p.record.id, codec] as const;
  }),
);

/** Opens an event as stored, with the secret of its user. Throws Corrupt. */
export function openEvent(player: Player, name: string, bytes: Buffer, firstInName = false): OpenedEvent<Op> {
  const codec = openers.get(player.record.id)!;
  const stored = readEvent(authenticator, userRoot(player.record.id), name, bytes, firstInName);
  return placeOps(stored.header, codec.open!(stored.header.kind, name, stored.clear, stored.sealed), codec.positions, SLOTS);
}

export class Observer {
  readonly #world: SimWorld;
  readonly #uids = new Map<string, string>();
  readonly #validities = new Map<string, number>();
  readonly #firstInName: boolean;
  /** Events as they landed, opened. */
  readonly events = new Map<string, { player: Player; event: OpenedEvent<Op> }>();
  failed: unknown = null;

  constructor(world: SimWorld, firstInName: boolean) {
    this.#world = world;
    this.#firstInName = firstInName;
    world.onLanding = (name, bytes) => {
      try {
        this.#landed(name, bytes);
      } catch (e) {
        this.failed ??= e;
      }
    };
  }

  #landed(name: string, bytes: Buffer): void {
    for (const secret of SECRETS) {
      if (bytes.includes(secret) || name.includes(secret)) throw new Violation('7 nothing readable is stored', `"${secret}" in ${name}`);
    }
    if (!name.includes('/log/') || this.events.has(name)) return;
    const player = players.find((p) => name.startsWith(userRoot(p.record.id)));
    if (!player) return;
    const event = openEvent(player, name, bytes, this.#firstInName);
    this.events.set(name, { player, event });
    for (const { op } of event.ops) {
      if (op.kind !== 'MessageAdded') continue;
      for (const m of op.messages) {
        const blob = blobName(userRoot(player.record.id), m.content.blob);
        if (!this.#world.objects.get(blob)?.full) throw new Violation('1 blob before event', `${name} names ${blob}`);
      }
    }
  }

  /** All that a client is shown of a mailbox. */
  shown(player: Player, open: OpenUser, id: string, index: MailboxIndex): void {
    const validity = index.uidValidity;
    const key = `${player.record.id}/${id}`;
    const known = this.#validities.get(key);
    if (known !== undefined && known !== validity) throw new Violation('2 UIDVALIDITY never changes', `${id} had ${known} and has ${validity}`);
    this.#validities.set(key, validity);
    const uids = index.uids.subarray(0, index.count);
    const refs = open.state.messageRefs(id, uids);
    if (refs.length !== uids.length) throw new Violation('2 every UID names a message', `${refs.length} messages for ${uids.length} UIDs`);
    refs.forEach((ref, i) => {
      const message = `${ref.writer}#${ref.seq}.${ref.index}`;
      const uid = `${player.record.id}/${validity}/${uids[i]}`;
      const was = this.#uids.get(uid);
      if (was === undefined) this.#uids.set(uid, message);
      else if (was !== message) throw new Violation('2 a UID never names another message', `UID ${uids[i]} of ${id} was ${was} and is ${message}`);
      if (i > 0 && uids[i] <= uids[i - 1]) throw new Violation('2 UIDs ascend', `${uids[i - 1]}, ${uids[i]}`);
    });
  }
}
