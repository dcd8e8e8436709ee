// A system that only remembers what the command line asked of it.
import { PassThrough } from 'node:stream';
import { Refused } from '../../src/base/index.ts';
import type { Admin, Service } from '../../src/cli/admin.ts';
import type { Io } from '../../src/cli/context.ts';
import { run } from '../../src/cli/run.ts';

export interface Ran {
  status: number;
  out: string;
  err: string;
}

export class FakeSystem {
  readonly calls: unknown[][] = [];
  answers: Record<string, unknown> = {};
  closed = 0;
  stopped = 0;
  tty = false;

  readonly admin: Admin = new Proxy({} as Admin, {
    get: (_, name: string) => {
      // Not a promise, though it is given by one.
      if (name === 'then') return undefined;
      return async (...args: unknown[]) => {
        if (name === 'close') return void this.closed++;
        this.calls.push([name, ...args]);
        const answer = this.answers[name];
        if (answer instanceof Error) throw answer;
        return typeof answer === 'function' ? answer(...args) : answer;
      };
    },
  });

  service(): Service {
    return { ports: { smtp: 1025, imap: 1143 }, admin: this.admin, notices: ['a notice'], stop: async () => void this.stopped++ };
  }

  /** Runs one command line; `input` is what stands on standard input. */
  async run(line: string, input: string | Buffer = '', env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const ran: Ran = { status: -1, out: '', err: '' };
    const stdin = new PassThrough() as Io['stdin'] & PassThrough;
    stdin.isTTY = this.tty;
    if (this.tty) stdin.write(input);
    else stdin.end(input);
    ran.status = await run(line.split(' ').filter((w) => w !== ''), {
      stdin,
      out: (t) => void (ran.out += t),
      err: (t) => void (ran.err += t),
      env,
      server: async () => ({ serve: async () => this.service(), admin: async () => this.admin }),
    });
    return ran;
  }
}

export const refusal = new Refused('no such user: x@example.org', 'NONEXISTENT');
