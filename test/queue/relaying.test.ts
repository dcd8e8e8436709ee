// Nothing is smuggled through this server (CVE-2023-51764 and its like): what looks like an end of data somewhere else, and came in
// with a message, goes out as no end for anybody, by DATA and by BDAT, from own users and from strangers whose mail is handed on.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { Forwarder, Route } from '../../src/queue/index.ts';
import { SmtpServer, SubmissionServer } from '../../src/smtp/index.ts';
import { until } from '../real/site.ts';
import { skip } from '../real/tools.ts';
import { Dialogue } from '../smtp/dialogue.ts';
import { QueueWorld, memorySpool } from './world.ts';

/** Every byte that comes, with answers to commands; the end of data is CRLF . CRLF alone. */
class Wire {
  /** Of each message, all bytes behind 354, the last CRLF . CRLF too; or those of its chunks. */
  readonly data: string[] = [];
  readonly commands: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(extensions: string[], host: string) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket.setNoDelay(true).on('error', () => {}));
      let [all, data, chunks] = ['', false, ''];
      socket.write('220 there\r\n');
      socket.on('data', (piece) => {
        all += piece.toString('latin1');
        for (;;) {
          const end = all.indexOf(data ? '\r\n.\r\n' : '\r\n');
          if (end < 0) return;
          const line = all.slice(0, end);
          if (data) {
            this.data.push(all.slice(0, end + 5));
            [all, data] = [all.slice(end + 5), false];
            socket.write('250 2.0.0 taken\r\n');
            continue;
          }
          const [, size, last] = /^BDAT (\d+)( LAST)?$/.exec(line) ?? [];
          const after = end + 2 + Number(size ?? 0);
          if (all.length < after) return;
          this.commands.push(line);
          chunks += all.slice(end + 2, after);
          all = all.slice(after);
          if (last !== undefined) [chunks] = ['', this.data.push(chunks)];
          data = line === 'DATA';
          socket.write(/^EHLO/.test(line) ? ['250-there', ...extensions.map((x) => `250-${x}`), '250 HELP\r\n'].join('\r\n') : data ? '354 go\r\n' : '250 2.0.0 fine\r\n');
        }
      });
    });
    this.ready = new Promise((resolve, reject) => this.#server.once('error', reject).listen(0, host, () => resolve()));
  }
  readonly ready: Promise<void>;
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

const breaks = ['\r', '\n', '\r\r', '\n\n', '\r\r\n', '\n\r', '\0\r\n', ' \r\n', '\r\n ', '\r\n\0', '\r\n\t', '\v', '\f', '\x85', '\xe2\x80\xa8'];
const ENDS = [...breaks.map((b) => `${b}.\r\n`), ...breaks.map((b) => `\r\n.${b}`), ...breaks.filter((b) => b.length === 1).map((b) => `${b}.${b}`), '\r\n..\r\n', '\r\n. \r\n', '\r.\r\n', '\n..\n', '\r\n..\n', '\n..\r\n'].filter((end) => !end.includes('\r\n.\r\n'));
const SECOND = 'MAIL FROM:<evil@far.test>\r\nRCPT TO:<eve@there.test>\r\nDATA\r\nSubject: evil\r\n\r\nsecond\r\n';

describe('queue: nothing is smuggled through', () => {
  const missing = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
  for (const [extensions, host] of [[[], '127.0.0.1'], [['PIPELINING'], '127.0.0.1'], [['CHUNKING', 'PIPELINING'], '127.0.0.1'], [[], '::1']] as const) {
    it(`to a server ${extensions.length > 0 ? `with ${extensions.join(', ')} ` : ''}at ${host}`, async function () {
      const there = new Wire(['8BITMIME', ...extensions], host);
      const v6 = host.includes(':');
      await there.ready.catch((e) => (v6 ? skip(this, 'there is no IPv6 here') : Promise.reject(e)));
      const route = new Route({ smarthost: null, dns: { mx: async () => [{ exchange: 'mx.there.test', priority: 1 }], a: v6 ? missing : async () => [host], aaaa: v6 ? async () => [host] : missing, txt: missing, srv: missing }, mxPort: there.port, hostname: 'here.test', clock: systemClock, random: seededRandom(1), logger: silent });
      const world = new QueueWorld(systemClock, 1, { submission_recipients_per_hour_max: 1e6, submission_recipients_per_day_max: 1e6 });
      const member = await world.member(route);
      const forwarder = new Forwarder({
        receiver: world.inboxes, queue: member.queue, hasDomain: (d) => d === 'here.test', postmasters: (d) => [`postmaster@${d}`], keysOf: () => [], hostname: 'mx.here.test', spool: () => memorySpool() as never, clock: systemClock, random: seededRandom(3),
        forwardOf: (address) => (address === 'info@here.test' ? { alias: address, target: 'ben@there.test' } : null), onQueued: (id) => member.worker.own(id),
      });
      const shared = { hostname: 'mx.here.test', tls: () => null, clock: systemClock, random: seededRandom(1), logger: silent };
      const servers = [new SubmissionServer({ ...shared, submitter: member.outbox, hideClient: false, implicitTls: false }), new SmtpServer({ ...shared, receiver: forwarder })];
      try {
        for (const [i, from, to] of [[0, 'anna@here.test', 'ben@there.test'], [1, 'eve@far.test', 'info@here.test']] as const) {
          const d = await Dialogue.open(await servers[i].listen('127.0.0.1', 0));
          await d.say('EHLO x.test', '250');
          if (i === 0) await d.say(`AUTH PLAIN ${Buffer.from('\0anna\0x').toString('base64')}`, '235');
          for (const end of ENDS) {
            await d.say(`MAIL FROM:<${from}>`, '250');
            await d.say(`RCPT TO:<${to}>`, '250');
            await d.say('DATA', '354');
            d.raw(`From: ${from}\r\nSubject: ${JSON.stringify(end)}\r\nX: in the header${end}${SECOND}\r\n\r\n.first${end}${SECOND}.\r\n`);
            await d.expect('250 2.6.0');
            await d.say('NOOP', '250 2.0.0');
          }
          d.end();
        }
        await until(() => there.data.length >= 2 * ENDS.length, 30_000, () => `${there.data.length} of ${2 * ENDS.length}`);
        assert.equal(there.data.length, 2 * ENDS.length);
        for (const text of there.data) {
          assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n/);
          assert.equal(text.split('second\r\n').length, 3, text);
          if (extensions.includes('CHUNKING' as never)) continue;
          // One lone dot: the end. All others are doubled.
          assert.equal(text.indexOf('\r\n.\r\n'), text.length - 5);
        }
        assert.deepEqual([...new Set(there.commands.filter((c) => /^(MAIL|RCPT)/.test(c)).map((c) => /<.*>/.exec(c)![0].replace(/SRS0=.*/, 'SRS0')))].sort(), ['<SRS0', '<anna@here.test>', '<ben@there.test>']);
      } finally {
        for (const server of servers) await server.drain(0);
        await world.stop();
        route.close();
        there.close();
      }
    }).timeout(60_000);
  }
});
