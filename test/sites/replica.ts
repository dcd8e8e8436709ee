// A replica as a test wants it: the command `serve` itself, but with rules switched off, a clock that is wrong, and every
// connection made from the address of its site. What only this file reads stands in the environment as TRIAL, a JSON text.
import net from 'node:net';
import type { AccountMutations } from '../../src/account/index.ts';
import { systemClock } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { run } from '../../src/cli/run.ts';
import type { ServerModule } from '../../src/cli/admin.ts';
import { noMutations } from '../../src/log/index.ts';
import type { LogMutations } from '../../src/log/index.ts';
import type { Trial } from '../../src/replica.ts';
import * as server from '../../src/server.ts';
import type { StateMutations } from '../../src/state/index.ts';

export interface TrialText {
  /** What its clock shows less what is true. */
  skew_ms?: number;
  /** Its site's address. */
  from?: string;
  log?: Partial<LogMutations>;
  state?: StateMutations;
  account?: AccountMutations;
}

const wanted = JSON.parse(process.env.TRIAL ?? '{}') as TrialText;

/** A wall clock that is wrong; what it measures is right. */
const skewed = (ms: number): Clock => ({ ...systemClock, now: () => systemClock.now() + ms });

/** Loopback would let everybody speak from 127.0.0.1. */
function speakFrom(address: string): void {
  const methods = net.Socket.prototype as unknown as { connect(this: net.Socket, ...args: unknown[]): net.Socket };
  const real = methods.connect;
  methods.connect = function (...args) {
    const [first] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
    const options = first as { host?: string; port?: number; localAddress?: string };
    if (typeof options === 'object' && options.host?.startsWith('127.')) options.localAddress ??= address;
    return real.apply(this, args);
  };
}

if (wanted.from) speakFrom(wanted.from);
const trial: Trial = {
  clock: wanted.skew_ms ? skewed(wanted.skew_ms) : undefined,
  log: wanted.log ? { ...noMutations, ...wanted.log } : undefined,
  state: wanted.state,
  account: wanted.account,
};
process.env.UV_THREADPOOL_SIZE ??= '12';
process.exitCode = await run(['serve'], {
  stdin: process.stdin,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  server: async () => ({ admin: server.admin, serve: (config, logger) => server.serve(config, logger, trial) }) as ServerModule,
});
systemClock.after(500, () => process.exit());
