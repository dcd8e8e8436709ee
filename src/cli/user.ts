// `user add|list|show|remove|password|app-password|recover|export-key`
import { Malformed, randomId, systemRandom } from '../base/index.ts';
import type { Proof } from './admin.ts';
import type { Context, Run } from './context.ts';
import { facts, size, table } from './print.ts';
import { secrets } from './secret-input.ts';
import { quotaText, scoresText } from './user-limits.ts';

/** A password that nobody chose: 80 bits in groups that can be typed. */
export function generatedPassword(): string {
  return randomId(systemRandom, 80).match(/.{4}/g)!.join('-');
}

export const add: Run = async (c) => {
  const [address] = c.words;
  const generate = c.options.has('generate');
  if (generate && c.options.has('password-stdin')) throw new Malformed('--generate and --password-stdin exclude each other');
  const password = generate ? generatedPassword() : (await secrets(c, ['New password']))[0];
  const user = await (await c.admin()).userAdd(address, password);
  const rows: [string, string][] = [['User', user.address], ['Recovery code', user.recoveryCode]];
  if (generate) rows.splice(1, 0, ['Password', password]);
  c.out(facts(rows));
  c.err('The recovery code is shown this once; without it a forgotten password loses all mail.\n');
};

export const list: Run = async (c) => {
  const users = await (await c.admin()).users(c.words[0] ?? null);
  c.out(table(['USER', 'MESSAGES', 'SIZE', 'ID'], users.map((u) => [u.address, u.messages, u.bytes === null ? null : size(u.bytes), u.id])));
};

export const show: Run = async (c) => {
  const u = await (await c.admin()).user(c.words[0]);
  const rows: [string, string][] = [
    ['User', u.address],
    ['Id', u.id],
    ['Addresses', u.addresses.join(', ') || '-'],
    ['Messages', String(u.messages ?? '-')],
    ['Size', u.bytes === null ? '-' : size(u.bytes)],
    ['Quota', quotaText(u) ?? 'none'],
    ['Spam', scoresText(u.spamScores)],
    ['Password', u.hasPassword ? 'set' : 'none'],
    ['Key', u.keyFingerprint ?? '-'],
    ...u.appPasswords.map((p): [string, string] => ['App password', `${p.id}  ${new Date(p.createdMs).toISOString().slice(0, 10)}  ${p.name.replace(/[\x00-\x1f\x7f-\x9f]/g, '?')}`]),
  ];
  c.out(facts(rows));
};

export const remove: Run = async (c) => {
  await (await c.admin()).userRemove(c.words[0]);
  c.out(`user ${c.words[0]} removed\n`);
};

const byCode = (c: Context) => c.options.has('recovery-code');
const proofQuestion = (c: Context, old: string) => (byCode(c) ? 'Recovery code' : old);
const proofOf = (c: Context, secret: string): Proof => (byCode(c) ? { recoveryCode: secret } : { password: secret });

export const password: Run = async (c) => {
  const [address] = c.words;
  const [old, next] = await secrets(c, [proofQuestion(c, 'Old password'), 'New password']);
  await (await c.admin()).password(address, proofOf(c, old), next);
  c.out(`password of ${address} changed\n`);
};

export const appPassword: Run = async (c) => {
  const [address, name] = c.words;
  const id = c.options.get('remove');
  if (typeof id === 'string') {
    if (name !== undefined) throw new Malformed('--remove takes an id, and no name is given');
    await (await c.admin()).appPasswordRemove(address, id);
    c.out(`app password ${id} removed\n`);
    return;
  }
  const [secret] = await secrets(c, [proofQuestion(c, 'Password')]);
  const made = await (await c.admin()).appPassword(address, proofOf(c, secret), name ?? '');
  c.out(facts([['Id', made.id], ['App password', made.password]]));
};

export const recover: Run = async (c) => {
  const [address] = c.words;
  const [code, next] = await secrets(c, ['Recovery code', 'New password']);
  const { recoveryCode } = await (await c.admin()).recover(address, code, next);
  c.out(facts([['User', address], ['Recovery code', recoveryCode]]));
  c.err('This is the recovery code from now on, shown this once.\n');
};

export const exportKey: Run = async (c) => {
  const [secret] = await secrets(c, [proofQuestion(c, 'Password')]);
  const key = await (await c.admin()).exportKey(c.words[0], proofOf(c, secret));
  c.out(key.endsWith('\n') ? key : `${key}\n`);
};
