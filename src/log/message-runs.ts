// The messages that an event touched, as runs: one that copied 10,000 is remembered for as long as it is in the log, and 10,000
// objects take half a megabyte.
import type { MessageRef } from '../base/index.ts';

/** `n` messages of one event with consecutive indexes, from `index` on. */
export interface Run extends MessageRef {
  n: number;
}

export class MessageRuns implements Iterable<MessageRef> {
  readonly runs: readonly Run[];

  constructor(runs: readonly Run[]) {
    this.runs = runs;
  }
  static of(messages: Iterable<MessageRef>): MessageRuns {
    if (messages instanceof MessageRuns) return messages;
    const runs: Run[] = [];
    let last: Run | null = null;
    for (const { writer, seq, index } of messages) {
      if (last && last.writer === writer && last.seq === seq && last.index + last.n === index) last.n++;
      else runs.push((last = { writer, seq, index, n: 1 }));
    }
    return new MessageRuns(runs);
  }
  *[Symbol.iterator](): Iterator<MessageRef> {
    for (const { writer, seq, index, n } of this.runs) for (let i = 0; i < n; i++) yield { writer, seq, index: index + i };
  }
}
