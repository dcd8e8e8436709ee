// Policies of MTA-STS in the store, so that a replica that starts knows what was learnt before. Like all that is here each
// object is written once; its name tells only that it is about the same domain as another.
import { createHmac } from 'node:crypto';
import { randomId } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { openNamed, sealNamed } from '../seal/index.ts';
import { policyName, policyPrefix } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import type { QueueKeys } from './keys.ts';
import type { PolicyShelf } from './sts.ts';

const NOTHING = Buffer.alloc(0);
const ID_BITS = 60;

export function policyShelf(store: ObjectStore, root: string, keys: QueueKeys, random: Random): PolicyShelf {
  const of = (domain: string, key = keys.names[0]) => createHmac('sha256', key).update(domain).digest('hex').slice(0, 32);
  /** Under former cluster secrets, then under the one in use; newest last. */
  const list = async (domain: string) => {
    const lists = await Promise.all([...keys.names].reverse().map((key) => store.list({ prefix: policyPrefix(root, of(domain, key)) })));
    return lists.flatMap((page) => page.objects.map((o) => o.name));
  };
  return {
    async get(domain) {
      const name = (await list(domain)).at(-1);
      const object = name ? await store.get(name) : null;
      return object && openNamed(keys.events, name!, NOTHING, object.bytes);
    },
    async put(domain, at, bytes) {
      const old = await list(domain);
      const name = policyName(root, of(domain), at, randomId(random, ID_BITS));
      await store.put(name, sealNamed(keys.events[0], name, NOTHING, bytes, random));
      for (const one of old) if (!one.startsWith(policyPrefix(root, of(domain))) || one < name) await store.delete(one);
    },
  };
}
