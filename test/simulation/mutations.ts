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
  noRepairs: { profile: 'storm', seed: 1, within: 300, switches: { account: { noRepairs: true } } },
  eventBeforeBlob: { profile: 'mail', seed: 1, within: 20, switches: { account: { eventBeforeBlob: true } } },
  answerBeforePut: { profile: 'storm', seed: 1, within: 50, switches: { account: { answerBeforePut: true } } },
  noDeliveryKeys: { profile: 'storm', seed: 1, within: 100, switches: { state: { noDeliveryKeys: true } } },
  slotsReusedAtOnceAndGreaterAlone: { profile: 'slow', seed: 343, within: 1000, switches: { log: { slotsReusedAtOnce: true, greaterAlone: true } } },
  firstPositionInName: { profile: 'slow', seed: 1, within: 300, switches: { log: { firstPositionInName: true } } },
  noWindow: { profile: 'slow', seed: 1, within: 200, switches: { log: { noWindow: true } } },
  noListBeforeWrite: { profile: 'edges', seed: 250, within: 1000, switches: { log: { noListBeforeWrite: true } } },
  listFromGreatest: { profile: 'edges', seed: 601, within: 1500, switches: { log: { listFromGreatest: true } } },
  // noPassedOver, trustFloors, noDigest, onePassCollection, positionsNotSpent and noSecondPut: directed.ts.
  bundleCoversByFloor: { profile: 'days', seed: 19, within: 300, switches: { log: { bundleCoversByFloor: true } } },
  neverForget: { profile: 'days', seed: 1, within: 300, switches: { log: { neverForget: true } } },
  noCoversInJoin: { profile: 'forget', seed: 1, within: 100, switches: { log: { noCoversInJoin: true }, state: { noCoversInJoin: true } } },
};
