// `serve` and `start`: a replica until a signal ends it.
import module from 'node:module';
import { Malformed, reason } from '../base/index.ts';
import type { Config } from '../config.ts';
import type { Service } from './admin.ts';
import type { Context, Run } from './context.ts';
import { facts } from './print.ts';
import { untilSignal } from './signals.ts';

/** The first user where none was named. `.test` is nobody's domain (RFC 6761). */
const FIRST_ADDRESS = 'me@colombier.test';

export const serve: Run = (c) =>
  replica(c, async ({ admin }) => {
    // Whether it can be told now keeps nobody waiting.
    admin.domains().then(
      (all) => all.length === 0 && c.logger.warn('the store has no domain: all mail is put off until "domain add" makes one; if there was one, is this the right store, and its disk mounted?'),
      () => {},
    );
  });

export const start: Run = (c) => {
  const address = c.options.get('address') ?? FIRST_ADDRESS;
  if (typeof address !== 'string' || !/^[^@\s]+@[^@\s]+$/.test(address)) throw new Malformed(`address: "${String(address)}" is no mail address`);
  return replica(c, async (service) => {
    for (const line of service.notices) c.out(`${line}\n`);
    const made = await firstUser(service, address);
    c.out(welcome(c.config, service, made));
  });
};

async function replica(c: Context, ready: (service: Service) => Promise<void>): Promise<number> {
  const bug = (e: unknown) => c.logger.error('bug', { reason: reason(e), at: e instanceof Error ? e.stack?.split('\n')[1]?.trim() : undefined });
  // A bug costs what it happened in, never the others' mail and sessions.
  process.on('uncaughtException', bug);
  process.on('unhandledRejection', bug);
  const signal = untilSignal(c.err);
  try {
    const service = await (await c.server()).serve(c.config, c.logger);
    try {
      await ready(service);
      module.flushCompileCache?.(); // a process that is killed later leaves its compiled modules to the next
      c.logger.info('ready', { ...service.ports, pid: process.pid });
      const name = await signal.caught;
      c.logger.info('stopping', { signal: name });
    } finally {
      await service.stop();
    }
    c.logger.info('stopped');
    return 0;
  } finally {
    signal.release();
    process.off('uncaughtException', bug);
    process.off('unhandledRejection', bug);
  }
}

interface First {
  address: string;
  password: string;
  recoveryCode: string;
}

async function firstUser(service: Service, address: string): Promise<First | null> {
  const { admin } = service;
  if ((await admin.domains()).length > 0) return null;
  const { generatedPassword } = await import('./user.ts');
  const password = generatedPassword();
  await admin.domainAdd(address.slice(address.indexOf('@') + 1));
  const { recoveryCode } = await admin.userAdd(address, password);
  return { address, password, recoveryCode };
}

function welcome(config: Config, service: Service, first: First | null): string {
  const { ports } = service;
  const everywhere = config.listen.some((a) => a === '0.0.0.0' || a === '::');
  const host = everywhere ? config.hostname : config.listen[0];
  const at = (port: number | undefined, more = '') => (port === undefined ? 'off' : `${host} port ${port}${more}`);
  let text = '\n';
  if (first !== null) {
    text += 'Your first account, shown this once: write it down.\n';
    text += facts([['Address', first.address], ['Password', first.password], ['Recovery code', first.recoveryCode]], '  ');
    text += '\n';
  }
  text += 'In a mail app, choose an IMAP account:\n';
  text += facts(
    [
      ['Server', at(ports.imap, ', STARTTLS')],
      ...(ports.imaps === undefined ? [] : [['or', at(ports.imaps, ', TLS')] as [string, string]]),
      ['User name', first?.address ?? 'the whole mail address'],
      ['Sending', at(ports.submission, ', STARTTLS')],
      ...(ports.submissions === undefined ? [] : [['or', at(ports.submissions, ', TLS')] as [string, string]]),
    ],
    '  ',
  );
  text += '\nMail comes in by:\n';
  text += facts([['SMTP', at(ports.smtp)], ['LMTP', at(ports.lmtp)]], '  ');
  if (first !== null && ports.smtp !== undefined) {
    text += `\nTo try it: curl smtp://${host.includes(':') ? `[${host}]` : host}:${ports.smtp} --mail-from you@example.com --mail-rcpt ${first.address} -T FILE\n`;
  }
  return `${text}\nCtrl-C ends it.\n`;
}
