// Each rule of the log can be switched off, so that the simulation can prove that it would notice.

export interface LogMutations {
  /** A restarted replica takes its old slot at once. */
  slotsReusedAtOnce: boolean;
  /** Lateness compares by "greater" and not by "greater or equal". */
  greaterAlone: boolean;
  firstPositionInName: boolean;
  /** What a LIST shows counts, acknowledged or not. */
  noSecondPut: boolean;
  /** `closed` is the greatest position known, however new. */
  noWindow: boolean;
  /** Events are applied whatever their digest says. */
  noDigest: boolean;
  noListBeforeWrite: boolean;
  /** A LIST starts at the greatest position known (one window ago), and floors follow it. */
  listFromGreatest: boolean;
  positionsNotSpent: boolean;
  /** A floor counts as having seen all below it, whatever its digest says. */
  trustFloors: boolean;
  noPassedOver: boolean;
  /** A bundle covers all at or below its greatest position. */
  bundleCoversByFloor: boolean;
  /** A replica goes on with what it knew more than 12 hours ago. */
  neverForget: boolean;
  /** Joins of snapshots don't ask what the other side covers. */
  noCoversInJoin: boolean;
  onePassCollection: boolean;
}

export const noMutations: LogMutations = {
  slotsReusedAtOnce: false,
  greaterAlone: false,
  firstPositionInName: false,
  noSecondPut: false,
  noWindow: false,
  noDigest: false,
  noListBeforeWrite: false,
  listFromGreatest: false,
  positionsNotSpent: false,
  trustFloors: false,
  noPassedOver: false,
  bundleCoversByFloor: false,
  neverForget: false,
  noCoversInJoin: false,
  onePassCollection: false,
};
