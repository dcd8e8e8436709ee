// Refusals as an administrator tries them, by swaks; and its PROXY headers, which others wrote.
import assert from 'node:assert/strict';
import { dnsServer } from '../verify/dns-server.ts';
import { head, zone } from '../verify/inbound.ts';
import { Site } from './site.ts';
import type { Replica } from './site.ts';
import { needs, run } from './tools.ts';

describe('real/swaks', function () {
  this.timeout(60_000);
  let site: Site;
  let dns: Awaited<ReturnType<typeof dnsServer>>;
  let replica: Replica;
  before(async function () {
    needs(this as never, 'swaks', ['--version'], 'scripts/debian.sh');
    const records = zone();
    records['A 9.113.0.203.bl.test'] = ['127.0.0.2'];
    dns = await dnsServer(records);
    site = new Site({ COLOMBIER_DNS: dns.address, COLOMBIER_PROXY_FROM: '127.0.0.0/8', COLOMBIER_DMARC: 'reject', COLOMBIER_DNSBL: 'bl.test', COLOMBIER_GREYLIST: 'on' });
    await site.people('ann', 'postmaster');
    replica = await site.start();
  });
  after(async () => {
    await site?.end();
    dns?.stop();
  });
  const swaks = async (from: string, words: string[], version = 1, to = 'postmaster@real.example') => {
    const family = from.includes(':') ? (version === 2 ? 'AF_INET6' : 'TCP6') : version === 2 ? 'AF_INET' : 'TCP4';
    const proxy = ['--proxy-version', String(version), '--proxy-family', family, '--proxy-source', from, '--proxy-source-port', '4000', '--proxy-dest', from, '--proxy-dest-port', '25', ...(version === 2 ? ['--proxy-protocol', 'STREAM', '--proxy-command', 'PROXY'] : [])];
    return run('swaks', ['--server', `127.0.0.1:${replica.smtp}`, '--helo', 'mx.bob.test', '--from', 'ann@bob.test', '--to', to, '--timeout', '20', ...proxy, ...words]);
  };

  it('speaks both versions of the PROXY protocol to us', async () => {
    // A stranger is greylisted under the address that the header names; in the log it stands, too.
    for (const [from, version] of [['192.0.2.1', 1], ['192.0.3.1', 2], ['2001:db8::1', 1], ['2001:db8:1::1', 2]] as const) {
      const { out, status } = await swaks(from, ['--quit-after', 'RCPT'], version, 'ann@real.example');
      assert.match(out, /451 4\.7\.1 greylisted/, `${from} ${out}`);
      assert.notEqual(status, 0);
    }
  });

  it('is refused with a reason that a person can act on', async () => {
    const refusals: [string, string[], string, RegExp][] = [
      ['203.0.113.9', [], 'ann@real.example', /550 5\.7\.1 your address 203\.0\.113\.9 is listed by bl\.test/],
      ['192.0.2.1', [], 'nobody@real.example', /550 5\.1\.1/],
      ['192.0.2.1', [], 'ann@elsewhere.example', /550 5\.7\.1/],
    ];
    for (const [from, words, to, what] of refusals) {
      const { out, status } = await swaks(from, words, 1, to);
      assert.match(out, what);
      assert.notEqual(status, 0);
    }
  });

  it('brings a message with a forged author', async () => {
    // To the postmaster, whom greylisting does not touch.
    const { out, status } = await swaks('198.51.100.66', ['--data', `${head('ceo@strict.test')}\nPay.\n`.replaceAll('\r\n', '\n')]);
    assert.match(out, /550 5\.7\.1 the policy of the author's domain \(DMARC\) refuses this message/);
    assert.notEqual(status, 0);
    assert.equal((await swaks('192.0.2.1', ['--data', `${head('ann@bob.test')}\nHello.\n`.replaceAll('\r\n', '\n')], 2)).status, 0);
  });
});
