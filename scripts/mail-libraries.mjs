// What the tests with mail libraries need, outside the checkout, in $XDG_CACHE_HOME (or ~/.cache)/colombier: the Go client of
// test/real/go, built, and Roundcube's IMAP library, unpacked from Debian's package (nothing is installed). Says what it can't get.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'colombier');
mkdirSync(cache, { recursive: true });
const quiet = { stdio: ['ignore', 2, 2] };

/** Does the work unless it is done; a failure is said, and is no error: the test skips itself. */
function attempt(name, how, work) {
  try {
    work();
  } catch (e) {
    console.error(`mail-libraries: ${name}: ${e.message.split('\n')[0]} (${how})`);
    process.exitCode = 1;
  }
}

attempt('go-imap', 'Go 1.22 or newer is needed: https://go.dev', () => {
  const source = fileURLToPath(new URL('../test/real/go/', import.meta.url));
  const stamp = join(cache, 'go-imap-round.txt');
  const wanted = ['main.go', 'go.sum'].map((name) => readFileSync(source + name, 'utf8')).join('');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  execFileSync('go', ['build', '-o', join(cache, 'go-imap-round'), '.'], { ...quiet, cwd: source });
  writeFileSync(stamp, wanted);
});

attempt('Roundcube', 'Debian with apt-get is needed', () => {
  const folder = join(cache, 'roundcube');
  if (existsSync(folder)) return;
  const work = mkdtempSync(join(tmpdir(), 'roundcube-'));
  try {
    execFileSync('apt-get', ['-qq', 'download', 'roundcube-core'], { ...quiet, cwd: work });
    const deb = readdirSync(work).find((name) => /^roundcube-core_.*\.deb$/.test(name));
    copyFileSync(join(work, deb), join(cache, 'roundcube.deb'));
    execFileSync('dpkg-deb', ['-x', join(cache, 'roundcube.deb'), `${folder}.new`], quiet);
    rmSync(join(cache, 'roundcube.deb'));
    renameSync(`${folder}.new`, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
