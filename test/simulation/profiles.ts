// What kinds of histories there are: how many replicas, what is done how often, and what goes wrong.

import type { Sickness } from './sick.ts';

export interface Rates {
  deliver: number;
  /** A sender that wasn't told 250 (or didn't hear it) sends again. */
  again: number;
  append: number;
  store: number;
  copy: number;
  move: number;
  expunge: number;
  read: number;
  create: number;
  remove: number;
  rename: number;
  sync: number;
  noop: number;
  /** An annotation of a mailbox is changed. */
  note?: number;
  subscribe?: number;
  undelete?: number;
  /** The store is said to be restored from a backup. */
  restored?: number;
  crash: number;
  /** A process is stopped for a while, or its machine sleeps. */
  stop: number;
  /** A replica loses its way to the store for a while. */
  cut: number;
  /** A replica is shown nothing but what was there, for a while. */
  stuck?: number;
  /** A wall clock is set. */
  wall: number;
  snapshot: number;
  bundle: number;
  collect: number;
  /** Some hours go by, with or without life. */
  hours: number;
  /** One replica is stopped for days, in which the others write, snapshot and collect. */
  absence: number;
}

export interface Profile {
  replicas: [min: number, max: number];
  steps: [min: number, max: number];
  rates: Partial<Rates>;
  /** Share of PUTs of events that take seconds (up to minutes), and that fail in one way or another. */
  slowPuts: number;
  badPuts: number;
  /** Share of other requests that fail or take seconds. */
  badOthers: number;
  /** Longest of what is slow, and longest until a late PUT lands, ms. */
  slowest: number;
  latest: number;
  hintsLost: number;
  /** Share of answers right after which the process is killed. */
  killedAfterAnswer: number;
  /** Share of failing PUTs of events in which the process dies too, so that nobody sends again. */
  killedInPut: number;
  /** Mailboxes that come and go are used too. */
  mortal: boolean;
  /** Share of steps that follow at once; the others wait seconds. */
  bursts: number;
  upkeep: boolean;
  /** So many machines only take deliveries: they know logs by names alone, and list them seldom. */
  deliverers?: number;
  /** Share of clients that stay connected; default 0.3. */
  stays?: number;
  /** How often a read shows what was stored in part; default 0.5. */
  partialShown?: number;
  /** Longest until a request that failed is known to have failed, ms; default 10 s. */
  failsAfter?: number;
  /** Expunged records are forgotten at once before a snapshot: as thirty days would do, where nobody copies. */
  forgets?: boolean;
  /** Two users instead of one. */
  two?: boolean;
  /** The store does not keep its promises until the end. */
  sick?: Sickness;
  /** Objects are altered at the end. */
  tamper?: boolean;
}

const mail: Profile = {
  replicas: [2, 4],
  steps: [20, 60],
  rates: { deliver: 16, again: 3, append: 6, store: 12, copy: 3, move: 6, expunge: 5, read: 2, sync: 16, noop: 8, crash: 2, stop: 1, cut: 1, wall: 0.5 },
  slowPuts: 0.3,
  badPuts: 0.12,
  badOthers: 0.02,
  slowest: 30_000,
  latest: 240_000,
  hintsLost: 0.2,
  killedAfterAnswer: 0.03,
  killedInPut: 0.05,
  mortal: false,
  bursts: 0.5,
  upkeep: false,
};

export const profiles: Record<string, Profile> = {
  mail,
  /** Much goes wrong at once. */
  storm: {
    ...mail,
    rates: { ...mail.rates, again: 6, crash: 6, stop: 4, cut: 3, wall: 2 },
    slowPuts: 0.4,
    badPuts: 0.35,
    badOthers: 0.06,
    slowest: 150_000,
    hintsLost: 0.5,
    killedAfterAnswer: 0.1,
  },
  /** Many write at once, slowly, and hardly a hint arrives: what a replica knows, it knows from LISTs. */
  slow: {
    ...mail,
    replicas: [3, 4],
    steps: [40, 80],
    rates: { deliver: 20, again: 3, append: 4, store: 10, move: 3, expunge: 3, sync: 30, noop: 4, crash: 3 },
    slowPuts: 0.5,
    badPuts: 0.15,
    badOthers: 0,
    slowest: 70_000,
    hintsLost: 0.95,
    killedAfterAnswer: 0.02,
    killedInPut: 0.3,
    bursts: 0.3,
  },
  /** Long silences, long cuts, one machine that only takes deliveries: replicas write from what they knew minutes ago. */
  edges: {
    ...mail,
    replicas: [3, 4],
    steps: [40, 80],
    rates: { deliver: 20, again: 4, append: 4, store: 8, move: 2, expunge: 2, sync: 26, noop: 10, crash: 1.5, cut: 5 },
    slowPuts: 0.5,
    badPuts: 0.3,
    badOthers: 0,
    slowest: 70_000,
    hintsLost: 0.95,
    killedAfterAnswer: 0.01,
    killedInPut: 0.4,
    bursts: 0.3,
    deliverers: 1,
    stays: 0.85,
    partialShown: 0.25,
    failsAfter: 50_000,
  },
  /** Annotations of mailboxes change, which HIGHESTMODSEQ tells. */
  notes: { ...mail, rates: { ...mail.rates, note: 10, crash: 3, cut: 2 }, badPuts: 0.2, hintsLost: 0.5 },
  /** Mailboxes are made, renamed and deleted under everybody's feet. */
  boxes: { ...mail, rates: { ...mail.rates, create: 8, remove: 5, rename: 6, append: 8, move: 8 }, mortal: true },
  /** What is rare in a user's life, between all else: removed messages come back, a backup is said to have been restored. */
  rare: {
    ...mail,
    rates: { ...mail.rates, create: 4, remove: 2, rename: 4, note: 4, subscribe: 6, undelete: 3, restored: 1, snapshot: 5, bundle: 2, expunge: 8 },
    mortal: true,
  },
  /** Snapshots, bundles, collection, and absences of days. */
  days: {
    ...mail,
    steps: [20, 50],
    rates: { ...mail.rates, snapshot: 6, bundle: 3, collect: 4, hours: 7, absence: 1.5 },
    upkeep: true,
    badPuts: 0.06,
  },
  /** As days, for what only a session may forget. */
  forget: {
    ...mail,
    replicas: [2, 3],
    rates: { deliver: 14, again: 2, append: 6, store: 8, expunge: 10, sync: 12, noop: 6, crash: 1, snapshot: 14, collect: 2, hours: 3 },
    badPuts: 0.04,
    upkeep: false,
    forgets: true,
  },
  /** A store that answers out of the past, mixes objects up, and does not know the time. */
  sick: { ...mail, rates: { ...mail.rates, stuck: 4, snapshot: 5, bundle: 2 }, badPuts: 0.05, sick: { replays: 0.03, oldest: 600_000, swaps: 0.01, times: 0 } },
  tamper: { ...mail, replicas: [2, 2], steps: [10, 25], rates: { ...mail.rates, snapshot: 5, bundle: 3, crash: 0, stop: 0 }, two: true, tamper: true },
};
