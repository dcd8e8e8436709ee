// One small text over HTTPS, as MTA-STS asks for it (RFC 8461 §3.3): certificate checked, no redirect, bounded in size and time.
import type { LookupFunction } from 'node:net';
import { Unavailable, limits } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { Dns } from './dns.ts';
import type { FetchText } from './sts.ts';

export function fetchTextBy(dns: Dns, port: number, hostname: string, clock: Clock): FetchText {
  /** By the resolver of the settings. */
  const lookup: LookupFunction = (name, options, callback) => {
    void Promise.allSettled([dns.a(name), dns.aaaa(name)]).then((found) => {
      const all = found.flatMap((x, i) => (x.status === 'fulfilled' ? x.value.map((address) => ({ address, family: i === 0 ? 4 : 6 })) : []));
      if (all.length === 0) return callback(Object.assign(new Error(`${name} has no address`), { code: 'ENOTFOUND' }), '', 0);
      if (options.all) callback(null, all);
      else callback(null, all[0].address, all[0].family);
    });
  };
  return async (host, path) => {
    // Loaded when it is wanted: most replicas send little.
    const { Agent, request } = await import('undici');
    const agent = new Agent({ connect: { lookup, timeout: limits.queue_connect_ms_max }, connections: 1, pipelining: 0, maxResponseSize: limits.sts_policy_bytes_max, maxHeaderSize: 16 * 1024 });
    const over = new AbortController();
    const cancel = clock.after(limits.sts_fetch_ms_max, () => over.abort(new Unavailable('no policy in time')));
    try {
      // request follows no redirect.
      const { statusCode, headers, body } = await request(`https://${host}${port === 443 ? '' : `:${port}`}${path}`, { dispatcher: agent, signal: over.signal, headers: { accept: 'text/plain', 'user-agent': `Colombier (${hostname})` } });
      // What is cut off here says so as an error, to nobody.
      body.on('error', () => {});
      const type = String(headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
      if (statusCode !== 200 || type !== 'text/plain') {
        body.destroy();
        throw new Unavailable(`https://${host}${path}: ${statusCode} ${type}`);
      }
      const pieces: Buffer[] = [];
      let bytes = 0;
      for await (const piece of body) {
        bytes += piece.length;
        if (bytes > limits.sts_policy_bytes_max) throw new Unavailable(`https://${host}${path}: too long`);
        pieces.push(piece);
      }
      return Buffer.concat(pieces).toString('latin1');
    } finally {
      cancel();
      await agent.destroy().catch(() => {});
    }
  };
}
