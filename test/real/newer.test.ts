// A whole replica at work meets what a newer release writes beside it: it says so, refuses what it can not know, harms nothing,
// serves whatever else it is asked for, and goes on by itself when the newer object is gone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { encodePresence } from '../../src/log/index.ts';
import { ClusterKeys, sealNamed } from '../../src/seal/index.ts';
import { openStores } from '../../src/store/index.ts';
import type { ObjectStore } from '../../src/store/index.ts';
import { freePorts } from '../ports.ts';
import { message } from './mail.ts';
import { Sink, submit } from './sink.ts';
import { Site, sleep, until } from './site.ts';
import type { Person, Replica } from './site.ts';

const NOTHING = Buffer.alloc(0);

describe('real: a replica meets a newer format', function () {
  this.timeout(60_000);
  let site: Site;
  let replica: Replica;
  let people: { ann: Person; bob: Person };
  let settings: Record<string, string>;
  let store: ObjectStore;
  let closeStore: () => Promise<void>;
  let sink: Sink;
  let submission: number;
  let ofAnn = '';

  before(async () => {
    sink = await Sink.start();
    [submission] = await freePorts(1);
    site = new Site();
    people = await site.people('ann', 'bob');
    settings = { COLOMBIER_SUBMISSION_PORT: String(submission), COLOMBIER_SMARTHOST: sink.smarthost };
    replica = await site.start(settings);
    const stores = await openStores({ store: site.settings.COLOMBIER_STORE }, systemClock, systemRandom, silent);
    [store, closeStore] = [stores.home, () => stores.close()];
    await (await replica.sender()).stored(people.ann.address, message('first'));
    ofAnn = /^(users\/[^/]+\/)/.exec((await named('users/')).find((n) => n.includes('/log/'))!)![1];
    await send('before');
    await until(() => sink.came.includes('before'));
  });
  after(async () => {
    await replica?.stop();
    await closeStore?.();
    await site?.end();
    await sink?.close();
  });
  afterEach('nothing was a bug, and bob was served all the time', async () => {
    assert.doesNotMatch(replica.log, / bug |\n\s+at /);
    const imap = await replica.client(people.bob);
    await imap.ok('SELECT INBOX');
    imap.close();
  });

  const named = async (prefix: string): Promise<string[]> => (await store.list({ prefix })).objects.map((o) => o.name);
  const send = (subject: string) => submit(submission, people.ann, subject);

  /** An event behind all others of a log, as a newer release would write it; run while it is there, then it is gone. */
  async function behind(root: string, run: () => Promise<void>): Promise<void> {
    const last = (await named(`${root}log/`)).at(-1)!;
    const [position] = last.slice(`${root}log/`.length).split('-');
    const name = `${root}log/${(Number.parseInt(position, 16) + 3 * 64).toString(16).padStart(16, '0')}-newer1release-1`;
    await there(name, Buffer.concat([Buffer.of(9), (await store.get(last))!.bytes.subarray(1)]), run);
  }

  async function there(name: string, bytes: Buffer, run: () => Promise<void>): Promise<void> {
    const said = replica.log.length;
    const all = await named('');
    await store.put(name, bytes);
    try {
      await run();
      assert.match(replica.log.slice(said), /newer version/);
      assert.ok((await store.get(name))!.bytes.equals(bytes), 'it is as it was');
      const left = new Set(await named(''));
      assert.deepEqual(all.filter((n) => !left.has(n) && !n.startsWith('queue/0/blobs/')), []);
    } finally {
      await store.delete(name);
    }
  }

  it('in a user\'s log: NO [SERVERBUG] and no older mailbox; mail is taken or put off; then all is there', async () => {
    const imap = await replica.client(people.ann);
    await imap.ok('SELECT INBOX');
    let delivered: string | null = null;
    await behind(ofAnn, async () => {
      const answer = await imap.command('SELECT INBOX');
      assert.match(`${answer.status} ${answer.text}`, /^NO \[SERVERBUG\] .*newer version/);
      delivered = await (await replica.sender()).deliver(people.ann.address, message('meanwhile'));
      assert.match(String(delivered), /^(250|451)/);
    });
    const fresh = await replica.client(people.ann);
    await until(async () => (await fresh.command('SELECT INBOX')).status === 'OK');
    const rows = (await fresh.ok('FETCH 1:* (BODY.PEEK[TEXT])')).join('\n');
    assert.match(rows, /token first\./);
    assert.equal(/token meanwhile\./.test(rows), String(delivered).startsWith('250'));
    for (const talk of [imap, fresh]) talk.close();
  });

  it('in the directory: nobody is told that an address or a password is wrong, who is known is served', async () => {
    await behind('directory/', async () => {
      const mail = await replica.sender();
      await mail.say('MAIL FROM:<x@elsewhere.example>');
      assert.match((await mail.say('RCPT TO:<nobody@real.example>'))!, /^451 /);
      await mail.say('RSET');
      await mail.stored(people.bob.address, message('known'));
      const imap = await replica.client();
      const wrong = await imap.command(`LOGIN ${people.ann.address} wrong`);
      assert.match(`${wrong.status} ${wrong.text}`, /^NO \[(SERVERBUG|UNAVAILABLE)\]/);
      await imap.ok(`LOGIN ${people.ann.address} ${people.ann.password}`);
      const { status, err } = await site.command(['serve']);
      assert.deepEqual([status, /newer version/.test(err)], [1, true], err);
      for (const talk of [mail, imap]) talk.close();
    });
    const mail = await replica.sender();
    await mail.say('MAIL FROM:<x@elsewhere.example>');
    assert.match((await mail.say('RCPT TO:<nobody@real.example>'))!, /^550 /);
    mail.close();
  });

  it('in the queue: what is submitted is put off, nothing goes out twice; then it goes', async () => {
    await behind('queue/0/', async () => {
      await assert.rejects(send('held'), /\b4\d\d[ -]/);
      const imap = await replica.client(people.ann);
      await imap.ok('SELECT INBOX');
      imap.close();
      const { status, err } = await site.command(['serve']);
      assert.deepEqual([status, /newer version/.test(err)], [1, true], err);
    });
    await until(() => send('after').then(() => true, () => false));
    await until(() => sink.came.includes('after'), 20_000);
    await sleep(300);
    assert.deepEqual(sink.came, ['before', 'after']);
  });

  it('as a snapshot, of a user and of the queue: the next start says so, and what runs is not disturbed', async () => {
    for (const root of [ofAnn, 'queue/0/']) {
      const [position] = (await named(`${root}log/`)).at(-1)!.slice(`${root}log/`.length).split('-');
      const name = `${root}snapshots/${'0'.repeat(16)}-${position}-${'ab'.repeat(8)}`;
      await store.put(name, Buffer.concat([Buffer.of(9), Buffer.alloc(300, 5)]));
      try {
        await send(`beside ${root}`).then(() => until(() => sink.came.includes(`beside ${root}`), 20_000));
        if (root === ofAnn) {
          const other = await site.start();
          const imap = await other.client();
          const answers = [await imap.command(`LOGIN ${people.ann.address} ${people.ann.password}`), await imap.command('SELECT INBOX')];
          assert.match(answers.map((a) => `${a.status} ${a.text}`).join('\n'), /NO \[SERVERBUG\] .*newer version/);
          assert.equal(await other.stop(), 0);
        } else {
          const { status, err } = await site.command(['serve']);
          assert.deepEqual([status, /newer version/.test(err)], [1, true], err);
        }
        assert.equal((await store.get(name))!.bytes[0], 9);
      } finally {
        await store.delete(name);
      }
    }
  });

  it('as presence: who runs stays, who comes does not start beside it', async () => {
    const keys = ClusterKeys.parse([readFileSync(join(site.settings.COLOMBIER_SETTINGS, 'cluster-secret'), 'utf8').trim()]);
    const name = 'replicas/newer1release';
    const plain = encodePresence({ slot: 50, address: '', version: '9.0.0', since: Date.now(), left: false });
    plain[0] = 9;
    await store.put(name, sealNamed(keys.directory[0], name, NOTHING, plain, systemRandom));
    const { status, err } = await site.command(['serve']);
    assert.equal(status, 1);
    assert.match(err, /newer version.*too old to work beside it/);
    await (await replica.sender()).stored(people.bob.address, message('beside'));
    assert.ok((await store.get(name)) !== null);
    await store.delete(name);
    const next = await site.start();
    assert.equal(await next.stop(), 0);
  });
});
