// Nothing that a user may do makes what no replica can read again, or what grows without end.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import type { Session } from '../../src/imap/session.ts';
import { AccountWorld, append, contents, mail } from './world.ts';

const refused = (code: string) => ({ name: 'Refused', code });

describe('what is written can be read again', () => {
  let world: AccountWorld;
  let s: Session;
  beforeEach(async () => {
    world = new AccountWorld();
    const a = await world.replica();
    s = await a.login(await world.account(a, 'bob'));
  });
  afterEach(() => world.stop());

  it('keywords that no message has any more count too, and to take away what nobody has leaves nothing', async () => {
    const { keywords_known_max: before } = limits;
    const { uids } = await append(s, 'INBOX', [mail('one')]);
    const box = await s.select('INBOX', false);
    limits.keywords_known_max = 20;
    try {
      for (let i = 0; i < 10; i++) {
        await box.store(uids, 'add', ['\\Seen', 'used'], null);
        await box.store(uids, 'remove', ['\\Seen', 'used', ...Array.from({ length: 1000 }, (_, k) => `k${i}-${k}`)], null);
      }
      assert.deepEqual((await contents(s, 'INBOX'))[0].flags, []);
      await assert.rejects(async () => {
        for (let i = 0; i < 20; i++) await box.store(uids, 'replace', [`n${i}`], null);
      }, refused('LIMIT'));
      await box.store(uids, 'add', ['used', '\\Flagged'], null);
      await assert.rejects(append(s, 'INBOX', [mail('two')], ['another']), refused('LIMIT'));
      await append(s, 'INBOX', [mail('two')], ['used']);
    } finally {
      limits.keywords_known_max = before;
    }
  });

  it('what is late and more than one event can put in order is put in order by several', async () => {
    const { event_positions_span_max: before } = limits;
    world.hints = false;
    const account = await world.account(await world.replica(), 'cleo');
    const sessions: Session[] = [];
    for (let i = 0; i < 3; i++) sessions.push(await (await world.replica()).login(account));
    limits.event_positions_span_max = 16 * limits.slots;
    try {
      const ten = (i: number) => Array.from({ length: 10 }, (_, k) => mail(`${i} ${k}`));
      await Promise.all(sessions.map((session, i) => append(session, 'INBOX', ten(i))));
      await world.advance(30_000);
      for (const session of sessions) {
        for (let tries = 0; ; tries++) {
          try {
            assert.equal((await contents(session, 'INBOX')).length, 30);
            break;
          } catch (e) {
            if (tries === 5) throw e;
            await world.advance(10_000);
          }
        }
      }
    } finally {
      limits.event_positions_span_max = before;
    }
  });
});
