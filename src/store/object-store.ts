// The seam between everything and the store: PUT, GET with Range, LIST and DELETE, which is what Garage has
// (no conditional PUT, no locks, no notifications). Three adapters: disk, s3, memory; one contract test.

/** One row of a LIST. */
export interface Listed {
  name: string;
  bytes: number;
  /** The store's own time of the last PUT, milliseconds since 1970. */
  modified: number;
}

export interface ListOptions {
  /** Only names that begin with this. */
  prefix: string;
  /** Only names after this one (bytewise). */
  startAfter?: string;
  /** At most so many; default 1000. */
  maxKeys?: number;
  /**
   * `told` of an earlier answer for this prefix: what was there by then may be left out, by an adapter that can tell. What came, or
   * came back, since then never is.
   */
  told?: number;
  signal?: AbortSignal;
}

export interface ListPage {
  /** In bytewise order of names. */
  objects: Listed[];
  /** More follow after the last one. */
  truncated: boolean;
  /** The store's own time when it answered (`Date`), milliseconds since 1970. */
  date: number;
  /** For `told` of a later LIST; none where the adapter leaves nothing out. */
  told?: number;
}

export interface StoredObject {
  bytes: Buffer;
  /** Size of the whole object, also when a range was asked for. */
  size: number;
  modified: number;
  /** `first-modified` as given to `put`, if any: see PutOptions. */
  firstModified: number | null;
  date: number;
}

export interface PutOptions {
  /**
   * A second PUT of an event that was not known to be acknowledged carries the first LastModified that was seen, so
   * that the object's age stays what it was. Kept as the object's metadata.
   */
  firstModified?: number;
  /** Asked before every send, the first one too: when it says no, nothing more is sent and the PUT fails with Unavailable. */
  maySend?: () => boolean;
  /**
   * The object appears only when this has resolved; until then the adapter prepares what it can. When it rejects nothing
   * appears, ever, and the PUT fails with Unavailable. `maySend` is asked afterwards.
   */
  after?: Promise<unknown>;
  /** Names of the objects that `after` waits for, where all of them are PUTs at this store: it may make them durable in one go with this one. */
  behind?: readonly string[];
  signal?: AbortSignal;
}

/**
 * Errors: Unavailable when the store (or a quorum of it) gives no answer in time: a PUT may then have happened or may
 * happen later. Every object is written once under a name that no one else can choose, so adapters resend at will.
 * Every adapter has own time-outs and retries (`store_…` of the limits), but a caller's `signal` ends all of it.
 */
export interface ObjectStore {
  /** Durable when it resolves. Resolves with the store's own time. `bytes` may come as pieces that are one after the other. */
  put(name: string, bytes: Uint8Array | Uint8Array[], options?: PutOptions): Promise<{ date: number }>;
  /** Null when there is no such object. `to` is exclusive; a range beyond the end gives what there is. */
  get(name: string, options?: { from?: number; to?: number; signal?: AbortSignal }): Promise<StoredObject | null>;
  list(options: ListOptions): Promise<ListPage>;
  /** No error when there is no such object. */
  delete(name: string, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * PUT of an object too large to be kept in memory. `source` is called again for each resend. Size is known when the
   * upload begins.
   */
  putStream(name: string, bytes: number, source: () => AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ date: number }>;
  /**
   * Makes what a LIST showed, but nobody acknowledged, certain (DESIGN: acknowledged or not). On the disk store an
   * fsync of the folder; elsewhere a PUT of the same bytes with the first LastModified.
   */
  confirm(name: string, bytes: Uint8Array, firstModified: number): Promise<void>;
  /**
   * PUTs are so short that an event is better made while its blob's PUT is under way (`after`); where they take long, whoever
   * waits first knows more when writing.
   */
  readonly preparesPuts?: boolean;
  /** Milliseconds after which who waits for a PUT and its resends by the caller should be told Unavailable; none: as long as rules allow. */
  readonly patience_ms?: number;
  /** Requests made so far, by kind: for benchmarks and metrics. */
  readonly counts: { put: number; get: number; list: number; delete: number };
  close(): Promise<void>;
}

/** Where a user's objects are: the user's record names the bucket (s3) or null (disk, memory). */
export interface Stores {
  /** Throws Refused when the bucket isn't configured here. */
  bucket(name: string | null): ObjectStore;
  /** The store of `directory/` and `replicas/`. */
  readonly home: ObjectStore;
  /** Names of all configured buckets; for disk and memory one, null. */
  readonly names: (string | null)[];
  /** The same for all that use this store, and another for those of a copy, as far as can be told: on disk by the files, elsewhere by the first bucket's name. */
  readonly place: string;
  close(): Promise<void>;
}
