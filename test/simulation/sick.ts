// A store that does not keep its promises: it answers some readers with what was there a while ago, for a while, or now and then with
// the bytes of another object, and its own times are wrong. Nobody may be shown anything wrong because of it.
import type { Random } from '../../src/base/index.ts';
import type { ListOptions, ListPage, StoredObject } from '../../src/store/index.ts';

/** What is wrong with the store of a profile. */
export interface Sickness {
  /** Share of LISTs and GETs that are answered out of the past, and how far back that is at most, ms. */
  replays: number;
  oldest: number;
  /** Share of GETs answered with the bytes of another object of the same kind. */
  swaps: number;
  /** `modified` is wrong by up to so much, each time anew, ms. */
  times: number;
}

/** An object as it was from one time to another. */
interface Version {
  from: number;
  to: number;
  bytes: Buffer;
  firstModified: number | null;
}

/** Remembers all that was ever stored. */
export class Past {
  readonly #versions = new Map<string, Version[]>();

  landed(name: string, bytes: Buffer, firstModified: number | null, now: number): void {
    const versions = this.#versions.get(name) ?? [];
    this.removed(name, now);
    versions.push({ from: now, to: Infinity, bytes, firstModified });
    this.#versions.set(name, versions);
  }
  removed(name: string, now: number): void {
    const last = this.#versions.get(name)?.at(-1);
    if (last && last.to === Infinity) last.to = now;
  }

  #at(name: string, time: number): Version | undefined {
    return this.#versions.get(name)?.findLast((v) => v.from <= time && time < v.to);
  }
  get(name: string, time: number, options: { from?: number; to?: number } | undefined, date: number): StoredObject | null {
    const found = this.#at(name, time);
    if (!found) return null;
    return { bytes: Buffer.from(found.bytes.subarray(options?.from ?? 0, options?.to)), size: found.bytes.length, modified: found.from, firstModified: found.firstModified, date };
  }
  list({ prefix, startAfter = '', maxKeys = 1000 }: ListOptions, time: number, date: number): ListPage {
    const names = [...this.#versions.keys()].filter((name) => name.startsWith(prefix) && name > startAfter && this.#at(name, time)).sort();
    const objects = names.slice(0, maxKeys).map((name) => {
      const { bytes, from } = this.#at(name, time)!;
      return { name, bytes: bytes.length, modified: from };
    });
    return { objects, truncated: names.length > maxKeys, date };
  }
  /** Another object of the same kind. */
  another(name: string, random: Random): Buffer | null {
    const kind = name.split('/')[2];
    const others = [...this.#versions.keys()].filter((n) => n !== name && n.split('/')[2] === kind);
    return others.length === 0 ? null : this.#versions.get(others[Math.floor(random.unit() * others.length)])!.at(-1)!.bytes;
  }
}
