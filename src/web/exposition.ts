// Numbers as Prometheus reads them (text format 0.0.4), written here: a library for it takes 22 MB of memory, and this is
// all that is needed of one.

/** Values by labels; a label's value is escaped when it is written. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
  /** Behind the family's name: `_bucket`, `_sum`, `_count` of histograms. */
  readonly suffix?: string;
}

/** All samples of one name. A counter's name ends with `_total`; units are seconds and bytes, and stand in the name. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export const counter = (name: string, help: string, samples: readonly Sample[] | number): Family => ({ name, help, type: 'counter', samples: list(samples) });
export const gauge = (name: string, help: string, samples: readonly Sample[] | number): Family => ({ name, help, type: 'gauge', samples: list(samples) });
/** One sample for each entry, its key as the label's value. */
export const by = (label: string, values: Readonly<Record<string, number>>): Sample[] => Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));

const list = (samples: readonly Sample[] | number): readonly Sample[] => (typeof samples === 'number' ? [{ value: samples }] : samples);

const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
const number = (n: number) => (n === Infinity ? '+Inf' : n === -Infinity ? '-Inf' : String(n));

export function write(families: readonly Family[]): string {
  let text = '';
  for (const { name, help, type, samples } of families) {
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
    for (const { labels = {}, value, suffix = '' } of samples) {
      const pairs = Object.entries(labels).map(([key, v]) => `${key}="${escaped(v)}"`);
      text += `${name}${suffix}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${number(value)}\n`;
    }
  }
  return text;
}

/** Counts in buckets with fixed upper bounds: two additions for each observation. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }
  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    const at = this.#bounds.findIndex((bound) => value <= bound);
    if (at >= 0) this.#counts[at]++;
  }
  /** Buckets are cumulative, the last one is everything. */
  samples(labels: Readonly<Record<string, string>>): Sample[] {
    let sum = 0;
    const buckets = this.#bounds.map((bound, i): Sample => ({ suffix: '_bucket', labels: { ...labels, le: number(bound) }, value: (sum += this.#counts[i]) }));
    return [...buckets, { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: this.#count }, { suffix: '_sum', labels, value: this.#sum }, { suffix: '_count', labels, value: this.#count }];
  }
}
