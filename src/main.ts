// The command line's entry: `node src/main.ts COMMAND …`. All it knows is where the words come from and where text goes.
import type { ServerModule } from './cli/admin.ts';

const { run } = await import('./cli/run.ts');
const { systemClock } = await import('./base/clock.ts');

process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  server: () => import('./server.ts' as string) as Promise<ServerModule>,
});
// What still waits for a store, or for a client that doesn't hang up, keeps nobody.
systemClock.after(500, () => process.exit());
