// The rules that are switched off one by one, each with the kind of history that shows it: a simulation that doesn't
// notice proves nothing. `seed` is one that was seen to fail; the test begins there and gives up after `within`.
import type { Switches } from './process.ts';

export interface Mutation {
  profile: string;
  /** The first seed that is tried; this one fails. */
  seed: number;
  /** So many seeds may be needed when something else changed the histories. */
  within: number;
  switches: Partial<Switches>;
}

export const none: Switches = { log: {}, state: {}, account: {} };
export const switchesOf = (m: Mutation | undefined): Switches => ({ ...none, ...m?.switches });

export const mutations: Record<string, Mutation> = {
  noRepairs: { profile: 'storm', seed: 1, within: 400, switches: { account: { noRepairs: true } } },
  eventBeforeBlob: { profile: 'mail', seed: 1, within: 20, switches: { account: { eventBeforeBlob: true } } },
  answerBeforePut: { profile: 'storm', seed: 1, within: 100, switches: { account: { answerBeforePut: true } } },
  noDeliveryKeys: { profile: 'storm', seed: 1, within: 100, switches: { state: { noDeliveryKeys: true } } },
  slotsReusedAtOnceAndGreaterAlone: { profile: 'slow', seed: 1, within: 2000, switches: { log: { slotsReusedAtOnce: true, greaterAlone: true } } },
  firstPositionInName: { profile: 'slow', seed: 1, within: 500, switches: { log: { firstPositionInName: true } } },
  noSecondPut: { profile: 'slow', seed: 1, within: 1000, switches: { log: { noSecondPut: true } } },
  noWindow: { profile: 'slow', seed: 1, within: 1000, switches: { log: { noWindow: true } } },
  noDigest: { profile: 'slow', seed: 1, within: 1000, switches: { log: { noDigest: true } } },
  noListBeforeWrite: { profile: 'slow', seed: 1, within: 1000, switches: { log: { noListBeforeWrite: true } } },
  listFromGreatest: { profile: 'slow', seed: 1, within: 1000, switches: { log: { listFromGreatest: true } } },
  positionsNotSpent: { profile: 'slow', seed: 1, within: 2000, switches: { log: { positionsNotSpent: true } } },
  trustFloors: { profile: 'slow', seed: 1, within: 2000, switches: { log: { trustFloors: true } } },
  noPassedOver: { profile: 'slow', seed: 1, within: 2000, switches: { log: { noPassedOver: true } } },
  bundleCoversByFloor: { profile: 'days', seed: 1, within: 300, switches: { log: { bundleCoversByFloor: true } } },
  neverForget: { profile: 'days', seed: 1, within: 1000, switches: { log: { neverForget: true } } },
  noCoversInJoin: { profile: 'forget', seed: 1, within: 500, switches: { log: { noCoversInJoin: true }, state: { noCoversInJoin: true } } },
  onePassCollection: { profile: 'days', seed: 1, within: 1000, switches: { log: { onePassCollection: true } } },
};
