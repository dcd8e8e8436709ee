// The fields that say what the checks found (RFC 8601).

const LINE_CHARS = 76;

/** Only what may stand in a header: no line end, no control character, nothing above ASCII. */
const clean = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').trim();

/** Breaks at spaces. Words longer than a line stay whole. */
function folded(text: string): string {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + 1 + word.length > LINE_CHARS) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.join('\r\n\t ');
}

/** `rows`: one for each method, such as `spf=pass smtp.mailfrom=a@b.example`. */
export function authenticationResults(hostname: string, rows: readonly string[]): string {
  const all = rows.length === 0 ? ['none'] : rows;
  return `Authentication-Results: ${hostname};\r\n${all.map((row) => `\t${folded(clean(row))}`).join(';\r\n')}\r\n`;
}

/** `X-Colombier-Score: 2.5 (ptr-none 1, spf-softfail 1.5)`. */
export function scoreField(score: number, rules: readonly (readonly [string, number])[]): string {
  const text = rules.map(([name, points]) => `${name} ${points}`).join(', ');
  return `X-Colombier-Score: ${folded(clean(`${score}${text === '' ? '' : ` (${text})`}`))}\r\n`;
}

export interface SpamSaid {
  junk: boolean;
  /** Null: nobody was asked, or nobody answered. */
  score: number | null;
  required: number | null;
  symbols: readonly string[];
  /** Why there is no score. */
  unchecked: string | null;
}

const SYMBOLS_MAX = 40;

/** The fields by which mail apps and their filters know spam. */
export function spamFields(said: SpamSaid): string {
  if (said.unchecked !== null) return `X-Spam-Status: unchecked (${clean(said.unchecked).replace(/[()\\]/g, '')})\r\n`;
  const symbols = said.symbols.slice(0, SYMBOLS_MAX).map((s) => clean(s).replace(/[^A-Za-z0-9_.-]/g, '')).filter((s) => s !== '');
  const status = `X-Spam-Status: ${folded(`${said.junk ? 'Yes' : 'No'}, score=${said.score} required=${said.required} tests=${symbols.length === 0 ? 'none' : symbols.join(', ')}`)}\r\n`;
  return said.junk ? `X-Spam-Flag: YES\r\n${status}` : status;
}
