// Writes fixtures/releases/<version>.json: run once at each release (`node test/real/freeze-release.ts`), before the formats of
// the next one are touched. A file that is there is never written again.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesOf, keep, releases, root, seenBy } from './release.ts';
import { message } from './mail.ts';
import { Site, sleep } from './site.ts';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
if (releases().includes(version)) throw new Error(`${version} is frozen already`);
const site = new Site();
try {
  const { ann } = await site.people('ann');
  const made = await site.command(['user', 'app-password', ann.address, 'phone', '--password-stdin'], `${ann.password}\n`);
  const appPassword = /\b[a-z0-9]+(?:-[a-z0-9]+){2,}\b/i.exec(made.out)?.[0] ?? '';
  if (appPassword === '') throw new Error(`no app password: ${made.out}${made.err}`);
  let replica = await site.start();
  const mail = await replica.sender();
  for (let i = 0; i < 20; i++) await mail.stored(ann.address, message(`frozen${i}`, i === 3 ? 90_000 : 600));
  const imap = await replica.client(ann);
  await imap.ok('CREATE Work/Letters');
  await imap.ok('CREATE Old');
  await imap.ok('RENAME Old Older');
  await imap.ok('SELECT INBOX');
  await imap.ok('STORE 1:9 +FLAGS (\\Seen)');
  await imap.ok('STORE 2,4 +FLAGS (\\Flagged $Important)');
  await imap.ok('COPY 2:3 Work/Letters');
  await imap.ok('MOVE 5:6 Older');
  await imap.ok('STORE 1 +FLAGS (\\Deleted)');
  await imap.ok('EXPUNGE');
  await imap.ok('SETMETADATA INBOX (/private/comment "kept")');
  await imap.append('Sent', message('frozen-sent'), '\\Seen');
  imap.close();
  // Who leaves leaves a snapshot; then a tail, a bundle needs more mail than is worth keeping.
  await sleep(3000);
  await mail.stored(ann.address, message('frozen-tail1'));
  await mail.stored(ann.address, message('frozen-tail2'));
  await replica.stop();
  replica = await site.start();
  const seen = await seenBy(await replica.client(ann));
  await replica.stop();
  keep({ version, commit, person: ann, appPassword, seen, files: filesOf(site) });
} finally {
  await site.end();
}
