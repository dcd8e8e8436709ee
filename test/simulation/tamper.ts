// Whoever holds the bucket alters, cuts, swaps or forges one object: who opens that user is told so, or is shown exactly what
// was there before; never anything else, and nobody else notices.
import { Corrupt, Refused, Unavailable } from '../../src/base/index.ts';
import { userRoot } from '../../src/store/index.ts';
import type { Player } from './cast.ts';
import type { History } from './history.ts';
import { Violation } from './observer.ts';
import type { Process } from './process.ts';

const SECOND = 1000;
const TRIES = 6;

/** What is done to an object; `other` is one of the same kind, perhaps of another user. */
const alterations: Record<string, (bytes: Buffer, other: Buffer, random: () => number) => Buffer> = {
  'one bit': (bytes, _, random) => {
    const copy = Buffer.from(bytes);
    copy[Math.floor(random() * copy.length)] ^= 1 << Math.floor(random() * 8);
    return copy;
  },
  'cut short': (bytes, _, random) => bytes.subarray(0, Math.floor(random() * bytes.length)),
  'longer': (bytes) => Buffer.concat([bytes, Buffer.from('more')]),
  'another object': (_, other) => other,
  'a newer version': (bytes) => Buffer.concat([Buffer.of(bytes[0] + 1), bytes.subarray(1)]),
  'nothing but noise': (bytes, _, random) => Buffer.from(Array.from(bytes, () => Math.floor(random() * 256))),
};

interface Shown {
  print: string | null;
  read: boolean;
  /** Of each blob what was read as its message. */
  messages: Map<string, Buffer | null>;
}

/** All that a user can be shown, messages read whole too. Null: refused with one of the kinds of error. */
async function look(h: History, process: Process, player: Player): Promise<Shown> {
  const shown: Shown = { print: null, read: false, messages: new Map() };
  const work = async () => {
    const session = await process.login(player);
    const open = process.open(player)!;
    await open.need({ kind: 'everything' });
    shown.print = open.state.fingerprint();
    const selected = await session.select('INBOX', true);
    for (const uid of selected.index.uids.subarray(0, selected.index.count)) {
      const bytes = await selected.read(uid, 0, 1e6);
      shown.messages.set(selected.index.emailId(selected.index.find(uid)), bytes);
    }
    shown.read = true;
    session.close();
  };
  let ended = false;
  const working = work().then(
    () => (ended = true),
    (e) => {
      ended = true;
      h.tell(`${player.address}: ${e}`);
      if (!(e instanceof Corrupt || e instanceof Unavailable || e instanceof Refused)) h.fail(e);
    },
  );
  for (let i = 0; i < 100 && !ended; i++) await h.clock.advance(SECOND);
  if (!ended) throw new Violation('8 bad input ends', 'opening a user with an altered object hangs');
  await working;
  return shown;
}

async function newcomer(h: History): Promise<Process> {
  const process = h.newcomer();
  for (let i = 0; i < 100 && !process.up; i++) await h.clock.advance(30 * SECOND);
  return process;
}

export async function tamper(h: History): Promise<void> {
  const [victim, bystander] = h.players;
  const first = await newcomer(h);
  const before = await look(h, first, victim);
  const theirs = await look(h, first, bystander);
  first.crash();
  if (!before.read || !theirs.read) throw new Violation('8 what is not altered is shown', 'it is not');
  // Nobody else is there: what the others know would hide what the newcomer finds.
  for (const p of h.processes) p.crash();
  const landed = h.world.onLanding;
  h.world.onLanding = () => {};
  for (let i = 0; i < TRIES; i++) {
    const name = h.pick(h.world.names.filter((n) => n.startsWith(userRoot(victim.record.id))));
    const kind = name.split('/')[2];
    const object = h.world.objects.get(name)!;
    const original = { ...object };
    const other = h.pick(h.world.names.filter((n) => n !== name && n.split('/')[2] === kind).concat(name));
    const how = h.pick(Object.keys(alterations));
    const altered = alterations[how](object.bytes, h.world.objects.get(other)!.bytes, () => h.random.unit());
    if (altered.equals(object.bytes)) continue;
    h.tell(`${name} is altered: ${how}`);
    object.bytes = altered;
    const process = await newcomer(h);
    const found = await look(h, process, victim);
    if (found.print !== null && found.print !== before.print) throw new Violation('8 what was altered is never shown', `${name}, ${how}`);
    for (const [blob, bytes] of found.messages) if (!before.messages.get(blob)?.equals(bytes ?? Buffer.alloc(0))) throw new Violation('8 an altered message is never shown', `${name}, ${how}`);
    const others = await look(h, process, bystander);
    if (others.print !== theirs.print || !others.read) throw new Violation('8 nobody else is harmed', `${name}, ${how}`);
    process.crash();
    const now = h.world.objects.get(name);
    if (now) Object.assign(now, original);
    h.check();
  }
  h.world.onLanding = landed;
}
