// The messages of fixtures/messages.
import fs from 'node:fs';

export const ROOT = new URL('../../fixtures/messages/', import.meta.url);

export function fixtures(): { name: string; bytes: Buffer }[] {
  const files = fs.readdirSync(ROOT).filter((f) => f.endsWith('.eml'));
  return files.map((f) => ({ name: f.slice(0, -4), bytes: fs.readFileSync(new URL(f, ROOT)) }));
}
