// GNU SASL and Cyrus SASL (through mbsync) log in by SCRAM with an app password.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Site } from './site.ts';
import type { Person, Replica } from './site.ts';
import { needs, run } from './tools.ts';

describe('real: SCRAM', function () {
  this.timeout(60_000);
  let site: Site;
  let ann: Person;
  let app: string;
  let replica: Replica;
  before(async () => {
    site = new Site();
    ann = (await site.people('ann')).ann;
    const made = await site.command(['user', 'app-password', ann.address, 'phone', '--password-stdin'], `${ann.password}\n`);
    app = /\b[0-9a-z]{5}(?:-[0-9a-z]{5}){6}\b/.exec(made.out)?.[0] ?? '';
    assert.notEqual(app, '', made.out + made.err);
    replica = await site.start();
  });
  after(() => site.end());

  const gsasl = (mechanism: string, password: string, ...words: string[]) =>
    run('gsasl', ['--imap', '--mechanism', mechanism, '--authentication-id', ann.address, '--authorization-id', '', '--password', password, '--x509-ca-file=', '--quiet', ...words]);

  it('gsasl', async function () {
    needs(this, 'gsasl', ['--version'], 'apt install gsasl');
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS']) {
      const ran = await gsasl(mechanism, app, ...(mechanism.endsWith('PLUS') ? [] : ['--no-cb']), '127.0.0.1', String(replica.imap));
      assert.equal(ran.status, 0, ran.err + ran.out);
      assert.match(ran.out, /STARTTLS/);
    }
    const wrong = await gsasl('SCRAM-SHA-256', 'wrong-wrong', '127.0.0.1', String(replica.imap));
    assert.notEqual(wrong.status, 0);
    const chosen = await gsasl('SCRAM-SHA-256', ann.password, '127.0.0.1', String(replica.imap));
    assert.notEqual(chosen.status, 0, 'chosen passwords have no SCRAM');
  });

  it('mbsync', async function () {
    needs(this, 'mbsync', ['--version'], 'apt install isync');
    const near = join(site.folder, 'near');
    mkdirSync(near);
    const rc = join(site.folder, 'rc');
    writeFileSync(join(site.folder, 'app'), app, { mode: 0o600 });
    const lines = [
      'IMAPAccount ann', 'Host 127.0.0.1', `Port ${replica.imap}`, 'SSLType None', 'AuthMechs SCRAM-SHA-256', `User ${ann.address}`, `PassCmd "cat ${join(site.folder, 'app')}"`, '',
      'IMAPStore far', 'Account ann', '', 'MaildirStore near', `Path ${near}/`, `Inbox ${near}/INBOX`, 'SubFolders Verbatim', '',
      'Channel all', 'Far :far:', 'Near :near:', 'Patterns *', 'Create Near', 'SyncState *', '',
    ];
    writeFileSync(rc, lines.join('\n'), { mode: 0o600 });
    const ran = await run('mbsync', ['-c', rc, 'all']);
    if (/SASL|mechanism/i.test(ran.err) && !/AUTHENTICATIONFAILED/.test(ran.err)) needs(this, 'false', [], 'apt install libsasl2-modules');
    assert.equal(ran.status, 0, ran.err);
  });
});
