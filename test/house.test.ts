// The house rules that a machine can check: who imports whom, how rooms are entered, sizes, time and chance, contracts.
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Whom each room may import. What stands in src/ itself, and cli/, wires it all. */
const MAY: Record<string, readonly string[]> = {
  base: [],
  message: ['base'],
  seal: ['base'],
  store: ['base'],
  state: ['base'],
  log: ['base', 'store'],
  directory: ['base', 'store', 'log', 'seal'],
  account: ['base', 'message', 'seal', 'store', 'state', 'log', 'directory'],
  peers: ['base'],
  smtp: ['base'],
  imap: ['base', 'message'],
  web: ['base', 'store'],
  verify: ['base'],
  queue: ['base', 'message', 'seal', 'store', 'log', 'verify'],
};

/** The seams: what a protocol asks of the accounts. Types only, so the accounts know no protocol. */
const SEAMS: Record<string, readonly string[]> = { account: ['imap/session.ts', 'smtp/receiver.ts'], verify: ['smtp/screen.ts'], queue: ['smtp/receiver.ts', 'smtp/submission/submitter.ts'] };

/** A file's lines; past that it is two files. */
const LINES_MAX = 400;

/** Who may take time or chance from the machine, and why. */
const OWN_TIME: Record<string, string> = {
  'base/clock.ts': 'it is the clock',
  'base/random.ts': 'it is chance',
  'base/logger.ts': 'a log line bears the real time, also in a simulation',
};
const TIME_AND_CHANCE =
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.now\b|\bhrtime\b|(?<![.\w])set(?:Timeout|Interval)\(|set(?:Timeout|Interval)\b.*node:timers|\brandom(?:Bytes|UUID|Int|FillSync|Fill)\(|\bgetRandomValues\b/;

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

const withoutComments = (text: string) => text.replace(/\/\*[^]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');

/** Relative imports and exports of a file, also dynamic ones. */
export function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const code = withoutComments(text);
  for (const m of code.matchAll(/\b(import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'/g)) {
    const to = m[3] ?? m[4];
    found.push({ from: file, to: relative(join(root, 'src'), resolve(dirname(join(root, 'src', file)), to)), typeOnly: m[2] !== undefined });
  }
  return found;
}

const sources = globSync('**/*.ts', { cwd: join(root, 'src') }).sort();
const textOf = (file: string) => readFileSync(join(root, 'src', file), 'utf8');
const roomOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '');
const all = sources.flatMap((f) => importsOf(f, textOf(f)));

/** What is wrong with one import, or null. */
export function wrong(i: Import): string | null {
  const [from, to] = [roomOf(i.from), roomOf(i.to)];
  if (from === to) return null;
  if (SEAMS[from]?.includes(i.to)) return i.typeOnly ? null : `${i.from} imports more than types of ${i.to}`;
  // main, server, config and the command line wire it all; nobody imports them.
  if (from === '' || from === 'cli') return to === '' || to === 'cli' || entered(i.to) ? null : `${i.from} enters ${to} by ${i.to}`;
  if (to === '' || to === 'cli' || !(MAY[from] ?? []).includes(to)) return `${i.from} imports ${i.to}`;
  return entered(i.to) ? null : `${i.from} enters ${to} by ${i.to}`;
}

// base is words without behaviour: config and tests may take one file of it.
const entered = (file: string) => /^\w+\/index\.ts$/.test(file) || roomOf(file) === 'base';

describe('house', () => {
  it('knows every room', () => {
    const rooms = readdirSync(join(root, 'src')).filter((f) => statSync(join(root, 'src', f)).isDirectory() && f !== 'cli' && globSync('**/*.ts', { cwd: join(root, 'src', f) }).length > 0);
    assert.deepEqual(rooms.filter((r) => !(r in MAY)), []);
  });

  it('imports nobody whom it may not, and enters rooms by index.ts', () => {
    assert.ok(all.length > 100);
    assert.deepEqual(all.map(wrong).filter((w) => w !== null), []);
  });

  it('sees a stranger', () => {
    const one = (from: string, line: string) => importsOf(from, line).map(wrong)[0];
    assert.match(one('imap/x.ts', "import { a } from '../store/index.ts';")!, /imap\/x\.ts imports store\/index\.ts/);
    assert.match(one('smtp/x.ts', "const a = await import('../account/index.ts');")!, /imports account/);
    assert.match(one('log/x.ts', "export * from '../store/disk.ts';")!, /enters store by store\/disk\.ts/);
    assert.match(one('log/x.ts', "import type { C } from '../config.ts';")!, /imports config\.ts/);
    assert.match(one('account/x.ts', "import { S } from '../imap/session.ts';")!, /more than types/);
    assert.equal(one('account/x.ts', "import type {\n  S,\n} from '../imap/session.ts';"), null);
    assert.equal(one('state/x.ts', "import { a } from '../base/index.ts';"), null);
    assert.equal(one('state/x.ts', "// import { a } from '../log/index.ts';"), undefined);
  });

  it('imports in no circle', () => {
    const graph = new Map<string, string[]>();
    for (const i of all) if (!i.typeOnly) graph.set(i.from, [...(graph.get(i.from) ?? []), i.to]);
    const circles: string[] = [];
    const state = new Map<string, 'open' | 'done'>();
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') return void circles.push([...path.slice(path.indexOf(file)), file].join(' > '));
      state.set(file, 'open');
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const f of sources) visit(f, []);
    assert.deepEqual(circles, []);
  });

  it('names only files that exist', () => {
    assert.deepEqual(all.filter((i) => !existsSync(join(root, 'src', i.to))).map((i) => `${i.from}: ${i.to}`), []);
  });

  it('keeps files small', () => {
    const long = globSync(['src/**/*.ts', 'test/**/*.ts', 'scripts/*', 'bin/*'], { cwd: root })
      .map((f): [string, number] => [f, readFileSync(join(root, f), 'utf8').trimEnd().split('\n').length])
      .filter(([, lines]) => lines > LINES_MAX);
    assert.deepEqual(long, []);
  });

  it('takes time and chance from base only', () => {
    const own = sources.filter((f) => !(f in OWN_TIME)).flatMap((f) => {
      const lines = withoutComments(textOf(f)).split('\n');
      return lines.filter((l) => TIME_AND_CHANCE.test(l)).map((l) => `${f}: ${l.trim()}`);
    });
    assert.deepEqual(own, []);
    for (const text of ['Date.now()', 'setTimeout(x, 1)', 'randomBytes(8)', 'new Date()']) assert.match(text, TIME_AND_CHANCE);
    for (const text of ['socket.setTimeout(5)', 'new Date(ms)', 'clock.now()', 'random.bytes(8)']) assert.doesNotMatch(text, TIME_AND_CHANCE);
    for (const f of Object.keys(OWN_TIME)) assert.ok(sources.includes(f), `${f} is gone: take it off the list`);
  });

  it('opens each room with its contract', () => {
    for (const room of Object.keys(MAY)) {
      const text = textOf(`${room}/index.ts`);
      assert.match(text, new RegExp(`^/\\*\\*\\n \\* ${room}/: `), `${room}/index.ts must open with "/** … ${room}/: what it is"`);
    }
  });

  it('runs by stripping types alone, and names imports with .ts', () => {
    for (const f of sources) {
      const code = withoutComments(textOf(f));
      assert.doesNotMatch(code, /^\s*(export\s+)?(const\s+)?enum\s|^\s*(export\s+)?namespace\s/m, f);
      for (const m of code.matchAll(/from\s+'(\.[^']+)'/g)) assert.match(m[1], /\.ts$/, f);
    }
  });
});
