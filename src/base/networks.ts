// Addresses and networks: who is meant by `10.0.0.0/8, ::1`, and which network an address belongs to.
import { BlockList, isIP } from 'node:net';
import { Malformed } from './errors.ts';

/** An IPv4 address that came through an IPv6 socket is the IPv4 address. */
export const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');

/** A set of addresses and networks. */
export class Networks {
  readonly #list = new BlockList();
  readonly empty: boolean;

  /** Each is an address or `address/bits`. Malformed. */
  constructor(all: readonly string[]) {
    this.empty = all.length === 0;
    for (const text of all) {
      const m = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
      const kind = isIP(m?.[1] ?? '');
      const width = kind === 4 ? 32 : 128;
      const bits = Number(m?.[2] ?? width);
      if (m === null || kind === 0 || bits > width) throw new Malformed(`"${text}" is neither an address nor a network such as 192.0.2.0/24`);
      this.#list.addSubnet(m[1], bits, kind === 4 ? 'ipv4' : 'ipv6');
    }
  }

  has(address: string): boolean {
    if (this.empty) return false;
    const plain = plainAddress(address);
    const kind = isIP(plain);
    return kind !== 0 && this.#list.check(plain, kind === 4 ? 'ipv4' : 'ipv6');
  }
}

/** The eight groups of an IPv6 address as numbers. */
function groupsOf(address: string): number[] {
  const bare = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => `${((+a << 8) | +b).toString(16)}:${((+c << 8) | +d).toString(16)}`);
  const [head, tail] = bare.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':').map((g) => Number.parseInt(g, 16)) : []);
  const [front, back] = [groups(head), groups(tail)];
  return tail === undefined ? front : [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
}

/** What one operator's machines have in common: the /24 of IPv4, the /64 of IPv6. */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  if (!plain.includes(':')) return plain.slice(0, plain.lastIndexOf('.'));
  return groupsOf(plain).slice(0, 4).map((g) => g.toString(16)).join(':');
}

/** What one machine can call itself: an IPv4 address, or all of the /64 that an IPv6 address is in. */
export function machineOf(address: string): string {
  const plain = plainAddress(address);
  return plain.includes(':') ? networkOf(plain) : plain;
}

/** The name under which DNS knows an address: `1.2.0.192` of 192.0.2.1, 32 nibbles of IPv6, without a zone. */
export function reversedAddress(address: string): string {
  const plain = plainAddress(address);
  if (!plain.includes(':')) return plain.split('.').reverse().join('.');
  const hex = groupsOf(plain).map((g) => g.toString(16).padStart(4, '0')).join('');
  return [...hex].reverse().join('.');
}
