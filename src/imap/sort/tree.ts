// Threads as trees, and their text (RFC 5256 §4). Trees may be as deep as the mailbox is long: nothing here recurses.

/** A tree over nodes; `first` and `next` are lists of children, -1 ends them. */
export interface Forest {
  roots: number[];
  first: Int32Array;
  next: Int32Array;
  /** The message of a node, -1 for one that stands for a message that isn't here. */
  message: Int32Array;
}

/** `(1)(2 3 (4)(5))`; `names[m]` is message m's number. */
export function threadText({ roots, first, next, message }: Forest, names: ArrayLike<number>): string {
  const text: string[] = [];
  // Nodes that are to be begun; -1 is a parenthesis to be closed.
  const stack: number[] = [];
  for (const root of roots) {
    stack.push(root);
    while (stack.length > 0) {
      let node = stack.pop()!;
      if (node < 0) {
        text.push(')');
        continue;
      }
      text.push('(');
      for (;;) {
        if (message[node] >= 0) text.push(String(names[message[node]]));
        const child = first[node];
        if (child < 0) {
          text.push(')');
          break;
        }
        if (message[node] >= 0) text.push(' ');
        if (next[child] < 0 && message[node] >= 0) {
          node = child;
          continue;
        }
        stack.push(-1);
        const at = stack.length;
        for (let one = child; one >= 0; one = next[one]) stack.push(one);
        reverse(stack, at);
        break;
      }
    }
  }
  return text.join('');
}

function reverse(stack: number[], from: number): void {
  for (let a = from, b = stack.length - 1; a < b; a++, b--) [stack[a], stack[b]] = [stack[b], stack[a]];
}
