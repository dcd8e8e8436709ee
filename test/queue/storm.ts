// An outbound storm: processes that send over one disk store are killed, stopped and started again, while the server that
// takes their mail puts off, drops connections, times out and refuses. What was acknowledged arrives or comes back; twice only
// in windows that are named, and counted.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/base/index.ts';
import { Sink } from './storm-sink.ts';
import type { StormSink } from './storm-sink.ts';
import { TIMES } from './storm-replica.ts';

const REPLICA = fileURLToPath(new URL('./storm-replica.ts', import.meta.url));
/** Slots of a log: a process takes the next, so none is taken twice. */
const SLOTS = 64;
/** Longer than an attempt and what comes on top. */
const STOPPED_MS = TIMES.queue_attempt_ms + TIMES.queue_margin_ms + 3000;

export interface Storm {
  seed: number;
  messages: number;
  replicas: number;
  /** Kills, and as many stops for long, spread over the submissions. */
  kills: number;
  /** Who takes the mail; absent: a server of the test's own. */
  sink?: StormSink;
  log?: (line: string) => void;
}

export interface Weather {
  acknowledged: number;
  arrived: number;
  returned: number;
  /** Acknowledged, and neither arrived nor came back. */
  lost: string[];
  /** Came back though it could be delivered. */
  wronged: string[];
  /**
   * Delivered again: its answer was never sent; it came too late for its owner; its owner was killed, or stopped; its owner
   * could not write the result while the attempt lasted (a busy machine); and for no reason.
   */
  /** What the other server says against it. */
  wrong: string[];
  twice: { answerLost: number; answerLate: number; killed: number; stopped: number; resultLate: number; unnamed: string[] };
  moods: Record<string, number>;
  ms: number;
}

interface Member {
  name: string;
  child: ChildProcess;
  ready: Promise<void>;
  /** When it was killed or stopped, ms since 1970. */
  struck: { at: number; how: 'killed' | 'stopped' }[];
  waiting: Map<string, (ok: boolean) => void>;
}

export async function storm(o: Storm): Promise<Weather> {
  const { seed, messages, replicas, kills, log = () => {} } = o;
  const random = seededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), 'colombier-storm-'));
  const sink = o.sink ?? new Sink(seed);
  await sink.listen();
  const all: Member[] = [];
  const returned = new Set<string>();
  /** `owner token`. */
  const unheard = new Set<string>();
  const begun = Date.now();

  const start = (): Member => {
    const slot = all.length;
    if (slot >= SLOTS) throw new Error('no slot is left: fewer kills');
    const child = fork(REPLICA, [join(folder, 'store'), String(slot), String(sink.port)], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const member: Member = { name: `mx${slot}.here.test`, child, ready: Promise.resolve(), struck: [], waiting: new Map() };
    member.ready = new Promise((resolve) => child.on('message', (m: { ready?: true; token?: string; ok?: boolean; returned?: string; unheard?: string }) => {
      if (m.unheard) unheard.add(`${member.name} ${m.unheard}`);
      if (m.ready) resolve();
      if (m.returned) returned.add(m.returned);
      if (m.token) member.waiting.get(m.token)?.(m.ok!);
    }));
    const orphan = () => child.kill('SIGKILL');
    process.once('exit', orphan);
    child.once('exit', () => {
      process.off('exit', orphan);
      for (const done of member.waiting.values()) done(false);
    });
    all.push(member);
    return member;
  };
  const living = () => all.filter((m) => m.child.exitCode === null && m.child.signalCode === null);
  const stops: Promise<void>[] = [];
  const strike = async (how: 'killed' | 'stopped'): Promise<void> => {
    let some: Member[] = [];
    while (some.length < 2) {
      some = living().filter((m) => !m.struck.some((s) => Date.now() - s.at < STOPPED_MS + 1000));
      if (some.length < 2) await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const member = some[Math.floor(random.unit() * some.length)];
    await member.ready;
    member.struck.push({ at: Date.now(), how });
    log(`${member.name} ${how}`);
    member.child.kill(how === 'killed' ? 'SIGKILL' : 'SIGSTOP');
    if (how === 'killed') return void start();
    stops.push(new Promise((resolve) => setTimeout(() => (member.child.kill('SIGCONT'), resolve()), STOPPED_MS)));
  };
  const submit = async (token: string): Promise<boolean> => {
    let member: Member | undefined;
    while (member === undefined) {
      const usable = living().filter((m) => !m.struck.some((s) => Date.now() - s.at < STOPPED_MS + 500));
      member = usable[Math.floor(random.unit() * usable.length)];
      if (!member) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await member.ready;
    return new Promise((resolve) => {
      const slow = setTimeout(() => log(`${member.name} has ${token} for long; exit ${member.child.exitCode} ${member.child.signalCode}, ${member.child.connected}`), 30_000);
      member.waiting.set(token, (ok) => (clearTimeout(slow), member.waiting.delete(token), resolve(ok)));
      try {
        member.child.send({ submit: token }, (e) => e && member.waiting.get(token)?.(false));
      } catch {
        member.waiting.get(token)?.(false);
      }
    });
  };

  const acknowledged: string[] = [];
  try {
    for (let i = 0; i < replicas; i++) start();
    let [next, struck] = [0, 0];
    const lane = async () => {
      for (let i = next++; i < messages; i = next++) {
        // A mail app tries again, and can't know whether the first one went out.
        for (let n = 0; ; n++) {
          const token = `${i % 40 === 7 ? 'never' : 'm'}${i}-${n}`;
          if (await submit(token)) {
            acknowledged.push(token);
            break;
          }
        }
        if (struck < 2 * kills && i >= ((struck + 1) * messages) / (2 * kills + 2)) await strike(struck++ % 2 === 0 ? 'killed' : 'stopped');
      }
    };
    await Promise.all(Array.from({ length: 6 }, lane));
    await Promise.all(stops);
    const done = () => {
      const arrived = new Set(sink.taken.map((t) => t.token));
      return acknowledged.filter((t) => !arrived.has(t) && !returned.has(t));
    };
    // As long as anything comes, it goes on.
    let [left, since] = [Infinity, Date.now()];
    while (left > 0 && Date.now() - since < 60_000) {
      const now = done().length;
      if (now < left) [left, since] = [now, Date.now()];
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    // What would come twice has time to.
    await new Promise((resolve) => setTimeout(resolve, STOPPED_MS));
    return { ...weather(done()), wrong: await sink.checked() };
  } finally {
    for (const m of living()) m.child.kill('SIGKILL');
    await sink.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  function weather(lost: string[]): Omit<Weather, 'wrong'> {
    const twice: Weather['twice'] = { answerLost: 0, answerLate: 0, killed: 0, stopped: 0, resultLate: 0, unnamed: [] };
    /** Nobody else may go on sooner after the last line. */
    const soonest = TIMES.queue_answer_ms + TIMES.queue_margin_ms;
    const first = new Map<string, (typeof sink.taken)[number]>();
    for (const t of sink.taken) {
      const before = first.get(t.token);
      first.set(t.token, t);
      if (!before) continue;
      const owner = all.find((m) => m.name === before.by)!;
      const struckAfter = owner.struck.find((s) => s.at >= before.at - 50 && s.at < before.at + 2000);
      if (before.lost) twice.answerLost++;
      else if (struckAfter) twice[struckAfter.how]++;
      else if (unheard.has(`${before.by} ${t.token}`)) twice.answerLate++;
      else if (before.by !== t.by && t.at - before.at >= soonest) twice.resultLate++;
      else twice.unnamed.push(`${t.token}: ${before.by} at ${before.at - begun} ms, ${t.by} at ${t.at - begun} ms`);
    }
    const wronged = [...returned].filter((t) => !t.startsWith('never'));
    return { acknowledged: acknowledged.length, arrived: first.size, returned: returned.size, lost, wronged, twice, moods: Object.fromEntries(sink.moods), ms: Date.now() - begun };
  }
}
