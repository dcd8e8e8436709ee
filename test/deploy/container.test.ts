import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom, silent } from '../../src/base/index.ts';
import { readConfig, settingNamed } from '../../src/config.ts';
import { openCertificate } from '../../src/tls.ts';
import { Imap } from '../real/imap.ts';
import { Mail } from '../real/mail.ts';
import { until } from '../real/site.ts';
import { freePorts } from '../ports.ts';
import { buildTree, readContainerfile, root } from './tree.ts';

const instructions = readContainerfile(readFileSync(join(root, 'deploy/Containerfile'), 'utf8'));
const image = instructions.filter((i) => i.stage === 1);
const words = (name: string) => image.filter((i) => i.name === name).map((i) => i.words);
const env = Object.fromEntries(words('ENV').flatMap((line) => line.split(/ +/).map((pair) => pair.split('='))));
const files = (folder: string) => globSync('**/*', { cwd: folder }).map((f): [string, number] => [f, statSync(join(folder, f)).mtimeMs]).sort();

describe('deploy/Containerfile', () => {
  it('has two stages, and in the second one no shell, no root and nothing that builds', () => {
    assert.deepEqual(instructions.filter((i) => i.name === 'FROM').map((i) => i.stage), [0, 1]);
    assert.match(words('FROM')[0], /distroless.*:nonroot$/);
    assert.deepEqual(words('RUN'), []);
    assert.deepEqual(words('USER'), ['65532:65532']);
    assert.deepEqual(words('COPY'), ['--from=build /usr/local/bin/node /usr/local/bin/node', '--from=build /colombier /colombier']);
    assert.deepEqual(words('STOPSIGNAL'), ['SIGTERM']);
  });

  it('runs the Node that the project is tested with', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules/node/package.json'), 'utf8')) as { version: string };
    assert.ok(instructions[0].words.includes(`/node:${version}-`), `${instructions[0].words}: not ${version}`);
  });

  it('names settings that exist, and exposes the ports that it sets', () => {
    for (const name of Object.keys(env)) assert.ok(name.startsWith('NODE_') || settingNamed(name) !== null, name);
    const config = readConfig({}, { ...env, COLOMBIER_HOSTNAME: 'x' });
    const { smtp, imap, imaps, submission, submissions, http, peer } = config.ports;
    assert.deepEqual(words('EXPOSE')[0].split(' ').map(Number).sort(), [smtp, imap, imaps, submission, submissions, http, peer].sort());
    for (const port of [smtp, imap, imaps, submission, submissions, http, peer]) assert.ok(Number(port) > 1023, 'a user without capabilities can have it');
  });

  describe('its file list, built as a folder', function () {
    this.timeout(60_000);
    let folder: string;
    let tree: string;
    let replica: ChildProcess | null = null;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'colombier-image-'));
      tree = join(folder, 'colombier');
      buildTree(instructions, tree);
    });
    after(async () => {
      if (replica?.exitCode === null) {
        const ended = new Promise((resolve) => replica!.once('exit', resolve));
        replica.kill('SIGKILL');
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    });

    it('is small and has nothing for development in it', () => {
      const all = files(tree).map(([f]) => f);
      assert.ok(all.includes('bin/colombier.mjs') && all.includes('src/main.ts') && all.includes('LICENSE'));
      for (const f of all) assert.doesNotMatch(f, /^(test|fixtures|docs|deploy|scripts)\/|^node_modules\/(typescript|mocha|node|@types|fast-check)\//);
      const bytes = all.reduce((sum, f) => sum + statSync(join(tree, f)).size, 0);
      assert.ok(bytes < 40 * 2 ** 20, `${bytes} bytes`);
    });

    it('starts from there, takes a message and shows it, and writes nothing there', async () => {
      const secrets = join(folder, 'secrets');
      mkdirSync(secrets);
      const made = await openCertificate(readConfig({}, { COLOMBIER_SETTINGS: secrets, COLOMBIER_HOSTNAME: 'localhost' }), systemClock, systemRandom, silent);
      made.close();
      const pems = globSync('*', { cwd: secrets }).filter((f) => f !== 'cluster-secret').map((f) => join(secrets, f));
      const [cert] = pems.filter((f) => readFileSync(f, 'utf8').includes('BEGIN CERTIFICATE'));
      const [key] = pems.filter((f) => readFileSync(f, 'utf8').includes('PRIVATE KEY'));
      const before = files(tree);
      const [smtp, imap, imaps, http] = await freePorts(4);
      const settings = { PATH: '/nowhere', ...env, NODE_COMPILE_CACHE: join(folder, 'node-cache'), COLOMBIER_STORE: `disk:${join(folder, 'store')}`, COLOMBIER_SETTINGS: '/nowhere', COLOMBIER_LISTEN: '127.0.0.1', COLOMBIER_HTTP_LISTEN: '127.0.0.1', COLOMBIER_PEER_PORT: 'auto', COLOMBIER_HOSTNAME: 'localhost', COLOMBIER_CLUSTER_SECRET_FILE: join(secrets, 'cluster-secret'), COLOMBIER_TLS_CERT: cert, COLOMBIER_TLS_KEY: key, ...Object.fromEntries(Object.entries({ SMTP: smtp, IMAP: imap, IMAPS: imaps, HTTP: http }).map(([n, p]) => [`COLOMBIER_${n}_PORT`, String(p)])) };
      const [node, ...entry] = JSON.parse(words('ENTRYPOINT')[0]) as string[];
      assert.equal(node, '/usr/local/bin/node');
      const program = entry.map((word) => word.replace(/^\/colombier/, tree));
      const run = (args: string[], input = '') => {
        const child = spawn(process.execPath, [...program, ...args], { env: settings, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
        child.stdin.end(input);
        return child;
      };
      const command = (args: string[], input = '') => new Promise<void>((resolve, reject) => {
        const child = run(args, input);
        let said = '';
        for (const s of [child.stdout, child.stderr]) s.on('data', (d) => (said += d));
        child.once('exit', (status) => (status === 0 ? resolve() : reject(new Error(said))));
      });
      await command(['domain', 'add', 'x.test']);
      await command(['user', 'add', 'ann@x.test', '--password-stdin'], 'a long password\n');
      replica = run(JSON.parse(words('CMD')[0]) as string[]);
      let log = '';
      replica.stderr!.on('data', (d) => (log += d));
      await until(() => / ready /.test(log), 20_000, () => log);
      const mail = await Mail.connect(smtp, 'smtp');
      await mail.stored('ann@x.test', Buffer.from('Subject: from the image\r\n\r\nx\r\n'));
      mail.close();
      const client = await Imap.connect(imaps, true);
      await client.ok('LOGIN ann@x.test "a long password"');
      await client.ok('SELECT INBOX');
      assert.match((await client.ok('FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')).join(), /from the image/);
      client.close();
      assert.equal((await fetch(`http://127.0.0.1:${http}/ready`)).status, 200);
      const ended = new Promise((resolve) => replica!.once('exit', resolve));
      replica.kill('SIGTERM');
      assert.equal(await ended, 0, log);
      assert.deepEqual(files(tree).map(([f, at], i) => [f, at, before[i]?.[0]]).filter(([f, at, was]) => f !== was || at !== before.find(([b]) => b === f)?.[1]), [], 'a read-only file system would do');
      assert.doesNotMatch(log, / (warn|error|bug) /);
    });
  });
});
