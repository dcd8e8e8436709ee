// What the checks said, for /metrics: names and results are ours, never a stranger's, so they are few.

export class Counts {
  readonly #all = new Map<string, Map<string, number>>();

  add(check: string, result: string): void {
    let results = this.#all.get(check);
    if (results === undefined) this.#all.set(check, (results = new Map()));
    results.set(result, (results.get(result) ?? 0) + 1);
  }

  get(check: string, result: string): number {
    return this.#all.get(check)?.get(result) ?? 0;
  }

  /** Every check and result that came up. */
  all(): { check: string; result: string; value: number }[] {
    return [...this.#all].flatMap(([check, results]) => [...results].map(([result, value]) => ({ check, result, value })));
  }
}
