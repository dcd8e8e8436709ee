// `address add|list|remove`: aliases and catch-alls, and addresses that lead elsewhere.
import type { Run } from './context.ts';
import { table } from './print.ts';

export const add: Run = async (c) => {
  const [address, user] = c.words;
  await (await c.admin()).addressAdd(address, user);
  c.out(`${address} leads to ${user}\n`);
};

export const list: Run = async (c) => {
  const addresses = await (await c.admin()).addresses(c.words[0] ?? null);
  c.out(table(['ADDRESS', 'USER'], addresses.map((a) => [a.address, a.user])));
};

export const remove: Run = async (c) => {
  await (await c.admin()).addressRemove(c.words[0]);
  c.out(`${c.words[0]} removed\n`);
};
