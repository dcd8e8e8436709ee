// THREAD=REFERENCES (RFC 5256 §3, "REFERENCES", its six steps). Nodes are numbers: 0 … n-1 the messages, behind them
// ids that only other messages name.
import type { HeaderText } from '../../base/index.ts';
import type { Forest } from './tree.ts';

/** A message id, or a number that stands for it. */
export type LinkId = HeaderText | number;

/** What is asked of one message. */
export interface Linked {
  id: LinkId | null;
  /** References, else the first id of In-Reply-To. */
  references: readonly LinkId[];
  /** Folded base subject. */
  subject: string;
  reply: boolean;
}

/**
 * Steps up a tree to see whether a link would close a loop, for each message: real mail needs a few; a mailbox made to
 * be slow gets no further links instead.
 */
const STEPS_EACH = 200;

/** `rank[m]`: message m's place by its date, then its number; all different. */
export function threadByReferences(messages: readonly Linked[], rank: Uint32Array): Forest {
  const links = new Links(messages);
  links.link();
  return links.forest(rank);
}

class Links {
  #messages: readonly Linked[];
  #n: number;
  /** -1: none. */
  #parent: number[];
  #nodes = new Map<LinkId, number>();
  /** Nodes that something was put under: the others can close no loop. */
  #parents = new Set<number>();
  #steps: number;

  constructor(messages: readonly Linked[]) {
    this.#messages = messages;
    this.#n = messages.length;
    this.#parent = new Array<number>(this.#n).fill(-1);
    this.#steps = 100_000 + STEPS_EACH * this.#n;
    // Of messages with one id the first has it; the others are on their own.
    for (let m = 0; m < this.#n; m++) {
      const { id } = messages[m];
      if (id !== null && !this.#nodes.has(id)) this.#nodes.set(id, m);
    }
  }

  /** Step 1. */
  link(): void {
    for (let m = 0; m < this.#n; m++) {
      let before = -1;
      for (const id of this.#messages[m].references) {
        const node = this.#node(id);
        if (before >= 0 && this.#parent[node] < 0 && !this.#loops(node, before)) this.#put(node, before);
        before = node;
      }
      if (this.#parent[m] >= 0 && before === this.#parent[m]) continue;
      this.#parent[m] = -1;
      if (before >= 0 && !this.#loops(m, before)) this.#put(m, before);
    }
  }

  #node(id: LinkId): number {
    let node = this.#nodes.get(id);
    if (node === undefined) this.#nodes.set(id, (node = this.#parent.push(-1) - 1));
    return node;
  }

  #put(node: number, under: number): void {
    this.#parent[node] = under;
    this.#parents.add(under);
  }

  /** Whether `node` is `below` or above it. */
  #loops(node: number, below: number): boolean {
    if (node !== below && !this.#parents.has(node)) return false;
    for (let at = below; at >= 0; at = this.#parent[at]) if (at === node || this.#steps-- <= 0) return true;
    return false;
  }

  /** Steps 2 to 6. */
  forest(rank: Uint32Array): Forest {
    this.#prune();
    this.#mergeSubjects(rank);
    return this.#built(rank);
  }

  /**
   * The nearest node above that is a message or a root, or -1. What was passed on the way points there afterwards, so
   * all questions together are linear.
   */
  #above(node: number): number {
    const parent = this.#parent;
    let at = parent[node];
    while (at >= this.#n && parent[at] >= 0) at = parent[at];
    for (let up = parent[node]; up >= this.#n && up !== at; ) {
      const further = parent[up];
      parent[up] = at;
      up = further;
    }
    return (parent[node] = at);
  }

  /** Step 3: nodes without a message go, and their children move up; at the top only if there is a single one. */
  #prune(): void {
    const children = new Uint32Array(this.#parent.length);
    for (let m = 0; m < this.#n; m++) {
      const above = this.#above(m);
      if (above >= this.#n) children[above]++;
    }
    for (let m = 0; m < this.#n; m++) if (this.#parent[m] >= this.#n && children[this.#parent[m]] === 1) this.#parent[m] = -1;
  }

  /** Step 5: threads that have one base subject become one. */
  #mergeSubjects(rank: Uint32Array): void {
    const n = this.#n;
    const parent = this.#parent;
    const messages = this.#messages;
    /** Of a root without message: its first child by date. */
    const firsts = new Map<number, number>();
    const roots: number[] = [];
    for (let m = 0; m < n; m++) {
      if (parent[m] < 0) roots.push(m);
      else if (parent[m] >= n) {
        const first = firsts.get(parent[m]);
        if (first === undefined) roots.push(parent[m]);
        if (first === undefined || rank[m] < rank[first]) firsts.set(parent[m], m);
      }
    }
    const messageOf = (root: number) => (root < n ? root : firsts.get(root)!);
    roots.sort((a, b) => rank[messageOf(a)] - rank[messageOf(b)]);
    const isReply = (node: number) => node < n && messages[node].reply;
    const table = new Map<string, number>();
    for (const root of roots) {
      const { subject } = messages[messageOf(root)];
      if (subject === '') continue;
      const there = table.get(subject);
      if (there === undefined || (root >= n && there < n) || (isReply(there) && !isReply(root))) table.set(subject, root);
    }
    for (const root of roots) {
      const { subject } = messages[messageOf(root)];
      const there = table.get(subject);
      if (there === undefined || there === root) continue;
      // A root without message under another one is passed over: its children become the other's.
      if (there >= n || (isReply(root) && !isReply(there))) parent[root] = there;
      else {
        const dummy = parent.push(-1) - 1;
        parent[root] = parent[there] = dummy;
        table.set(subject, dummy);
      }
    }
  }

  /** Steps 4 and 6: everything in order of date. Put in from the last to the first, each becomes the head of its list. */
  #built(rank: Uint32Array): Forest {
    const n = this.#n;
    for (let m = 0; m < n; m++) this.#above(m);
    const nodes = this.#parent.length;
    const first = new Int32Array(nodes).fill(-1);
    const next = new Int32Array(nodes).fill(-1);
    const message = new Int32Array(nodes).fill(-1);
    const byRank = new Uint32Array(n);
    for (let m = 0; m < n; m++) {
      byRank[rank[m]] = m;
      message[m] = m;
    }
    for (let r = n - 1; r >= 0; r--) {
      const m = byRank[r];
      const parent = this.#parent[m];
      if (parent < 0) continue;
      next[m] = first[parent];
      first[parent] = m;
    }
    const roots: number[] = [];
    for (let r = 0; r < n; r++) {
      const m = byRank[r];
      const parent = this.#parent[m];
      if (parent < 0) roots.push(m);
      else if (parent >= n && first[parent] === m) roots.push(parent);
    }
    return { roots, first, next, message };
  }
}
