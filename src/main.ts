// The command line's entry: `node src/main.ts COMMAND …`. All it knows is where the words come from and where text goes.
import type { ServerModule } from './cli/admin.ts';

const { run } = await import('./cli/run.ts');
const { systemClock } = await import('./base/clock.ts');

// Who reads no more (`| head`, a log whose reader died) ends neither a command nor a replica, and a full disk is told in a line.
let unread = false;
process.stdout.on('error', (e: NodeJS.ErrnoException) => {
  if (!unread && e.code !== 'EPIPE') process.stderr.write(`colombier: what is to be shown could not be written: ${e.code}\n`);
  unread = true;
});
process.stderr.on('error', () => {});

const status = await run(process.argv.slice(2), {
  stdin: process.stdin,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  server: () => import('./server.ts' as string) as Promise<ServerModule>,
});
process.exitCode = status === 0 && unread ? 1 : status;
// What still waits for a store, or for a client that doesn't hang up, keeps nobody.
systemClock.after(500, () => process.exit());
