// The Date field (RFC 5322 §3.3, obsolete forms of §4.3), as people's programs really write it.
import type { HeaderText } from '../base/index.ts';

export interface MailDate {
  /** Ms since 1970 UTC. */
  at: number;
  /** Its calendar day as written, zone disregarded: ms of that day's 0:00 UTC. */
  day: number;
}

const DAY_MS = 86_400_000;
const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec';
/** RFC 5322 §4.3; military letters mean nothing certain and count as UTC. */
const ZONES: Record<string, number> = { est: -300, edt: -240, cst: -360, cdt: -300, mst: -420, mdt: -360, pst: -480, pdt: -420 };
const DATE_BYTES_MAX = 200;

/** Null when day, month or year can't be found. A missing time is 0:00, a missing zone UTC. */
export function parseDate(value: HeaderText): MailDate | null {
  const text = value.slice(0, DATE_BYTES_MAX).replace(/\([^()]*\)/g, ' ');
  let day = -1;
  let month = -1;
  let year = -1;
  let seconds = -1;
  let zone: number | null = null;
  const iso = /^\s*(\d{4})-(\d{2})-(\d{2})(?:[T ]|\s*$)/.exec(text);
  if (iso) {
    year = Number(iso[1]);
    month = Number(iso[2]) - 1;
    day = Number(iso[3]);
  }
  for (const match of (iso ? text.slice(iso[0].length) : text).matchAll(/(\d+)\s*[:.]\s*(\d+)(?:\s*[:.]\s*(\d+))?|[+-]\d{4}|[+-]\d\d:\d\d|\d+|[A-Za-z]+/g)) {
    const word = match[0];
    if (match[1] !== undefined) {
      if (seconds < 0) seconds = Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3] ?? 0);
    } else if ((word[0] === '+' || word[0] === '-') && seconds >= 0) {
      zone ??= readZone(word);
    } else if (/\d/.test(word)) {
      const digits = word.replace(/\D/g, '');
      if (day < 0 && digits.length <= 2) day = Number(digits);
      else if (year < 0) year = readYear(digits);
    } else {
      const lower = word.toLowerCase();
      const found = lower.length >= 3 ? MONTHS.indexOf(lower.slice(0, 3)) : -1;
      if (month < 0 && found >= 0 && found % 3 === 0) month = found / 3;
      else if (lower === 'pm' && seconds >= 0 && seconds < 43_200) seconds += 43_200;
      else if (lower === 'am' && seconds >= 43_200) seconds -= 43_200;
      else if (seconds >= 0 && zone === null && lower in ZONES) zone = ZONES[lower];
    }
  }
  if (day < 1 || day > 31 || month < 0 || month > 11 || year < 1900 || year > 9999 || seconds > DAY_MS / 1000 + 60) return null;
  const start = Date.UTC(year, month, day);
  return { at: start + Math.max(seconds, 0) * 1000 - (zone ?? 0) * 60_000, day: start };
}

function readYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return digits.length === 3 ? 1900 + year : year;
}

/** Minutes east of UTC. */
function readZone(word: string): number {
  const digits = word.slice(1).replace(':', '');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  if (minutes > 24 * 60) return 0;
  return word[0] === '-' ? -minutes : minutes;
}
