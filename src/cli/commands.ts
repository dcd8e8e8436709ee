// The table of commands. Each is loaded when it runs: a replica keeps nothing in memory of what it doesn't need.
import type { Run } from './context.ts';

export interface Command {
  /** `user add` */
  readonly name: string;
  /** Words after the name, as the help shows them: `[X]` may be left out. */
  readonly usage: string;
  readonly help: string;
  /** Own options: true for those that take a value. */
  readonly options: Readonly<Record<string, boolean>>;
  readonly load: () => Promise<Run>;
  /** May be the first on an empty store, and makes the cluster secret then. */
  readonly begins?: true;
}

const command = (name: string, usage: string, help: string, load: () => Promise<Run>, options: Record<string, boolean> = {}): Command => ({ name, usage, help, load, options });

const stdin = { 'password-stdin': false };
const proof = { ...stdin, 'recovery-code': false };

export const commands: readonly Command[] = [
  command('start', '', 'serve, and make a first domain and user where there is none', async () => (await import('./serve.ts')).start, { address: true }),
  command('serve', '', 'run a replica until a signal ends it', async () => (await import('./serve.ts')).serve),
  { ...command('domain add', 'DOMAIN', 'take mail for a domain', async () => (await import('./domain.ts')).add), begins: true },
  command('domain list', '', 'domains and how many users and addresses each has', async () => (await import('./domain.ts')).list),
  command('domain dns', 'DOMAIN', 'print the DNS records that a domain needs', async () => (await import('./domain.ts')).dns),
  command('domain check', 'DOMAIN', 'compare them with what DNS has', async () => (await import('./domain.ts')).check),
  command('domain dkim rotate', 'DOMAIN', 'make new keys that sign, beside the old ones for a while', async () => (await import('./domain.ts')).rotate),
  command('domain remove', 'DOMAIN', 'give up a domain that has no user and no address', async () => (await import('./domain.ts')).remove),
  command('user add', 'ADDRESS', 'make a user; prints the recovery code, once', async () => (await import('./user.ts')).add, { ...stdin, generate: false }),
  command('user list', '[DOMAIN]', 'users, their mail and its size', async () => (await import('./user.ts')).list),
  command('user show', 'ADDRESS', 'all that is known of a user', async () => (await import('./user.ts')).show),
  command('user remove', 'ADDRESS', 'remove a user; their mail can no longer be read', async () => (await import('./user.ts')).remove),
  command('user quota', 'ADDRESS', 'how much mail a user may have: --bytes N (5G), --messages N, or --none', async () => (await import('./user-limits.ts')).quota, { bytes: true, messages: true, none: false }),
  command('user spam', 'ADDRESS', "from which score of rspamd on a user's mail goes to Junk (--junk N) or is refused (--reject N), or --none", async () => (await import('./user-limits.ts')).spam, { junk: true, reject: true, none: false }),
  command('user password', 'ADDRESS', 'a new password, by the old one or --recovery-code', async () => (await import('./user.ts')).password, proof),
  command('user app-password', 'ADDRESS [NAME]', 'make a password for one app, or --remove ID', async () => (await import('./user.ts')).appPassword, { ...proof, remove: true }),
  command('user recover', 'ADDRESS', 'a new password by the recovery code; prints the next code', async () => (await import('./user.ts')).recover, stdin),
  command('user export-key', 'ADDRESS', "print the user's secret OpenPGP key", async () => (await import('./user.ts')).exportKey, proof),
  command('address add', 'ADDRESS USER', 'an alias, or @DOMAIN for all that has no user; USER may be elsewhere', async () => (await import('./address.ts')).add),
  command('address list', '[DOMAIN]', 'aliases and where they lead', async () => (await import('./address.ts')).list),
  command('address remove', 'ADDRESS', 'remove an alias', async () => (await import('./address.ts')).remove),
  command('replicas', '', 'replicas, where they live, and when each was last seen', async () => (await import('./replicas.ts')).replicas),
  command('undelete', 'USER [MAILBOX]', 'list what a user removed in the last 23 days; with MAILBOX, --id ID or --all bring it back', async () => (await import('./undelete.ts')).undelete, { ...proof, id: true, all: false }),
  command('restored', '', 'once after the buckets came back from a backup: no UID is given out twice', async () => (await import('./restored.ts')).restored),
  command('secret new', '', 'print a new cluster secret', async () => (await import('./secret.ts')).make),
  command('secret status', '', 'what needs a former cluster secret still', async () => (await import('./secret.ts')).status),
  command('secret renew', '', 'list and write anew what needs it, so that it can be left out', async () => (await import('./secret.ts')).renew),
  command('queue list', '', 'messages that wait to be sent', async () => (await import('./queue.ts')).list),
  command('queue show', 'ID', 'one of them: each recipient, and what was said', async () => (await import('./queue.ts')).show),
  command('queue retry', 'ID', 'try it now; all: everything that waits and is not held', async () => (await import('./queue.ts')).retry),
  command('queue hold', 'ID', 'do not try it until hold --off; all: everything that waits', async () => (await import('./queue.ts')).hold, { off: false }),
  command('queue drop', 'ID', 'send it no more, and tell its sender, or nobody with --silent', async () => (await import('./queue.ts')).drop, { silent: false }),
  command('check', '[USER]', 'read every object of a user, or of all (--all), and say what is wrong; --repair mends what can be mended', async () => (await import('./check.ts')).check, { all: false, repair: false, ...proof }),
];
