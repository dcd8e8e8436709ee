// Plain text for people: columns, sizes.

/** Rows under a heading, columns aligned. Control characters of names can't touch the terminal. */
export function table(heading: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const all = [heading, ...rows.map((r) => r.map((c) => (c === null ? '-' : String(c).replace(/[\x00-\x1f\x7f-\x9f]/g, '?'))))];
  const widths = heading.map((_, i) => Math.max(...all.map((r) => r[i].length)));
  const right = heading.map((_, i) => rows.length > 0 && rows.every((r) => typeof r[i] === 'number' || r[i] === null));
  return all.map((r) => `${r.map((c, i) => (right[i] ? c.padStart(widths[i]) : c.padEnd(widths[i]))).join('  ').trimEnd()}\n`).join('');
}

/** What is wrong with what is a user's: objects bear the id, people know the address. Control characters as in a table. */
export function complaint(f: { user: string; address?: string }, text: string): string {
  return `${f.address === undefined ? f.user : `${f.address} (${f.user})`}: ${text}`.replace(/[\x00-\x1f\x7f-\x9f]/g, '?') + '\n';
}

/** 1536 → `1.5 KiB`. */
export function size(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024) return `${unit === 'B' ? value : value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} TiB`;
}

/** 90,000 ms → `1.5 min`. */
export function span(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${(seconds / 60).toFixed(1)} min`;
  if (seconds < 86_400) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(1)} days`;
}

/** Names and values, one a line. */
export function facts(rows: readonly (readonly [string, string])[], indent = ''): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${indent}${name.padEnd(width)}${value}\n`).join('');
}
