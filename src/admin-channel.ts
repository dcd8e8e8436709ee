// What the command line asks of a running replica, as JSON over the peer channel: each method of Admin by its name, its
// arguments checked, its errors as the four kinds. Passwords travel in it and are never logged.
import { Corrupt, Malformed, Refused, ReplicaAway, Unavailable, reason } from './base/index.ts';
import type { Logger } from './base/index.ts';
import type { Admin, Finding } from './cli/admin.ts';
import type { Answerer, Asking } from './peers/index.ts';

type Check = (value: unknown) => boolean;
const text: Check = (v) => typeof v === 'string';
const maybeText: Check = (v) => v === null || text(v);
const maybeCount: Check = (v) => v === null || (Number.isSafeInteger(v) && (v as number) >= 0);
const proof: Check = (v) => typeof v === 'object' && v !== null && Object.keys(v).length === 1 && (text((v as Record<string, unknown>).password) || text((v as Record<string, unknown>).recoveryCode));

/** Every method but `check`, whose findings come one by one, and `close`. */
const METHODS: Record<Exclude<keyof Admin, 'check' | 'close'>, readonly Check[]> = {
  domainAdd: [text],
  domains: [],
  domainRemove: [text],
  userAdd: [text, text],
  domainDns: [text],
  domainDkimRotate: [text],
  domainCheck: [text],
  queueList: [],
  queueShow: [text],
  queueRetry: [text],
  queueHold: [text, (v) => typeof v === 'boolean'],
  queueDrop: [text, (v) => typeof v === 'boolean'],
  users: [maybeText],
  user: [text],
  userRemove: [text],
  quota: [text, maybeCount, maybeCount],
  spamScores: [text, (v) => typeof v === 'object' && v !== null && Object.keys(v).length === 2 && maybeCount((v as Record<string, unknown>).junk) && maybeCount((v as Record<string, unknown>).reject)],
  password: [text, proof, text],
  appPassword: [text, proof, text],
  appPasswordRemove: [text, text],
  recover: [text, text, text],
  exportKey: [text, proof],
  addressAdd: [text, text],
  addressRemove: [text],
  addresses: [maybeText],
  replicas: [],
  removed: [text, proof],
  undelete: [text, proof, (v) => v === 'all' || (typeof v === 'object' && v !== null && Object.keys(v).length === 1 && (text((v as Record<string, unknown>).id) || text((v as Record<string, unknown>).mailbox)))],
  restored: [],
  secretStatus: [],
  secretRenew: [],
};

/** Code of what is wrong with the replica alone: releases before it send none. */
const REPLICA = 'REPLICA';

interface Failure {
  kind: string;
  message: string;
  code: string | null;
}
type Message = { finding: Finding } | { answer: unknown } | { error: Failure };
const pack = (message: Message): Buffer => Buffer.from(JSON.stringify(message));

/** Answers by `admin` (null: not yet). */
export function answerer(admin: () => Admin | null, logger: Logger): Answerer {
  return async (bytes, tell) => {
    try {
      const at = admin();
      if (!at) throw new ReplicaAway('the replica is starting or stopping');
      return pack({ answer: (await perform(at, bytes, tell)) ?? null });
    } catch (e) {
      if (e instanceof Malformed || e instanceof Refused || e instanceof Unavailable || e instanceof Corrupt) return pack({ error: failureOf(e) });
      logger.error('bug', { reason: reason(e), at: e instanceof Error ? e.stack?.split('\n')[1]?.trim() : undefined });
      return pack({ error: failureOf(new ReplicaAway('the replica met an error of its own: see its log')) });
    }
  };
}

async function perform(admin: Admin, bytes: Buffer, tell: (message: Buffer) => Promise<void>): Promise<unknown> {
  const { method, args } = parse(bytes);
  if (method === 'check') {
    if (!maybeText(args[0]) || (args.length > 1 && !(proof(args[1]) || (args[1] === null && args.length === 3))) || (args.length > 2 && typeof args[2] !== 'boolean') || args.length > 3) throw new Malformed('the request can not be read');
    let told = Promise.resolve();
    let gone = false;
    const found = (finding: Finding): void => {
      if (gone) throw new Unavailable('nobody listens any more');
      told = told.then(() => tell(pack({ finding }))).catch(() => void (gone = true));
    };
    const by = (args[1] ?? undefined) as never;
    const sum = await (args[2] === true ? admin.check(args[0] as string | null, found, by, true) : admin.check(args[0] as string | null, found, by));
    await told;
    return sum;
  }
  const checks = Object.hasOwn(METHODS, method) ? METHODS[method as keyof typeof METHODS] : null;
  if (!checks) throw new Malformed('the replica is of another release and does not know this command');
  if (args.length !== checks.length || !checks.every((check, i) => check(args[i]))) throw new Malformed('the request can not be read');
  return (admin[method as keyof typeof METHODS] as (...args: unknown[]) => Promise<unknown>)(...args);
}

function parse(bytes: Buffer): { method: string; args: unknown[] } {
  const request = readJson(bytes) as { method?: unknown; args?: unknown } | null;
  if (typeof request?.method !== 'string' || !Array.isArray(request.args)) throw new Malformed('the request can not be read');
  return { method: request.method, args: request.args };
}

function readJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null;
  }
}

const failureOf = (e: Error): Failure => ({ kind: e.name, message: e.message, code: e instanceof Refused ? e.code : e instanceof ReplicaAway ? REPLICA : null });

function errorOf({ kind, message, code }: Failure): Error {
  if (kind === 'Malformed') return new Malformed(message);
  if (kind === 'Refused') return new Refused(message, code);
  if (kind === 'Corrupt') return new Corrupt(message);
  return code === REPLICA ? new ReplicaAway(message) : new Unavailable(message);
}

async function ask(asking: Asking, method: string, args: unknown[], found: (finding: Finding) => void = () => {}): Promise<unknown> {
  const answer = await asking.ask(Buffer.from(JSON.stringify({ method, args })), (message) => {
    const told = JSON.parse(message.toString()) as Message;
    if ('finding' in told) found(told.finding);
  });
  const message = JSON.parse(answer.toString()) as Message;
  if ('error' in message) throw errorOf(message.error);
  return (message as { answer: unknown }).answer;
}

/** The administration of another process. */
export function remoteAdmin(asking: Asking): Admin {
  const methods = Object.fromEntries(Object.keys(METHODS).map((method) => [method, (...args: unknown[]) => ask(asking, method, args)]));
  return {
    ...(methods as unknown as Admin),
    check: (user, found, by, repair) => ask(asking, 'check', repair ? [user, by ?? null, true] : by === undefined ? [user] : [user, by], found) as ReturnType<Admin['check']>,
    close: async () => asking.close(),
  };
}
