// `replicas`: who serves, where, since when, and how long ago each was seen.
import type { Run } from './context.ts';
import { span, table } from './print.ts';

export const replicas: Run = async (c) => {
  const all = await (await c.admin()).replicas();
  const rows = all.map((r) => [r.id, r.address === '' ? '-' : r.address, r.version, r.slot, `${new Date(r.sinceMs).toISOString().slice(0, 16)}Z`, `${span(r.lagMs)} ago`, r.state]);
  c.out(rows.length === 0 ? 'no replica\n' : table(['ID', 'ADDRESS', 'VERSION', 'SLOT', 'SINCE', 'SEEN', 'STATE'], rows));
};
