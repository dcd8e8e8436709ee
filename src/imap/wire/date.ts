// Dates of RFC 9051 §9: `date` and `date-time`.
import { Malformed } from '../../base/index.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DATE = /^([ 0-9]?[0-9])-([A-Za-z]{3})-([0-9]{4})$/;
// The standard has a space before a day of one digit; some apps leave it out.
const DATE_TIME = /^([ 0-9]?[0-9]-[A-Za-z]{3}-[0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})$/;

/** Midnight UTC of the day, milliseconds since 1970. Throws Malformed. */
export function parseDate(text: string): number {
  const found = DATE.exec(text);
  const month = found === null ? -1 : MONTHS.findIndex((name) => name.toLowerCase() === found[2].toLowerCase());
  if (found === null || month < 0) throw new Malformed('date expected, like 1-Feb-1994');
  const day = Number(found[1]);
  const date = new Date(0);
  date.setUTCFullYear(Number(found[3]), month, day);
  if (day === 0 || date.getUTCDate() !== day) throw new Malformed('there is no such day');
  return date.getTime();
}

/** `at` in milliseconds since 1970, `zone` in minutes east of UTC. Throws Malformed. */
export function parseDateTime(text: string): { at: number; zone: number } {
  const found = DATE_TIME.exec(text);
  if (found === null) throw new Malformed('date-time expected, like " 1-Feb-1994 12:00:00 +0100"');
  const [hour, minute, second, zoneHour, zoneMinute] = [found[2], found[3], found[4], found[6], found[7]].map(Number);
  if (hour > 23 || minute > 59 || second > 60 || zoneMinute > 59) throw new Malformed('there is no such time');
  const zone = (found[5] === '-' ? -1 : 1) * (zoneHour * 60 + zoneMinute);
  return { at: parseDate(found[1]) + ((hour * 60 + minute - zone) * 60 + second) * 1000, zone };
}

const two = (n: number) => (n < 10 ? `0${n}` : `${n}`);

/** `" 1-Feb-1994 12:00:00 +0100"`, quotes included. */
export function formatDateTime(at: number, zone: number): string {
  const date = new Date(at + zone * 60_000);
  const day = date.getUTCDate();
  const year = String(Math.min(Math.max(date.getUTCFullYear(), 0), 9999)).padStart(4, '0');
  const offset = Math.abs(zone);
  return (
    `"${day < 10 ? ` ${day}` : day}-${MONTHS[date.getUTCMonth()]}-${year} ` +
    `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} ` +
    `${zone < 0 ? '-' : '+'}${two(Math.floor(offset / 60))}${two(offset % 60)}"`
  );
}
