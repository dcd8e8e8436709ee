// `restored`: after the buckets came back from a backup, and before anyone logs in.
import type { Run } from './context.ts';
import { complaint } from './print.ts';

export const restored: Run = async (c) => {
  const { users, failed, held = 0 } = await (await c.admin()).restored();
  for (const f of failed) c.out(complaint(f, f.problem));
  c.out(`the directory and ${users} log${users === 1 ? '' : 's'} go on 2^24 positions further\n`);
  if (held > 0) c.out(`${held} message${held === 1 ? ' is' : 's are'} held in the queue: what was sent since the backup would go out again (queue list, drop --silent, hold all --off)\n`);
  if (failed.length > 0) c.err(`${failed.length} could not be written: run it again before these users log in\n`);
  return failed.length === 0 ? 0 : 1;
};
