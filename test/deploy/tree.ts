// What the Containerfile puts into the image, built as a folder: its COPY lines read, and the packages that npm would install
// without those for development.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Instruction {
  name: string;
  words: string;
  /** Number of the stage, from 0. */
  stage: number;
}

/** Lines joined, comments left out. */
export function readContainerfile(text: string): Instruction[] {
  const joined = text.split('\n').filter((line) => !line.trimStart().startsWith('#')).join('\n').replace(/\\\n/g, ' ');
  let stage = -1;
  return joined.split('\n').filter((line) => line.trim() !== '').map((line) => {
    const m = /^([A-Z]+) +(.*)$/.exec(line);
    assert.ok(m, `not an instruction: ${line}`);
    if (m[1] === 'FROM') stage++;
    return { name: m[1], words: m[2].trim(), stage };
  });
}

/** Paths of the packages that `npm ci --omit=dev` installs. */
export function runtimePackages(): string[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean }> };
  return Object.entries(packages).filter(([path, p]) => path !== '' && !p.dev && !p.devOptional && !p.optional).map(([path]) => path);
}

/** Builds the image's `/colombier` at `target`. */
export function buildTree(instructions: readonly Instruction[], target: string): void {
  for (const { name, words, stage } of instructions) {
    if (stage !== 0) continue;
    if (name === 'COPY') {
      const paths = words.split(/ +/);
      const to = paths.pop()!;
      for (const path of paths) {
        const into = to === './' ? join(target, path) : join(target, to);
        mkdirSync(dirname(into), { recursive: true });
        cpSync(join(root, path), into, { recursive: true });
      }
    } else if (name === 'RUN') {
      assert.match(words, /^npm ci --omit=dev --ignore-scripts /);
      for (const path of runtimePackages()) cpSync(join(root, path), join(target, path), { recursive: true });
    } else assert.ok(['FROM', 'WORKDIR'].includes(name), name);
  }
}
