// Addresses as an administrator writes them.
import assert from 'node:assert/strict';
import { Malformed } from '../../src/base/index.ts';
import { AccountWorld } from './world.ts';
import type { Account, TestReplica } from './world.ts';

describe('addresses that are made', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld(1);
    a = await world.replica();
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  const refused = (made: Promise<unknown>, what: string) => assert.rejects(world.settled(made), (e) => e instanceof Malformed && /^not an? (address|domain): /.test(e.message), what);

  for (const name of [' info', 'info ', 'in fo', '.info', 'info.', 'in..fo', '<info', 'in@fo', 'in,fo', 'mailto:info', '"in"fo"', '\u200binfo', 'in\u00adfo', '\u202einfo', '"in\u200bfo"', 'b\ufffdro'])
    it(`${JSON.stringify(name)} is no name that people are written to`, async () => {
      await refused(a.admin.userAdd(`${name}@x.test`, 'a-long-password'), 'a user');
      await refused(a.admin.addressAdd(`${name}@x.test`, bob.address), 'an alias');
      await refused(a.admin.addressAdd('away@x.test', `${name}@far.test`), 'an address elsewhere');
      assert.equal((await a.admin.addresses(null)).length, 1);
    });

  it('one letter is one, however it is put together', async () => {
    await world.settled(a.admin.addressAdd('J\u030c@x.test', bob.address));
    await world.settled(assert.rejects(a.admin.addressAdd('\u01f0@x.test', bob.address), { code: 'ALREADYEXISTS' }));
    for (const name of ['J\u030c', 'j\u030c', '\u01f0']) assert.equal((await world.settled(a.receiver.recipient(`${name}@x.test`, null))).address, `${name}@x.test`);
  });

  for (const name of ['1.2', '127.0.0.1', '0x7f.1', 'x.1', 'ex%61mple.org', 'ex%2dample.org', 'ex\\xad.org', 'example.org/foo', 'example.org?x', 'example.org#x', 'exa\tmple.org', 'exa\nmple.org', 'example.org '])
    it(`${JSON.stringify(name)} is no domain`, () => refused(a.admin.domainAdd(name), name));

  for (const unseen of ['\u200b', '\ufeff', '\u00ad', '\u200f', '\u202e', '\u2060', '\ufe0f', '\u3164'])
    it(`a domain with ${JSON.stringify(unseen).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`)}, which nobody sees, is not the one that it looks like`, async () => {
      await refused(a.admin.domainAdd(`ex${unseen}ample.org`), 'a domain');
      await refused(a.admin.userAdd(`info@x${unseen}.test`, 'a-long-password'), 'a user');
      await refused(a.admin.addressAdd(`info@x${unseen}.test`, bob.address), 'an alias');
      await refused(a.admin.addressAdd('away@x.test', `info@f${unseen}ar.test`), 'an address elsewhere');
    });

  it('a joiner is a letter where a script has it', async () => {
    await world.settled(a.admin.domainAdd('\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example'));
    assert.ok(a.directory.state.hasDomain('xn--mgba3gch31f060k.example'));
  });

  it('other names are, as they are written', async () => {
    for (const [name, is] of [['in.fo', 'in.fo'], ['büro', 'büro'], ["o'neill", "o'neill"], ['"the office"', 'the office'], ['"a..b"', 'a..b']]) await world.settled(a.admin.addressAdd(`${name}@x.test`, bob.address)).then(() => assert.equal(a.directory.state.owner(`${is}@x.test`)!.id, bob.id));
    await world.settled(a.admin.addressAdd('@x.test', bob.address));
    await world.settled(a.admin.addressAdd('away@x.test', '"a..b"@far.test'));
    assert.equal(a.directory.state.elsewhereOf('away@x.test'), '"a..b"@far.test');
  });
});
