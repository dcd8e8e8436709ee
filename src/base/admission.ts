// How many connections are open, in all and from each address: a flood from one address leaves room for the others. Of IPv6
// one machine has a whole /64, which counts as one.
import type { Limits } from './limits.ts';
import { machineOf } from './networks.ts';

export class Admission {
  readonly #byAddress = new Map<string, number>();
  readonly #limits: Pick<Limits, 'connections_max' | 'connections_per_address_max'>;
  #open = 0;
  constructor(limits: Pick<Limits, 'connections_max' | 'connections_per_address_max'>) {
    this.#limits = limits;
  }
  get open(): number {
    return this.#open;
  }
  /** A function to call once when the connection has ended, or null when there is no room. */
  readonly admit = (from: string): (() => void) | null => {
    const address = machineOf(from);
    const here = this.#byAddress.get(address) ?? 0;
    if (this.#open >= this.#limits.connections_max || here >= this.#limits.connections_per_address_max) return null;
    this.#open++;
    this.#byAddress.set(address, here + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#open--;
      const rest = this.#byAddress.get(address)! - 1;
      if (rest === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, rest);
    };
  };
}
