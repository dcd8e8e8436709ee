// `queue list|show|retry|hold|drop`
import type { Run } from './context.ts';
import { facts, size, table } from './print.ts';

const when = (ms: number | null): string => (ms === null ? '-' : `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`);
const clean = (text: string) => text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');

export const list: Run = async (c) => {
  const all = await (await c.admin()).queueList();
  if (all.length === 0) return void c.out('nothing waits\n');
  c.out(table(['ID', 'STATE', 'SINCE', 'NEXT', 'SIZE', 'FROM', 'TO', 'WHY'], all.map((m) => [m.id, m.state, when(m.at), when(m.state === 'held' ? null : m.nextAt), size(m.bytes), m.from || '<>', `${m.waiting[0] ?? '-'}${m.waiting.length > 1 ? ` and ${m.waiting.length - 1} more` : ''}`, m.why.slice(0, 80)])));
};

export const show: Run = async (c) => {
  const m = await (await c.admin()).queueShow(c.words[0]);
  c.out(facts([['Id', m.id], ['State', m.state], ['From', clean(m.from) || '<>'], ['Since', when(m.at)], ['Size', size(m.bytes)]]));
  c.out('\n');
  c.out(table(['TO', 'STATE', 'TRIES', 'NEXT', 'STATUS', 'HOST', 'ANSWER'], m.recipients.map((r) => [r.address, r.state, r.tries, when(r.nextAt), r.status, r.host, r.text])));
};

export const retry: Run = async (c) => {
  const n = await (await c.admin()).queueRetry(c.words[0]);
  c.out(`${n} message${n === 1 ? '' : 's'} tried again now\n`);
};

export const hold: Run = async (c) => {
  const off = c.options.has('off');
  await (await c.admin()).queueHold(c.words[0], !off);
  const what = c.words[0] === 'all' ? (off ? 'all that was held' : 'all that waits') : c.words[0];
  c.out(`${what} ${off ? 'goes on' : 'is held'}\n`);
};

export const drop: Run = async (c) => {
  const silent = c.options.has('silent');
  await (await c.admin()).queueDrop(c.words[0], silent);
  c.out(`${c.words[0]} dropped; its sender is ${silent ? 'not ' : ''}told\n`);
};
