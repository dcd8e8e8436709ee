// Which domains are one organization's, by the list of public suffixes that the checks of inbound mail use.
import { leanHttp } from '../base/index.ts';

/** Whether two domains have one Organizational Domain (RFC 7489 §3.2). The list takes 13 MB from its first use on. */
export async function sameOrganization(a: string, b: string): Promise<boolean> {
  leanHttp();
  // It has no types.
  const { getAlignment }: { getAlignment(a: string, b: string[]): object | false } = await import('mailauth/lib/tools.js' as string);
  return getAlignment(a, [b]) !== false;
}
