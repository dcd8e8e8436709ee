// Objects of the store that were truncated, altered, removed or written by a newer version: a clear answer, never skipped
// over, and everybody else is served. Each kind of damage has a user of its own, so one store shows them all.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { message } from './mail.ts';
import { Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';

/** Bytes behind the object in a file of the disk store. */
const TRAILER = 16;

type Damage = (bytes: Buffer) => Buffer | null;
const remove: Damage = () => null;
const cut: Damage = (bytes) => bytes.subarray(0, bytes.length >> 1);
const flip: Damage = (bytes) => {
  const altered = Buffer.from(bytes);
  altered[(altered.length - TRAILER) >> 1] ^= 1;
  return altered;
};
/** Shorter, with an end that fits: what another store would give. */
const shorten: Damage = (bytes) => {
  const end = Buffer.from(bytes.subarray(-TRAILER));
  const object = bytes.subarray(0, (bytes.length - TRAILER) >> 1);
  end.writeUIntBE(object.length, 1, 6);
  return Buffer.concat([object, end]);
};
const newer: Damage = (bytes) => {
  const altered = Buffer.from(bytes);
  altered[0] = 2;
  return altered;
};

const BLOBS = { cut, shorten, flip, remove };
const EVENTS: [name: string, damage: Damage, text: RegExp][] = [
  ['cut', cut, /damaged/],
  ['shorten', shorten, /too short|ends|does not fit|MAC/],
  ['flip', flip, /does not fit|altered/],
  ['newer', newer, /written by a newer version/],
];
const PARTS: [name: string, damage: Damage][] = [['cut', cut], ['flip', flip]];
const NAMES = [...Object.keys(BLOBS).map((n) => `blob-${n}`), ...EVENTS.map(([n]) => `event-${n}`), ...PARTS.map(([n]) => `part-${n}`), 'manifest', 'whole'];

function files(folder: string): string[] {
  const all = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  return all.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name)).sort();
}

describe('real: damaged objects', function () {
  this.timeout(60_000);
  let site: Site;
  let people: Record<string, Person>;
  let replica: Replica;
  const roots: Record<string, string> = {};
  const whole = new Map<string, Buffer>();
  const directory = () => files(join(site.store, 'objects', 'directory', 'log'));

  function harm(path: string, damage: Damage): void {
    const bytes = readFileSync(path);
    whole.set(path, bytes);
    const damaged = damage(bytes);
    if (damaged === null) rmSync(path);
    else writeFileSync(path, damaged);
  }

  before(async () => {
    site = new Site();
    people = await site.people(...NAMES);
    replica = await site.start();
    const mail = await replica.sender();
    const users = join(site.store, 'objects', 'users');
    const known = new Set<string>();
    for (const name of NAMES) {
      for (let i = 0; i < 3; i++) await mail.stored(people[name].address, message(`${name}-${i}`, i === 2 ? 200_000 : 1000));
      const id = readdirSync(users).find((u) => !known.has(u) && existsSync(join(users, u, 'blobs')))!;
      known.add(id);
      roots[name] = join(users, id);
    }
    // Enough events, one after the other, that these have snapshots.
    const changes = NAMES.filter((n) => /^part|^manifest/.test(n)).map(async (name) => {
      const imap = await replica.client(people[name]);
      await imap.ok('SELECT INBOX');
      for (let i = 0; i < 205; i++) await imap.ok(`STORE 1 ${i % 2 === 0 ? '+' : '-'}FLAGS (k)`);
      await until(() => files(join(roots[name], 'snapshots')).length > 0, 15_000, () => `no snapshot: ${replica.log}`);
    });
    await Promise.all(changes);
    assert.equal(await replica.stop(), 0);
    for (const [name, damage] of Object.entries(BLOBS)) harm(files(join(roots[`blob-${name}`], 'blobs')).sort((a, b) => statSync(b).size - statSync(a).size)[0], damage);
    for (const [name, damage] of EVENTS) harm(files(join(roots[`event-${name}`], 'log'))[1], damage);
    for (const [name, damage] of PARTS) for (const path of files(join(roots[`part-${name}`], 'parts'))) harm(path, damage);
    for (const path of files(join(roots.manifest, 'snapshots'))) harm(path, flip);
    replica = await site.start();
  });
  after(() => site.end());

  afterEach('everybody else is served, and nothing was a bug', async () => {
    const [imap, mail] = [await replica.client(people.whole), await replica.sender()];
    await imap.ok('SELECT INBOX');
    assert.match((await imap.ok('FETCH 1:* (BODY.PEEK[])')).join(), /token whole-2/);
    await mail.stored(people.whole.address, message('other'));
    imap.close();
    mail.close();
    assert.doesNotMatch(replica.log, / - bug |\n\s+at /);
  });

  for (const name of Object.keys(BLOBS)) {
    it(`a blob (${name}): NO [SERVERBUG] for that message, the others are read`, async () => {
      const imap = await replica.client(people[`blob-${name}`]);
      await imap.ok('SELECT INBOX');
      const bad = await imap.command('FETCH 3 (BODY.PEEK[])');
      assert.match(`${bad.status} ${bad.text}`, /^NO \[SERVERBUG\] /);
      assert.ok(!bad.untagged.some((row) => row.includes('token')), 'a damaged message was shown');
      for (const n of [1, 2]) assert.match((await imap.ok(`FETCH ${n} (BODY.PEEK[])`)).join(), /token blob-/);
      assert.match((await imap.ok('FETCH 3 (ENVELOPE RFC822.SIZE)')).join(), new RegExp(`about blob-${name}-2`));
      // It isn't lost silently by a copy either: the copy has the same blob, and the same answer.
      await imap.ok('COPY 3 Archive');
      await imap.ok('EXAMINE Archive');
      assert.match((await imap.command('FETCH 1 (BODY.PEEK[])')).text, /^\[SERVERBUG\] /);
      imap.close();
    });
  }

  /** What a log-in and SELECT answer: the first that is not OK. */
  async function opening(person: Person): Promise<string> {
    const imap = await replica.client();
    const login = await imap.command(`LOGIN ${person.address} ${person.password}`);
    const { status, text } = login.status === 'OK' ? await imap.command('SELECT INBOX') : login;
    imap.close();
    return `${status} ${text}`;
  }

  for (const [name, , text] of EVENTS) {
    it(`an event (${name}): NO [SERVERBUG], and no smaller mailbox is shown instead; whole again it is served`, async () => {
      const person = people[`event-${name}`];
      for (let i = 0; i < 2; i++) {
        const answer = await opening(person);
        assert.match(answer, /^NO \[SERVERBUG\] /);
        assert.match(answer, text);
      }
      // Mail for this user is taken or put off, never refused for good.
      const mail = await replica.sender();
      assert.match(String(await mail.deliver(person.address, message(`late-${name}`))), /^(250|451)/);
      mail.close();
      const path = files(join(roots[`event-${name}`], 'log')).find((f) => whole.has(f))!;
      const damaged = readFileSync(path);
      writeFileSync(path, whole.get(path)!);
      assert.match(await opening(person), /^OK /);
      writeFileSync(path, damaged);
    });
  }

  for (const name of [...PARTS.map(([n]) => `part-${n}`), 'manifest']) {
    it(`a snapshot (${name}): NO [SERVERBUG]; whole again it is served`, async () => {
      assert.match(await opening(people[name]), /^NO \[SERVERBUG\] /);
      const paths = [...whole.keys()].filter((path) => path.startsWith(roots[name]));
      const damaged = paths.map((path) => readFileSync(path));
      for (const path of paths) writeFileSync(path, whole.get(path)!);
      assert.match(await opening(people[name]), /^OK /);
      paths.forEach((path, i) => writeFileSync(path, damaged[i]));
    });
  }

  it('is all told: in the log, and by check, which goes through everything', async () => {
    assert.match(replica.log, / (warn|error) \S+ .*(damaged|altered|newer version)/);
    const ended = await site.command(['check', '--all']);
    assert.equal(ended.status, 1, ended.err);
    const found = (root: string, what: string) => ended.out.split('\n').some((line) => line.includes(root.split('/').at(-1)!) && line.includes(what));
    for (const [name] of EVENTS) assert.ok(found(roots[`event-${name}`], '/log/'), `event-${name}: ${ended.out}`);
    for (const name of ['cut', 'shorten']) assert.ok(found(roots[`blob-${name}`], '/blobs/'), `blob-${name}: ${ended.out}`);
    for (const name of ['part-cut', 'manifest']) assert.ok(found(roots[name], name === 'manifest' ? '/snapshots/' : 'snapshot'), `${name}: ${ended.out}`);
    assert.ok(!found(roots.whole, ''), ended.out);
    // With the password all is opened: what was removed or altered is found too.
    for (const [name, what] of [['blob-flip', /\/blobs\//], ['blob-remove', /\/blobs\//], ['part-flip', /snapshots\//]] as const) {
      const one = await site.command(['check', people[name].address, '--password-stdin'], `${people[name].password}\n`);
      assert.equal(one.status, 1, one.out + one.err);
      assert.match(one.out, what);
    }
    const fine = await site.command(['check', people.whole.address, '--password-stdin'], `${people.whole.password}\n`);
    assert.deepEqual([fine.status, /all is well/.test(fine.out)], [0, true], fine.out + fine.err);
  });

  it('an event of the directory: the start says so in one line and ends with 1; a running replica serves those it knows', async () => {
    const [first] = directory();
    const bytes = readFileSync(first);
    for (const [damage, text] of [[flip, /damaged/], [cut, /damaged/], [newer, /newer version/]] as const) {
      writeFileSync(first, damage(bytes)!);
      const ended = await site.command(['serve']);
      assert.equal(ended.status, 1);
      const said = ended.err.trim().split('\n').filter((line) => line.startsWith('colombier: '));
      assert.equal(said.length, 1, ended.err);
      assert.match(said[0], /^colombier: store damaged: /);
      assert.match(said[0], text);
      assert.doesNotMatch(ended.err, /\n\s+at /);
    }
    writeFileSync(first, bytes);
  });
});
