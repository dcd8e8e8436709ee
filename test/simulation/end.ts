// The end of a history: what was broken is whole again, all replicas learn all, and everything is compared.
import type { OpenUser } from '../../src/account/index.ts';
import { Corrupt, Unavailable } from '../../src/base/index.ts';
import type { Session } from '../../src/imap/session.ts';
import { UserState } from '../../src/state/index.ts';
import type { Player } from './cast.ts';
import type { History } from './history.ts';
import { Violation } from './observer.ts';
import type { Process } from './process.ts';
import { tamper } from './tamper.ts';

const SECOND = 1000;
/** Rounds of some seconds until repairs must have ended. */
const ROUNDS_MAX = 40;

/** A command that must be answered now. */
async function answered<T>(h: History, command: Promise<T>): Promise<T> {
  let ended = false;
  const watched = command.finally(() => (ended = true));
  watched.catch(() => {});
  for (let i = 0; i < 200 && !ended; i++) await h.clock.advance(SECOND);
  if (!ended) throw new Violation('5 everything is answered', 'a command hangs though nothing is wrong');
  return watched;
}

/** Tried again while it is Unavailable. */
async function insist<T>(h: History, what: string, command: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await answered(h, command());
    } catch (e) {
      if (e instanceof Corrupt) throw new Violation('1 nothing is lost', `${what}: ${e.message}`);
      if (!(e instanceof Unavailable)) throw e;
      h.tell(`${what}: ${e.message}`);
      if (i === 20) throw new Violation('1 healed replicas answer', `${what}: ${e.message}`);
    }
    await h.clock.advance(7 * SECOND);
  }
}

async function heal(h: History): Promise<void> {
  h.tell('all is well again');
  h.calm = true;
  h.world.sickness = null;
  for (const p of h.processes) {
    p.store.faults.cut = false;
    p.store.stuckAt = null;
    p.clock.resume(false);
  }
  // Everything on its way arrives, who was killed is up again, who lost the slot has another.
  await h.clock.advance(h.profile.latest + h.profile.slowest + 130 * SECOND);
  h.world.heal();
  for (let i = 0; i < 60 && !h.processes.every((p) => p.up); i++) await h.clock.advance(30 * SECOND);
  for (const p of h.processes) if (!p.up) throw new Violation('5 replicas start', `${p.o.address} holds no slot`);
  h.check();
}

export async function checkEnd(h: History): Promise<void> {
  await heal(h);
  for (const player of h.players) {
    const sessions: Session[] = [];
    for (const p of h.processes) sessions.push(await insist(h, `log in at ${p.o.address}`, () => p.login(player)));
    await settle(h, player);
    await compare(h, player);
    // Who comes anew finds the same. What landed again meanwhile it may take as passed over, and repair.
    const process = h.newcomer();
    for (let i = 0; i < 100 && !process.up; i++) await h.clock.advance(30 * SECOND);
    h.processes.push(process);
    sessions.push(await insist(h, 'log in at the newcomer', () => process.login(player)));
    await compare(h, player, process);
    await settle(h, player);
    await compare(h, player);
    promises(h, player, process.open(player)!);
    for (const client of h.clients.filter((c) => c.player === player)) {
      const at = h.pick(h.processes);
      await insist(h, 'last sync', () => client.sync(at));
      const found = at.open(player)!.state.byName(client.mailbox);
      const wanted = found ? client.wanted(at.open(player)!.state.mailbox(found.id)) : '';
      if (client.shown() !== wanted) throw new Violation('3 a client ends with exactly the mailbox', `${client.kind} ${client.mailbox}\n want ${wanted}\n has  ${client.shown()}`);
    }
    for (const session of sessions) session.close();
  }
  if (h.profile.tamper) await tamper(h);
}

/** Whole LISTs at all replicas until nothing is late and nothing waits. */
async function settle(h: History, player: Player): Promise<void> {
  const noRepairs = h.switches.account.noRepairs;
  for (let round = 0; ; round++) {
    let busy = false;
    for (const p of h.processes) {
      const open = p.open(player);
      if (!open) {
        await insist(h, 'log in again', () => p.login(player));
        busy = true;
        continue;
      }
      await insist(h, `whole list at ${p.o.address}`, () => open.at.log.refresh(0, true));
      await insist(h, `catch up at ${p.o.address}`, () => open.fresh());
      busy ||= open.at.log.pending > 0 || open.at.log.submitting > 0 || (!noRepairs && open.at.log.late().length > 0);
    }
    h.check();
    if (!busy && round > 0) return;
    if (round === ROUNDS_MAX) throw new Violation('5 repairs end', `they do not: ${late(h, player)}`);
    await h.clock.advance(3 * SECOND);
  }
}

function late(h: History, player: Player): string {
  return h.processes.map((p) => {
    const log = p.open(player)?.at.log;
    return log ? `${p.o.address}: ${log.pending} wait, ${log.submitting} are written, late ${log.late().map((l) => `${l.event.ref.position}-${l.event.ref.writer}-${l.event.ref.seq}${l.uid ? ' uid' : ''}${l.passedOver ? ' passed over' : ''} [${l.event.effects.map((e) => `${e.scope} ${[...e.messages].length}`).join()}]`).join(', ')}` : 'closed';
  }).join('; ');
}

/** What clients can be shown: where replicas forget records at different times, the rest may differ. */
function visible(state: UserState): string {
  const boxes = state.mailboxes().map((m) => {
    const index = state.mailbox(m.id);
    index.showWithheld();
    const rows = Array.from({ length: index.count }, (_, i) => [index.uids[i], index.size(i), index.modSeq(i), [...index.flagsOf(index.flagSet(i))].sort()]);
    return [m.name, m.id, index.uidValidity, index.uidNext, index.highestModSeq, rows, [...index.vanishedSince(0)]];
  });
  return JSON.stringify(boxes);
}

const difference = (a: UserState, b: UserState): string => {
  const [x, y] = [a.describe(), b.describe()].map((d) => JSON.stringify(d, null, 1).split('\n'));
  const at = x.findIndex((line, i) => line !== y[i]);
  return `at line ${at}:\n${x.slice(Math.max(0, at - 6), at + 6).join('\n')}\n--- and\n${y.slice(Math.max(0, at - 6), at + 6).join('\n')}`;
};

/** All replicas equal each other, and the fold of every event that ever landed. `only`: this one and the fold. */
async function compare(h: History, player: Player, only?: Process): Promise<void> {
  const opens = (only ? [only] : h.processes).map((p) => p.open(player)!);
  for (const open of opens) await insist(h, 'load everything', () => open.need({ kind: 'everything' }));
  // From here to the end nothing moves.
  const print = (state: UserState) => (h.profile.forgets ? visible(state) : state.fingerprint());
  const differ = (a: UserState, b: UserState) => (h.profile.forgets ? `\n${visible(a)}\n${visible(b)}` : difference(a, b));
  const first = opens[0].state;
  for (let i = 1; i < opens.length; i++) {
    if (print(opens[i].state) !== print(first)) throw new Violation('4 replicas are equal', `0 and ${i} differ ${differ(first, opens[i].state)}`);
  }
  const full = fullFold(h, player);
  if (print(full) !== print(first)) throw new Violation('6 snapshot + tail = full fold', `${only ? 'who comes anew differs ' : ''}${differ(full, first)}`);
  if (only) return;
  for (const open of opens) {
    for (const mailbox of open.state.mailboxes()) {
      const { withheld } = open.state.mailbox(mailbox.id);
      if (withheld > 0) throw new Violation('1 nothing stays withheld', `${withheld} in ${mailbox.name}`);
      h.observer.shown(player, open, mailbox.id, open.state.mailbox(mailbox.id));
    }
  }
}

function fullFold(h: History, player: Player): UserState {
  const state = new UserState(player.record.id, { mutations: h.switches.state });
  const events = [...h.observer.events.values()].filter((e) => e.player === player).map((e) => e.event);
  for (const event of events.sort((a, b) => a.ref.position - b.ref.position || (a.ref.writer < b.ref.writer ? -1 : 1))) state.apply(event);
  return state;
}

/** What was acknowledged is there, once. */
function promises(h: History, player: Player, open: OpenUser): void {
  const found = new Map<number, { mailbox: string; flags: ReadonlySet<string> }[]>();
  for (const mailbox of open.state.mailboxes()) {
    const index = open.state.mailbox(mailbox.id);
    for (let i = 0; i < index.count; i++) {
      const mail = h.ledger.bySize(index.size(i));
      if (!mail) throw new Violation('1 what is there was sent', `${index.size(i)} bytes in ${mailbox.name}`);
      const list = found.get(mail.tag) ?? [];
      list.push({ mailbox: mailbox.name, flags: new Set(index.flagsOf(index.flagSet(i))) });
      found.set(mail.tag, list);
    }
  }
  for (const mail of h.ledger.mails) {
    if (mail.player !== player) continue;
    const there = found.get(mail.tag) ?? [];
    const what = `message ${mail.tag} (${mail.kind}, ${mail.tries} tries) is there ${there.length} times`;
    if (h.ledger.sure(mail) && there.length === 0) throw new Violation('1 nothing acknowledged is missing', what);
    if (!mail.doubled && mail.tries === 1 && there.length > 1) throw new Violation('1 nothing is there twice', what);
    if (!mail.moved && !mail.apart && there.length > 1) throw new Violation('1 nothing that a sender repeated is there twice', what);
    if (mail.removed && !mail.moved && mail.tries === 1 && there.length > 0) throw new Violation('1 what was removed is gone', what);
    if (!mail.moved && h.ledger.sure(mail) && mail.keywords) {
      for (const k of mail.keywords) if (!there[0].flags.has(k)) throw new Violation('1 no acknowledged flag is missing', `${k} of message ${mail.tag}`);
    }
  }
  if (h.ledger.deletes > 0) return;
  for (const [id, name] of h.ledger.created) if (!open.state.byId(id)) throw new Violation('1 no acknowledged mailbox is missing', name);
}
