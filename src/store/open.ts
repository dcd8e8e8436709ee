// From settings to stores. A bad setting is Malformed with a text for the administrator.
import { Malformed, Refused, randomId } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import { DiskStore } from './disk.ts';
import { diskPlace } from './disk-open.ts';
import { MemoryWorld } from './memory.ts';
import type { ObjectStore, Stores } from './object-store.ts';

export interface S3Settings {
  /** `http://host:port` or `https://…`, several separated by commas: the next when one does not answer. Buckets are addressed by path. */
  endpoint: string;
  region: string;
  accessKey: string;
  secretKey: string;
}

export interface StoreSettings {
  /** `disk:PATH`, `s3:BUCKET[,BUCKET…]`, or `memory:` (forgets everything at the end). */
  store: string;
  /** Needed for `s3:`. */
  s3?: S3Settings;
}

// S3's own rule for names of buckets, which also keeps them out of trouble in paths.
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * Opens what the settings name. With several buckets `directory/` and `replicas/` live in the first. Errors: Malformed
 * (settings), Unavailable (folder not writable, keys or bucket refused), Corrupt (damaged folder, newer format). An S3
 * store that gives no answer is logged only: it may come back, and every request says so until then.
 */
export async function openStores(settings: StoreSettings, clock: Clock, random: Random, logger: Logger): Promise<Stores> {
  const colon = settings.store.indexOf(':');
  const kind = settings.store.slice(0, Math.max(0, colon));
  const rest = settings.store.slice(colon + 1);
  if (kind === 'disk') {
    if (rest === '') throw new Malformed('the store "disk:" needs a folder: disk:PATH');
    const store = await DiskStore.open(rest, clock, random, logger);
    return one(store, diskPlace(rest));
  }
  if (kind === 'memory') return one(new MemoryWorld(clock, random).client(), randomId(random, 80));
  if (kind !== 's3') throw new Malformed(`not a store: ${JSON.stringify(settings.store)} (disk:PATH or s3:BUCKET[,BUCKET…])`);
  const names = rest.split(',');
  for (const name of names) if (!BUCKET.test(name)) throw new Malformed(`not the name of a bucket: ${JSON.stringify(name)}`);
  if (new Set(names).size !== names.length) throw new Malformed('a bucket is named twice');
  if (!settings.s3) throw new Malformed('the store "s3:" needs endpoint, region, access key and secret key');
  const { openS3 } = await import('./s3.ts'); // undici is large, and a disk store needs none of it
  const { stores, close } = await openS3(settings.s3, names, clock, random, logger);
  return {
    home: stores[0],
    names,
    place: `s3 ${names[0]}`,
    bucket: (name) => stores[name === null ? 0 : names.indexOf(name)] ?? notConfigured(name),
    close,
  };
}

function one(store: ObjectStore, place: string): Stores {
  return {
    home: store,
    names: [null],
    place,
    bucket: (name) => (name === null ? store : notConfigured(name)),
    close: () => store.close(),
  };
}

function notConfigured(name: string | null): never {
  throw new Refused(`the bucket ${JSON.stringify(name)} isn't configured at this replica`);
}
