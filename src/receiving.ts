// Mail in, as far as strangers send it: whether it is judged, by what, and who may say where a connection comes from.
import { Malformed, Proxies } from './base/index.ts';
import type { Clock, Logger, Random } from './base/index.ts';
import type { Config } from './config.ts';
import { candidatesFor } from './directory/index.ts';
import type { Directory } from './directory/index.ts';
import { loadInbound } from './verify/index.ts';
import type { DmarcSeen, Inbound } from './verify/index.ts';

const LOOPBACK = /^(127\.|::1$|localhost$)/;
/** Of the memory for mail, so much may be messages that wait for their checks; beyond it they go through a file. */
const KEPT = 1 / 8;

/** Whether mail to the SMTP port is judged: on this machine alone nobody needs DNS for it. */
export function judges({ receiving, listen, ports }: Config): boolean {
  if (ports.smtp === 0) return false;
  if (receiving.checks !== null) return receiving.checks;
  const { rspamd, dnsbl, greylist } = receiving.inbound;
  return listen.some((address) => !LOOPBACK.test(address)) || receiving.proxyFrom.length > 0 || rspamd !== null || dnsbl.length > 0 || greylist;
}

export interface Receiving {
  readonly proxies: Proxies | undefined;
  /** Null when nothing is judged and nothing learned. */
  readonly inbound: Inbound | null;
}

/** `onDmarc` hears of each message whose author's domain has a DMARC record. */
export async function openReceiving(config: Config, { directory, clock, random, logger }: { directory: Directory; clock: Clock; random: Random; logger: Logger }, onDmarc: (seen: DmarcSeen) => void = () => {}): Promise<Receiving> {
  const { proxyFrom, inbound } = config.receiving;
  const proxies = proxyFrom.length === 0 ? undefined : new Proxies(proxyFrom, clock);
  const judge = judges(config);
  if (!judge && inbound.rspamd === null) return { proxies, inbound: null };
  const { openInbound } = await loadInbound();
  const isOurs = (name: string) => directory.state.hasDomain(name);
  const scoresOf = (address: string) => {
    try {
      const record = candidatesFor(address).map((name) => directory.state.owner(name)).find((r) => r !== null);
      return record ? directory.state.scoresOf(record.id) : null;
    } catch (e) {
      if (e instanceof Malformed) return null;
      throw e;
    }
  };
  const options = { hostname: config.hostname, isOurs, settings: { ...inbound, dns: config.sending.dns }, keptBytesMax: config.memory_bytes * KEPT, clock, random, logger, onDmarc, scoresOf };
  return { proxies, inbound: openInbound(options, judge) };
}
