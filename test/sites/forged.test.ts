// Someone with the bucket's key, but neither the cluster secret nor a password, deletes, swaps, replays, renames and forges
// objects: each is noticed at reading and named by check; nothing forged is shown as mail, and no address is led elsewhere.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { openStores } from '../../src/store/index.ts';
import type { ObjectStore, Stores } from '../../src/store/index.ts';
import { message } from '../real/mail.ts';
import { Site } from '../real/site.ts';
import type { Person, Replica } from '../real/site.ts';
import { startFaultyS3 } from './faulty-s3.ts';
import type { FaultyS3 } from './faulty-s3.ts';

const DELIVERIES = 4;

/** What the thief does to a user's objects; gives the name that check must tell. */
type Deed = (thief: Thief, root: string, other: string) => Promise<string>;

class Thief {
  readonly store: ObjectStore;
  constructor(store: ObjectStore) {
    this.store = store;
  }
  async names(prefix: string): Promise<string[]> {
    return (await this.store.list({ prefix })).objects.map((o) => o.name);
  }
  async bytes(name: string): Promise<Buffer> {
    return (await this.store.get(name))!.bytes;
  }
  put(name: string, bytes: Buffer): Promise<unknown> {
    return this.store.put(name, bytes);
  }
  async swap(a: string, b: string): Promise<void> {
    const [x, y] = [await this.bytes(a), await this.bytes(b)];
    await this.put(a, y);
    await this.put(b, x);
  }
}

/** The same name at a later position, or of another writer. */
const later = (name: string): string => name.replace(/log\/([0-9a-f]{16})/, (_, p: string) => `log/${(BigInt(`0x${p}`) + 6400n).toString(16).padStart(16, '0')}`);
const next = (name: string): string => name.replace(/-([0-9a-z]+)$/, (_, seq: string) => `-${String(Number(seq) + 1).padStart(seq.length, '0')}`);

const DEEDS: Record<string, { deed: Deed; text: RegExp }> = {
  'an event in the middle is deleted': {
    deed: async (thief, root) => {
      const log = await thief.names(`${root}log/`);
      await thief.store.delete(log[log.length - 2]);
      return log[log.length - 2];
    },
    text: /^NO \[(UNAVAILABLE|SERVERBUG)\] /,
  },
  'two events change places': {
    deed: async (thief, root) => {
      const log = await thief.names(`${root}log/`);
      await thief.swap(log[log.length - 1], log[log.length - 2]);
      return log[log.length - 1];
    },
    text: /^NO \[SERVERBUG\] /,
  },
  'an event is replayed at a later position': {
    deed: async (thief, root) => {
      const event = (await thief.names(`${root}log/`)).at(-1)!;
      await thief.put(later(event), await thief.bytes(event));
      return later(event);
    },
    text: /^NO \[SERVERBUG\] /,
  },
  'an event is replayed as its writer\'s next': {
    deed: async (thief, root) => {
      const event = (await thief.names(`${root}log/`)).at(-1)!;
      await thief.put(next(later(event)), await thief.bytes(event));
      return next(later(event));
    },
    text: /^NO \[SERVERBUG\] /,
  },
  'an event is renamed': {
    deed: async (thief, root) => {
      const event = (await thief.names(`${root}log/`)).at(-1)!;
      await thief.put(later(event), await thief.bytes(event));
      await thief.store.delete(event);
      return later(event);
    },
    text: /^NO \[SERVERBUG\] /,
  },
  'another user\'s event is put into the log': {
    deed: async (thief, root, other) => {
      const event = (await thief.names(`${other}log/`)).at(-1)!;
      const name = later(event).replace(other, root);
      await thief.put(name, await thief.bytes(event));
      return name;
    },
    text: /^NO \[SERVERBUG\] /,
  },
  'an event is made up': {
    deed: async (thief, root) => {
      const event = (await thief.names(`${root}log/`)).at(-1)!;
      const bytes = await thief.bytes(event);
      // The form of a true one, so that only the MAC can tell.
      randomBytes(32).copy(bytes, bytes.length - 32);
      await thief.put(next(later(event)), bytes);
      return next(later(event));
    },
    text: /^NO \[SERVERBUG\] /,
  },
};

const BLOBS: Record<string, Deed> = {
  'two blobs change places': async (thief, root) => {
    const blobs = await thief.names(`${root}blobs/`);
    await thief.swap(blobs[0], blobs[1]);
    return blobs[0];
  },
  'another user\'s blob stands in its place': async (thief, root, other) => {
    const [blob] = await thief.names(`${root}blobs/`);
    await thief.put(blob, await thief.bytes((await thief.names(`${other}blobs/`))[0]));
    return blob;
  },
  'a blob is truncated': async (thief, root) => {
    const [blob] = await thief.names(`${root}blobs/`);
    const bytes = await thief.bytes(blob);
    await thief.put(blob, bytes.subarray(0, bytes.length - 20));
    return blob;
  },
};

describe('sites: someone with the key of the bucket', function () {
  this.timeout(120_000);
  let s3: FaultyS3;
  let stores: Stores;
  let thief: Thief;
  let site: Site;
  let replica: Replica;
  let people: Record<string, Person>;
  const roots: Record<string, string> = {};
  const told: Record<string, string> = {};
  const all = { ...Object.fromEntries(Object.entries(DEEDS).map(([name, { deed }]) => [name, deed])), ...BLOBS };
  const userOf = (deed: string): string => `u${Object.keys(all).indexOf(deed)}`;

  before(async () => {
    s3 = await startFaultyS3(0);
    const keys = { region: 'garage', accessKey: 'key', secretKey: 'secret' };
    site = new Site({ COLOMBIER_STORE: 's3:mail', COLOMBIER_S3_ENDPOINT: s3.endpoints[0], COLOMBIER_S3_REGION: keys.region, COLOMBIER_S3_ACCESS_KEY: keys.accessKey, COLOMBIER_S3_SECRET_KEY: keys.secretKey });
    stores = await openStores({ store: 's3:mail', s3: { endpoint: s3.endpoints[0], ...keys } }, systemClock, systemRandom, silent);
    thief = new Thief(stores.home);
    people = await site.people('other', 'whole', ...Object.keys(all).map(userOf));
    replica = await site.start();
    const mail = await replica.sender();
    const known = new Set<string>();
    for (const [name, person] of Object.entries(people)) {
      for (let i = 0; i < DELIVERIES; i++) await mail.stored(person.address, message(`${name}-${i}`, 1500));
      const root = (await thief.names('users/')).filter((n) => n.includes('/blobs/')).map((n) => /^users\/[^/]+\//.exec(n)![0]).find((r) => !known.has(r))!;
      known.add(root);
      roots[name] = root;
    }
    assert.equal(await replica.stop(), 0);
    for (const [deed, run] of Object.entries(all)) told[deed] = await run(thief, roots[userOf(deed)], roots.other);
    replica = await site.start();
  });
  after(async () => {
    await site?.end();
    await stores?.close();
    await s3?.close();
  });

  for (const [deed, { text }] of Object.entries(DEEDS)) {
    it(`${deed}: the mailbox is not shown, neither changed nor smaller`, async () => {
      const imap = await replica.client();
      const { address, password } = people[userOf(deed)];
      const login = await imap.command(`LOGIN ${address} ${password}`);
      const { status, text: said } = login.status === 'OK' ? await imap.command('SELECT INBOX') : login;
      assert.match(`${status} ${said}`, text);
      imap.close();
    });
  }

  for (const deed of Object.keys(BLOBS)) {
    it(`${deed}: NO [SERVERBUG] for that message, and nothing else is shown in its place`, async () => {
      const imap = await replica.client(people[userOf(deed)]);
      await imap.ok('SELECT INBOX');
      let bad = 0;
      for (let n = 1; n <= DELIVERIES; n++) {
        const { status, text, untagged } = await imap.command(`FETCH ${n} (BODY.PEEK[])`);
        if (status === 'OK') assert.ok(untagged.some((row) => row.includes(`token ${userOf(deed)}-${n - 1}.`)), `${n}: ${untagged}`);
        else {
          assert.match(`${status} ${text}`, /^NO \[SERVERBUG\] /);
          assert.ok(!untagged.some((row) => row.includes('token')));
          bad++;
        }
      }
      assert.ok(bad >= 1 && bad <= 2, `${bad} messages are damaged`);
      imap.close();
    });
  }

  it('check names each object, and nothing of those that nobody touched', async () => {
    // Whoever checks opens what a password opens.
    for (const deed of Object.keys(all)) {
      const { address, password } = people[userOf(deed)];
      const ended = await site.command(['check', address, '--password-stdin'], `${password}\n`);
      assert.equal(ended.status, 1, `${deed}: ${ended.out}${ended.err}`);
      // What is gone has no name left: it is named by its writer and number.
      const [writer, seq] = told[deed].split('-').slice(-2);
      assert.ok(ended.out.includes(told[deed]) || (/is deleted/.test(deed) && ended.out.includes(`${writer}#${seq}`)), `${deed}: ${told[deed]} is not in ${ended.out}`);
    }
    for (const name of ['other', 'whole']) {
      const ended = await site.command(['check', people[name].address, '--password-stdin'], `${people[name].password}\n`);
      assert.equal(ended.status, 0, ended.out + ended.err);
    }
  });

  it('a made-up event of the directory, and a made-up presence, lead nobody anywhere', async () => {
    const directory = await thief.names('directory/log/');
    const last = directory.at(-1)!;
    const bytes = await thief.bytes(last);
    for (let i = bytes.length - 60; i < bytes.length; i++) bytes[i] ^= 0x55;
    await thief.put(next(later(last)), bytes);
    const [presence] = await thief.names('replicas/');
    await thief.put(`${presence.slice(0, -1)}${presence.endsWith('x') ? 'y' : 'x'}`, await thief.bytes(presence));
    // Mail goes on to whom it is for, under the keys that were known, or is put off.
    const mail = await replica.sender();
    const answer = await mail.deliver(people.whole.address, message('after'));
    assert.match(String(answer), /^(250|451)/);
    mail.close();
    const imap = await replica.client(people.whole);
    await imap.ok('SELECT INBOX');
    const rows = (await imap.ok('FETCH 1:* (BODY.PEEK[])')).join('\n');
    assert.match(rows, /token whole-0/);
    assert.equal(rows.includes('token after'), answer!.startsWith('250'));
    imap.close();
    // A new start says which object it is, and serves nobody by it.
    const ended = await site.command(['serve'], '', { COLOMBIER_SMTP_PORT: '0', COLOMBIER_LMTP_PORT: '0', COLOMBIER_IMAP_PORT: '0', COLOMBIER_IMAPS_PORT: '0', COLOMBIER_SUBMISSION_PORT: '0', COLOMBIER_SUBMISSIONS_PORT: '0', COLOMBIER_HTTP_PORT: '0' });
    assert.equal(ended.status, 1, ended.err);
    assert.match(ended.err, / error directory .*name=directory\/log\/[^]*store damaged: /);
    await thief.store.delete(next(later(last)));
    assert.doesNotMatch(replica.log, / - bug |\n\s+at /);
  });
});
