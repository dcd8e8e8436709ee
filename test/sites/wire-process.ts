// The wires between sites, in a process of their own, so that who measures does not delay what is measured: TCP proxies
// that know from its address which site calls, and delay, cut or spoil what goes between two sites as they are told.
import net from 'node:net';
import type { Between, Kind, ToWires } from './wires.ts';

interface Port {
  site: number;
  kind: Kind;
  to: { host: string; port: number };
}

/** One direction of one connection. */
interface Lane {
  from: net.Socket;
  to: net.Socket;
  held: { at: number; bytes: Buffer | null }[];
  bytes: number;
  timer: NodeJS.Timeout | null;
}

interface Call {
  a: number;
  port: Port;
  /** While something waits for an answer that does not come. */
  givingUp: NodeJS.Timeout | null;
  sockets: [net.Socket, net.Socket];
  lanes: [Lane, Lane];
}

/** A kernel gives up a connection on which nothing is acknowledged, as the deployment sets it (net.ipv4.tcp_retries2 = 5). */
const GIVE_UP_MS = 13_000;
const HELD_BYTES_MAX = 8 * 1024 * 1024;
const OPEN: Between = { mode: 'open', delay: 0, jitter: 0, lostAnswers: 0 };
const rules = new Map<string, Between>();
const calls = new Set<Call>();

/** The site of an address 127.0.0.11, .12, …; 0: nobody's. */
const siteOf = (address: string | undefined): number => {
  const last = Number(/127\.0\.0\.(\d+)$/.exec(address ?? '')?.[1] ?? 0) - 10;
  return last >= 1 && last <= 9 ? last : 0;
};
const key = (a: number, b: number, kind: Kind): string => `${Math.min(a, b)}-${Math.max(a, b)}-${kind}`;
const ruleOf = (a: number, port: Port): Between => rules.get(key(a, port.site, port.kind)) ?? OPEN;

function listen(host: string, number: number, port: Port, ready: () => void): void {
  const server = net.createServer({ noDelay: true }, (near) => {
    const a = siteOf(near.remoteAddress);
    if (ruleOf(a, port).mode === 'reset') return void near.resetAndDestroy();
    const far = net.connect({ ...port.to, noDelay: true });
    const lanes: [Lane, Lane] = [laneOf(near, far), laneOf(far, near)];
    const call: Call = { a, port, givingUp: null, sockets: [near, far], lanes };
    calls.add(call);
    lanes.forEach((lane, i) => {
      lane.from.on('data', (bytes: Buffer) => {
        const rule = ruleOf(a, port);
        // The request has happened, its answer never comes.
        if (i === 1 && rule.lostAnswers > 0 && Math.random() < rule.lostAnswers) return end(call);
        const last = lane.held.at(-1)?.at ?? 0;
        lane.held.push({ at: Math.max(last, performance.now() + rule.delay + Math.random() * rule.jitter), bytes });
        lane.bytes += bytes.length;
        if (lane.bytes > HELD_BYTES_MAX) lane.from.pause();
        flow(call, lane);
      });
      lane.from.on('end', () => {
        lane.held.push({ at: Math.max(lane.held.at(-1)?.at ?? 0, performance.now() + ruleOf(a, port).delay), bytes: null });
        flow(call, lane);
      });
      lane.from.on('error', () => end(call));
      lane.from.on('close', () => {
        if (lane.held.length === 0) end(call);
      });
    });
  });
  server.listen(number, host, ready);
}

const laneOf = (from: net.Socket, to: net.Socket): Lane => ({ from, to, held: [], bytes: 0, timer: null });

function end(call: Call): void {
  if (!calls.delete(call)) return;
  for (const timer of [call.givingUp, ...call.lanes.map((lane) => lane.timer)]) if (timer) clearTimeout(timer);
  for (const socket of call.sockets) socket.destroy();
}

/** Sends on what is due. What is cut holds everything back: it arrives when the cut is over, if anybody still listens. */
function flow(call: Call, lane: Lane): void {
  if (lane.timer !== null) return;
  const { mode } = ruleOf(call.a, call.port);
  if (mode === 'silent') {
    // Within one machine a silent process keeps its connections.
    if (lane.held.length > 0 && call.a !== call.port.site) call.givingUp ??= setTimeout(() => end(call), GIVE_UP_MS);
    return;
  }
  if (call.givingUp) clearTimeout(call.givingUp);
  call.givingUp = null;
  const now = performance.now();
  let next = lane.held[0];
  for (; next && next.at <= now; next = lane.held[0]) {
    lane.held.shift();
    if (next.bytes === null) lane.to.end();
    else {
      lane.bytes -= next.bytes.length;
      lane.to.write(next.bytes);
    }
  }
  if (lane.from.isPaused() && lane.bytes < HELD_BYTES_MAX / 2) lane.from.resume();
  if (!next) return lane.from.destroyed ? end(call) : undefined;
  lane.timer = setTimeout(() => {
    lane.timer = null;
    flow(call, lane);
  }, next.at - now);
}

process.on('message', (message: ToWires) => {
  if (message.say === 'listen') {
    listen(message.host, message.port, { site: message.site, kind: message.kind, to: message.to }, () => process.send!({ done: message.id }));
    return;
  }
  if (message.say === 'set') {
    for (const { a, b, kind, rule } of message.rules) rules.set(key(a, b, kind), rule);
  }
  for (const call of [...calls]) {
    const rule = ruleOf(call.a, call.port);
    if (rule.mode === 'reset') end(call);
    else for (const lane of call.lanes) flow(call, lane);
  }
  process.send!({ done: message.id });
});
process.on('disconnect', () => process.exit(0));
