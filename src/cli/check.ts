// `check`: reads every object, says what is wrong. Exit status 1 when anything is. With the user's password (or recovery
// code) on standard input every event and message is opened too. `--repair` mends first what can be mended, and says what.
import { Malformed } from '../base/index.ts';
import type { Run } from './context.ts';
import { complaint, size } from './print.ts';
import { secrets } from './secret-input.ts';

export const check: Run = async (c) => {
  const user = c.words[0] ?? null;
  if ((user === null) !== c.options.has('all')) throw new Malformed('usage: colombier check [--repair] USER, or colombier check [--repair] --all');
  const byCode = c.options.has('recovery-code');
  const asks = byCode || c.options.has('password-stdin');
  if (asks && user === null) throw new Malformed('a password opens one user: colombier check USER --password-stdin');
  const [secret] = asks ? await secrets(c, [byCode ? 'Recovery code' : 'Password']) : [];
  const proof = secret === undefined ? undefined : byCode ? { recoveryCode: secret } : { password: secret };
  const repair = c.options.has('repair');
  const sum = await (await c.admin()).check(user, (f) => c.out(complaint(f, `${f.mended ? 'mended: ' : ''}${f.problem}${f.object === null ? '' : ` (${f.object})`}`)), ...((repair ? [proof, true] : [proof]) as [typeof proof, true?]));
  const what = `${sum.users} user${sum.users === 1 ? '' : 's'}, ${sum.objects} objects, ${size(sum.bytes)}`;
  c.out(sum.findings === 0 ? `${what}: all is well\n` : `${what}: ${sum.findings} problem${sum.findings === 1 ? '' : 's'}\n`);
  return sum.findings === 0 ? 0 : 1;
};
