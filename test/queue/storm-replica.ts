// A process of the storm: the queue, its worker and submission over a disk store, with short times; it is killed and stopped
// at any instruction. Words: `node storm-replica.ts FOLDER SLOT PORT`. Over IPC: { submit: token } → { token, ok, why }.
import { Refused, silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { limits } from '../../src/base/index.ts';
import { Mailroom, Outbox, Queue, Route, Worker, queueKeys } from '../../src/queue/index.ts';
import type { Dns, Sender } from '../../src/queue/index.ts';
import { mac, verifyMac } from '../../src/seal/index.ts';
import type { Receiver } from '../../src/smtp/index.ts';
import { openStores } from '../../src/store/index.ts';
import { knownCluster } from '../seal/known.ts';
import { memorySpool } from './world.ts';

/** Times of a storm: what takes days takes seconds. */
export const TIMES = {
  queue_attempt_ms: 5000, queue_answer_ms: 1500, queue_margin_ms: 1000, queue_retry_ms_min: 200, queue_retry_ms_max: 1500, queue_takeover_ms: 400, queue_look_ms: 200, queue_poll_ms: 500,
  submission_recipients_per_hour_max: 1e9, submission_recipients_per_day_max: 1e9, queue_snapshot_events: 150,
};

/** Failures that came back to the sender, told to the parent. */
const inboxes: Receiver = {
  recipient: async (address) => {
    if (address !== 'anna@here.test') throw new Refused('No such user here', null, '550 5.1.1');
    return { address, target: null };
  },
  begin: (info) => {
    const pieces: Buffer[] = [];
    return {
      received: 0,
      write: async (piece) => void pieces.push(Buffer.from(piece)),
      commit: async () => {
        const text = Buffer.concat(pieces).toString();
        process.send?.({ returned: /^Final-Recipient: rfc822; (\S+)@/m.exec(text)?.[1], text: /^Status: \S+/m.exec(text)?.[0] });
        return info.recipients.map((recipient) => ({ recipient, error: null }));
      },
      abort: () => {},
    };
  },
};

async function main(folder: string, slot: number, port: number): Promise<void> {
  const [clock, random, logger] = [systemClock, systemRandom, silent];
  const { home: store } = await openStores({ store: `disk:${folder}` }, clock, random, logger);
  const cluster = knownCluster();
  const keys = queueKeys(cluster);
  const authenticator = {
    mac: (name: string, bytes: Uint8Array[]) => mac(cluster, name, bytes[0], ...bytes.slice(1)),
    verify: (name: string, bytes: Uint8Array[], made: Uint8Array) => void verifyMac(cluster, made, name, bytes[0], ...bytes.slice(1)),
  };
  const short = { ...limits, ...TIMES };
  const hostname = `mx${slot}.here.test`;
  const queue = new Queue({ store, keys, identity: { slot, mayWrite: () => true, spent: new Map() }, authenticator, clock, random, logger, limits: short });
  const none = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
  const dns: Dns = { mx: async () => [{ exchange: 'mx.there.test', priority: 1 }], a: async () => ['127.0.0.1'], aaaa: none, txt: none, srv: none };
  const route = new Route({ smarthost: null, dns, mxPort: port, hostname, clock, random, logger });
  // An answer that came too late or never: the parent is told, because what was taken so will be taken again.
  const sender: Sender = {
    destination: (address) => route.destination(address),
    close: () => route.close(),
    send: async (destination, envelope, ...rest) => {
      const outcomes = await route.send(destination, envelope, ...rest);
      if (outcomes.some((o) => o.status === '4.4.2')) for (const { address } of envelope.to) process.send?.({ unheard: address.split('@')[0] });
      return outcomes;
    },
  };
  const worker = new Worker({ queue, sender, mailroom: new Mailroom({ receiver: inboxes, hasDomain: (d) => d === 'here.test', owns: async () => true, hostname, logger }), hostname, clock, random, logger });
  const senders = { login: async (user: string) => ({ user, address: 'anna@here.test', holds: () => true }), plaintextAllowed: () => true, owns: async () => true, hasDomain: (d: string) => d === 'here.test', keysOf: () => [] };
  const outbox = new Outbox({ queue, clock, random, receiver: inboxes, senders, spool: () => memorySpool(), onQueued: (id) => worker.own(id), plan: (spec) => worker.plan(spec) });
  await queue.open();
  worker.start();
  const submission = await outbox.login('anna', '', '');
  process.on('message', ({ submit: token }: { submit: string }) => {
    const sending = submission.begin({ from: 'anna@here.test', recipients: [{ address: `${token}@there.test`, notify: [], orcpt: '' }], declaredBytes: null, ret: '', envid: '', utf8: false });
    (async () => {
      await sending.write(Buffer.from(`From: anna@here.test\r\nSubject: ${token}\r\n\r\nx\r\n`));
      await sending.commit('Received: by test\r\n');
    })().then(() => process.send!({ token, ok: true }), (e) => process.send!({ token, ok: false, why: String(e) }));
  });
  process.on('disconnect', () => process.exit(0));
  process.send!({ ready: true });
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2], Number(process.argv[3]), Number(process.argv[4]));
