// `domain add|list|dns|check|dkim rotate|remove`
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

export const rotate: Run = async (c) => {
  const { selectors, signsAtMs, removed } = await (await c.admin()).domainDkimRotate(c.words[0]);
  c.out(`new keys ${selectors.join(' and ')}: put their records of \`domain dns\` into DNS by ${new Date(signsAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC, when they begin to sign\n`);
  if (removed.length > 0) c.out(`removed ${removed.join(' and ')}: their records may leave DNS\n`);
};

/** A zone file's form: long texts in strings of 255 characters at most (RFC 1035 §3.3). */
const zoneValue = (type: string, value: string): string => (type === 'TXT' ? (value.match(/.{1,255}/g) ?? ['']).map((t) => `"${t}"`).join(' ') : value);

export const dns: Run = async (c) => {
  const records = await (await c.admin()).domainDns(c.words[0]);
  const host = records.find((r) => r.type === 'MX')?.value.split(' ').at(-1)!.replace(/\.$/, '') ?? '';
  if (!host.includes('.')) c.err(`The server's name, ${host}, is no full one: set hostname, such as mail.${c.words[0]}, before these records go into DNS.\n`);
  for (const r of records) c.out(`; ${r.why}\n${r.name}. IN ${r.type} ${zoneValue(r.type, r.value)}\n`);
};

export const check: Run = async (c) => {
  const verdicts = await (await c.admin()).domainCheck(c.words[0]);
  c.out(table(['RECORD', 'TYPE', 'STATE', ''], verdicts.map((v) => [v.name, v.type, v.state, v.text])));
  return verdicts.every((v) => v.state === 'ok') ? 0 : 1;
};
