// Store requests by kind and result, and how long they took: resends, and the wait for one's turn, included, because that
// is what mail waits for.
import { Unavailable } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { ListOptions, ListPage, ObjectStore, PutOptions, StoredObject, Stores } from '../store/index.ts';
import { Histogram, counter } from './exposition.ts';
import type { Family, Sample } from './exposition.ts';

type Kind = 'put' | 'get' | 'list' | 'delete';
const KINDS: readonly Kind[] = ['put', 'get', 'list', 'delete'];
/** From a disk's 1 ms to the patience of a whole call, in seconds. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class StoreRequests {
  readonly #clock: Clock;
  readonly #took = Object.fromEntries(KINDS.map((kind) => [kind, new Histogram(SECONDS)])) as Record<Kind, Histogram>;
  readonly #results = Object.fromEntries(KINDS.map((kind) => [kind, { ok: 0, unavailable: 0, failed: 0 }])) as Record<Kind, { ok: number; unavailable: number; failed: number }>;
  readonly #bytes = { in: 0, out: 0 };
  #open = 0;
  #measured: ObjectStore[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts all that goes through; nothing else changes. */
  measure(stores: Stores): Stores {
    const measured = new Map<ObjectStore, ObjectStore>();
    const of = (store: ObjectStore): ObjectStore => {
      let one = measured.get(store);
      if (!one) {
        measured.set(store, (one = new MeasuredStore(store, this)));
        this.#measured.push(store);
      }
      return one;
    };
    return { home: of(stores.home), names: stores.names, place: stores.place, bucket: (name) => of(stores.bucket(name)), close: () => stores.close() };
  }

  /** Beside the answer, not before it: the caller gets the same promise as without. */
  timed<T>(kind: Kind, answer: Promise<T>, out: number, sizeOf?: (answer: T) => number): Promise<T> {
    const began = this.#clock.monotonic();
    this.#open++;
    this.#bytes.out += out;
    const end = (result: 'ok' | 'unavailable' | 'failed') => {
      this.#open--;
      this.#results[kind][result]++;
      this.#took[kind].observe((this.#clock.monotonic() - began) / 1000);
    };
    answer.then(
      (value) => {
        if (sizeOf) this.#bytes.in += sizeOf(value);
        end('ok');
      },
      (e) => end(e instanceof Unavailable ? 'unavailable' : 'failed'),
    );
    return answer;
  }

  families(): Family[] {
    const results: Sample[] = KINDS.flatMap((kind) => Object.entries(this.#results[kind]).map(([result, value]) => ({ labels: { kind, result }, value })));
    const sent = KINDS.map((kind): Sample => ({ labels: { kind }, value: this.#measured.reduce((sum, store) => sum + store.counts[kind], 0) }));
    return [
      counter('colombier_store_requests_total', 'Calls to the store that have ended, by kind and result', results),
      counter('colombier_store_sends_total', 'Requests sent to the store, resends included, by kind', sent),
      counter('colombier_store_bytes_total', 'Bytes of objects sent to the store and read from it', [{ labels: { direction: 'out' }, value: this.#bytes.out }, { labels: { direction: 'in' }, value: this.#bytes.in }]),
      { name: 'colombier_store_requests_open', help: 'Calls to the store under way', type: 'gauge', samples: [{ value: this.#open }] },
      { name: 'colombier_store_request_seconds', help: 'Time from a call to the store to its answer, resends included', type: 'histogram', samples: KINDS.flatMap((kind) => this.#took[kind].samples({ kind })) },
    ];
  }
}

const sizeOf = (bytes: Uint8Array | Uint8Array[]): number => (Array.isArray(bytes) ? bytes.reduce((sum, piece) => sum + piece.length, 0) : bytes.length);

class MeasuredStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #requests: StoreRequests;
  constructor(store: ObjectStore, requests: StoreRequests) {
    this.#store = store;
    this.#requests = requests;
  }
  get preparesPuts(): boolean {
    return this.#store.preparesPuts === true;
  }
  get patience_ms(): number | undefined {
    return this.#store.patience_ms;
  }
  get counts(): ObjectStore['counts'] {
    return this.#store.counts;
  }
  put(name: string, bytes: Uint8Array | Uint8Array[], options?: PutOptions): Promise<{ date: number }> {
    return this.#requests.timed('put', this.#store.put(name, bytes, options), sizeOf(bytes));
  }
  putStream(name: string, bytes: number, source: () => AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ date: number }> {
    return this.#requests.timed('put', this.#store.putStream(name, bytes, source, options), bytes);
  }
  confirm(name: string, bytes: Uint8Array, firstModified: number): Promise<void> {
    return this.#requests.timed('put', this.#store.confirm(name, bytes, firstModified), bytes.length);
  }
  get(name: string, options?: { from?: number; to?: number; signal?: AbortSignal }): Promise<StoredObject | null> {
    return this.#requests.timed('get', this.#store.get(name, options), 0, (object) => object?.bytes.length ?? 0);
  }
  list(options: ListOptions): Promise<ListPage> {
    return this.#requests.timed('list', this.#store.list(options), 0);
  }
  delete(name: string, options?: { signal?: AbortSignal }): Promise<void> {
    return this.#requests.timed('delete', this.#store.delete(name, options), 0);
  }
  close(): Promise<void> {
    return this.#store.close();
  }
}
