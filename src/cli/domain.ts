// `domain add|list|remove`
import type { Run } from './context.ts';
import { table } from './print.ts';

export const add: Run = async (c) => {
  await (await c.admin()).domainAdd(c.words[0]);
  c.out(`domain ${c.words[0]} added\n`);
};

export const list: Run = async (c) => {
  const domains = await (await c.admin()).domains();
  c.out(table(['DOMAIN', 'USERS', 'ADDRESSES'], domains.map((d) => [d.domain, d.users, d.addresses])));
};

export const remove: Run = async (c) => {
  await (await c.admin()).domainRemove(c.words[0]);
  c.out(`domain ${c.words[0]} removed\n`);
};
