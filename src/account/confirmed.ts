// What was made certain once stays certain until it is deleted, and names are never used again: so a replica does it once for
// each object. Without this every snapshot and every collection would PUT all manifests again.
import type { ObjectStore } from '../store/index.ts';

/** Names that are remembered, about 100 bytes each. */
const NAMES_MAX = 20_000;

const anew = new WeakMap<ObjectStore, ObjectStore['confirm']>();

/** The same store, which from now on remembers what was confirmed through it. */
export function confirmedOnce(store: ObjectStore): ObjectStore {
  if (anew.has(store)) return store;
  const certain = new Set<string>();
  const confirm = store.confirm.bind(store);
  anew.set(store, confirm);
  store.confirm = async (name, bytes, firstModified) => {
    if (certain.has(name)) return;
    await confirm(name, bytes, firstModified);
    certain.add(name);
    if (certain.size > NAMES_MAX) certain.delete(certain.values().next().value!);
  };
  return store;
}

/** Whatever was confirmed before: a node may have lost its disk since. */
export const confirmAnew: (store: ObjectStore, ...args: Parameters<ObjectStore['confirm']>) => Promise<void> = (store, ...args) => (anew.get(store) ?? store.confirm.bind(store))(...args);
