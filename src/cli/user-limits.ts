// `user quota|spam`: without an option they show what is set.
import { Malformed } from '../base/index.ts';
import type { SpamScores } from './admin.ts';
import type { Context, Run } from './context.ts';
import { size } from './print.ts';

const UNITS = ['', 'K', 'M', 'G', 'T'];

/** `5G` is 5 × 2^30. Malformed. */
export function bytesOf(text: string): number {
  const m = /^(\d{1,15})([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = m === null ? NaN : Number(m[1]) * 1024 ** UNITS.indexOf(m[2].toUpperCase());
  if (!Number.isSafeInteger(bytes) || bytes === 0) throw new Malformed(`--bytes ${text.slice(0, 40)}: expected a number of bytes, such as 5000000000 or 5G`);
  return bytes;
}

function messagesOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Malformed(`--messages ${text.slice(0, 40)}: expected a number of messages`);
  return Number(text);
}

/** In tenths. Malformed. */
function scoreOf(name: string, text: string): number {
  if (!/^\d{1,4}(\.\d)?$/.test(text)) throw new Malformed(`--${name} ${text.slice(0, 40)}: expected a score, such as 6 or 12.5`);
  return Math.round(Number(text) * 10);
}

function given(c: Context, name: string): string | null {
  const value = c.options.get(name);
  if (typeof value !== 'string') return null;
  if (c.options.has('none')) throw new Malformed(`--none and --${name} exclude each other`);
  return value;
}

export const quota: Run = async (c) => {
  const [address] = c.words;
  const [bytesText, messagesText] = [given(c, 'bytes'), given(c, 'messages')];
  const bytes = bytesText === null ? null : bytesOf(bytesText);
  const messages = messagesText === null ? null : messagesOf(messagesText);
  const admin = await c.admin();
  if (c.options.has('none')) await admin.quota(address, 0, 0);
  else if (bytes !== null || messages !== null) await admin.quota(address, bytes, messages);
  const user = await admin.user(address);
  const limits = quotaText(user);
  const used = user.bytes === null ? '' : `, ${size(user.bytes)} in ${user.messages} message${user.messages === 1 ? '' : 's'} used`;
  c.out(`${user.address}: ${limits === null ? 'no quota' : `quota ${limits}`}${used}\n`);
};

/** For people; null: no limit. */
export function quotaText({ quotaBytes, quotaMessages }: { quotaBytes: number | null; quotaMessages: number | null }): string | null {
  const limits = [...(quotaBytes === null ? [] : [size(quotaBytes)]), ...(quotaMessages === null ? [] : [`${quotaMessages} message${quotaMessages === 1 ? '' : 's'}`])];
  return limits.join(' and ') || null;
}

/** For people. */
export function scoresText(scores: SpamScores | null): string {
  const one = (score: number | null, what: string) => (score === null ? [] : [`${what} from ${score / 10} on`]);
  return [...one(scores?.junk ?? null, 'Junk'), ...one(scores?.reject ?? null, 'refused')].join(', ') || 'as rspamd says';
}

export const spam: Run = async (c) => {
  const [address] = c.words;
  const wanted = ['junk', 'reject'].map((name) => ({ name, text: given(c, name) }));
  const [junk, reject] = wanted.map(({ name, text }) => (text === null ? null : scoreOf(name, text)));
  if (junk !== null && reject !== null && reject < junk) throw new Malformed('--reject must not be below --junk');
  const admin = await c.admin();
  if (junk !== null || reject !== null || c.options.has('none')) await admin.spamScores(address, { junk, reject });
  const user = await admin.user(address);
  c.out(`${user.address}: ${scoresText(user.spamScores)}\n`);
};
