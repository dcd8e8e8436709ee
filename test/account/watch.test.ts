// What a session hears that watches all mailboxes of its user.
import assert from 'node:assert/strict';
import type { AccountNews, Session } from '../../src/imap/session.ts';
import { AccountWorld, append, mail } from './world.ts';

describe('a session that watches all mailboxes', () => {
  let world: AccountWorld;
  let s: Session;
  let other: Session;
  let heard: AccountNews[];
  beforeEach(async () => {
    world = new AccountWorld();
    const a = await world.replica();
    const bob = await world.account(a, 'bob');
    s = await a.login(bob);
    other = await (await world.replica()).login(bob);
    heard = [];
    s.watch((news) => heard.push(news));
  });
  afterEach(() => world.stop());
  /** Asks the store: then all is heard. */
  const news = async () => {
    await s.statuses(['INBOX']);
    return heard.splice(0);
  };

  it('hears what other replicas did, of mailboxes that it never opened too, and can look at them', async () => {
    const id = await other.create('Far', null);
    assert.deepEqual(await news(), [{ mailboxes: [], names: true, metadata: [] }]);
    await append(other, 'Far', [mail('one'), mail('two')]);
    assert.deepEqual((await news()).map(({ mailboxes }) => mailboxes), [[{ id, news: { added: 2, gone: 0, flags: false } }]]);
    const { name, messages, unseen } = (await s.glance(id))!;
    assert.deepEqual([name, messages, unseen], ['Far', 2, 2]);
    const far = await other.select('Far', false);
    await far.store([far.index.uids[0]], 'add', ['\\Seen', '\\Deleted'], null);
    assert.deepEqual((await news()).map(({ mailboxes }) => mailboxes), [[{ id, news: { added: 0, gone: 0, flags: true } }]]);
    assert.equal((await s.glance(id))!.unseen, 1);
    await far.move([far.index.uids[1]], 'INBOX');
    assert.equal(await far.expunge(null), 1);
    const moved = (await news()).flatMap(({ mailboxes }) => mailboxes);
    const inbox = (await s.statuses(['INBOX', 'no']))[0]!;
    assert.ok(moved.some((one) => one.id === inbox.id && one.news.added === 1) && moved.some((one) => one.id === id && one.news.gone === 1));
    assert.equal((await s.glance(id))!.messages, 0);
    assert.equal(inbox.messages, 1);
    assert.equal(await other.rename('INBOX', 'Old'), 1);
    assert.deepEqual((await news()).flatMap(({ mailboxes }) => mailboxes.map((one) => [one.id === inbox.id, one.news.added, one.news.gone])), [[false, 1, 0], [true, 0, 1]]);
    const set = () => other.setMetadata('Far', [{ entry: '/private/comment', value: Buffer.from('x') }]);
    assert.deepEqual(await set(), { mailbox: id, changed: ['/private/comment'] });
    assert.deepEqual(await set(), { mailbox: id, changed: [] });
    assert.deepEqual((await news()).flatMap(({ metadata }) => metadata), [{ mailbox: id, entry: '/private/comment' }]);
    await other.subscribe('Far', true);
    assert.deepEqual((await news()).map(({ names }) => names), [true]);
    await other.delete('Far');
    assert.equal((await news()).some(({ names }) => names), true);
    assert.equal(await s.glance(id), null);
    assert.deepEqual((await s.statuses(['Far', 'Old'])).map((status) => status?.messages ?? null), [null, 1]);
  });

  it('hears nothing after the end', async () => {
    s.watch(null);
    await append(other, 'INBOX', [mail('one')]);
    assert.deepEqual(await news(), []);
  });
});
