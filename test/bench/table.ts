// The table: one line a row, Colombier beside Dovecot.
import type { Row } from './rows/row.ts';
import { shown } from './statistics.ts';

export interface Result {
  row: Row;
  /** As measured, with a text where a number does not say it. */
  colombier: { value: number; text: string | null };
  /** Null: not measured. */
  dovecot: number | null;
  /** Memory while it was measured, MB: the peak of Colombier's one process, and what Dovecot's processes held at the end. */
  mb: { colombier: number | null; dovecot: number | null };
}

/** How many times better Colombier is: more for what is counted per second, less for all else. */
export function times(result: Result): number | null {
  const { colombier, dovecot, row } = result;
  if (dovecot === null || !Number.isFinite(dovecot) || !Number.isFinite(colombier.value)) return null;
  return row.unit.endsWith('/s') ? colombier.value / dovecot : dovecot / colombier.value;
}

const whole = (mb: number | null): string => (mb ? String(Math.round(mb)) : '-');

/** Markdown, aligned for people. */
export function table(results: readonly Result[]): string {
  const head = ['work', 'unit', 'Colombier', 'Dovecot', 'times better', 'MB', 'Dovecot MB', 'goal', 'met'];
  const lines = results.map((result) => {
    const { row, colombier, dovecot } = result;
    const met = Number.isNaN(colombier.value) ? null : row.met(colombier.value, dovecot, result.mb.colombier);
    const ratio = times(result);
    return [row.title, row.unit, colombier.text ?? shown(colombier.value), shown(dovecot), ratio === null || ratio <= 0 ? '-' : shown(ratio), whole(result.mb.colombier), whole(result.mb.dovecot), typeof row.goal === 'string' ? row.goal : row.goal(), met === null ? '-' : met ? 'yes' : 'NO'];
  });
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => line[i].length)));
  const text = (line: string[]) => `| ${line.map((cell, i) => (i >= 2 && i <= 6 ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |\n`;
  return text(head) + `| ${widths.map((w) => '-'.repeat(w)).join(' | ')} |\n` + lines.map(text).join('');
}
