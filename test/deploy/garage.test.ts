import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { Signer, EMPTY_SHA256 } from '../../src/store/s3-sign.ts';
import { openStores } from '../../src/store/index.ts';
import { BINARY, garageMissing, startGarage } from '../real/garage.ts';
import type { Garage } from '../real/garage.ts';
import { until } from '../real/site.ts';
import { needs, skip } from '../real/tools.ts';
import { freePorts } from '../ports.ts';
import { root } from './tree.ts';

const LAYOUT = join(root, 'deploy/garage/layout.sh');

/** What the script runs, told by a Garage that only prints its words. */
function commands(...ids: string[]): string[] {
  const { status, stdout, stderr } = spawnSync('sh', [LAYOUT, '100G', ...ids], { encoding: 'utf8', env: { ...process.env, GARAGE: 'echo' } });
  assert.equal(status, 0, stderr);
  return stdout.trim().split('\n');
}

describe('deploy/garage', () => {
  const toml = readFileSync(join(root, 'deploy/garage/garage.toml'), 'utf8');
  const page = readFileSync(join(root, 'deploy/garage.md'), 'utf8');

  it('keeps what it acknowledges, in three places', () => {
    for (const line of ['metadata_fsync = true', 'replication_factor = 3', 'consistency_mode = "consistent"']) assert.ok(toml.split('\n').includes(line), line);
    assert.match(page, /ip route change .* quickack 1/);
  });

  it('has a place for the peers that a node finds the others by, which the page asks for', () => {
    assert.match(page, /`bootstrap_peers`/);
    // Above all tables, or it would be a setting of one of them.
    const [top] = toml.split(/^\[\w+\]$/m);
    const peers = /^# bootstrap_peers = \[\n((?:#   "[^"]+",\n)+)# \]$/m.exec(top);
    assert.ok(peers);
    assert.deepEqual(peers[1].match(/@[\d.]+:\d+/g), [1, 2, 3, 4, 5].map((n) => `@10.44.${n}.2:3901`));
  });

  it('changes the route between nodes with a command that is right on such a network', function () {
    const command = /^ +PostUp = (ip route change .*)$/m.exec(page)?.[1];
    const address = /`Address = ([\d.]+\/\d+)`/.exec(page)?.[1];
    assert.ok(command && address, 'the page says what stands in wg0.conf');
    // A network of its own, with a bridge in the place of WireGuard.
    const inside = (script: string) => spawnSync('unshare', ['-rn', 'sh', '-ec', script], { encoding: 'utf8' });
    if (inside('ip link add name wg0 type bridge').status !== 0) return skip(this, 'no network of its own can be had here');
    const { status, stdout, stderr } = inside(`ip link add name wg0 type bridge; ip address add ${address} dev wg0; ip link set wg0 up; ${command}; ip route show`);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^10\.44\.0\.0\/16 dev wg0 .*quickack 1/m);
  });

  it('gives up a silent site soon, with a setting of the kernel that there is', () => {
    const settings = readFileSync(join(root, 'deploy/garage/90-garage.conf'), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    assert.deepEqual(settings, ['net.ipv4.tcp_retries2 = 5']);
    if (process.platform === 'linux') assert.ok(existsSync('/proc/sys/net/ipv4/tcp_retries2'));
    // No answer of a node that is there takes so long, a block of a large message on a home's uplink included.
    assert.equal(/^rpc_timeout_msec = (\d+)$/m.exec(toml)?.[1], '10000');
  });

  it('starts a node with the settings and the secret where the page puts them', function () {
    const unit = readFileSync(join(root, 'deploy/garage/garage.service'), 'utf8');
    for (const path of ['/usr/local/bin/garage', '/etc/garage/rpc-secret']) assert.ok(unit.includes(path) && page.includes(path), path);
    assert.ok(toml.includes('rpc_secret_file = "/etc/garage/rpc-secret"') && page.includes('/etc/garage.toml'));
    // Folders that systemd makes for its user.
    assert.match(unit, /^StateDirectory=garage$/m);
    for (const folder of ['meta', 'data']) assert.ok(toml.includes(`_dir = "/var/lib/garage/${folder}"`));
    needs(this, 'systemd-analyze', ['--version'], 'apt-get install systemd');
    const folder = mkdtempSync(join(tmpdir(), 'colombier-unit-'));
    try {
      const file = join(folder, 'garage.service');
      writeFileSync(file, unit.replace('/usr/local/bin/garage', '/bin/true'));
      const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
      assert.deepEqual([status, `${stdout}${stderr}`.split('\n').filter((line) => line.includes('garage'))], [0, []]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('lays out five sites, several buckets, and a key that is no owner', () => {
    const said = commands(...[1, 2, 3, 4, 5].map((n) => `id${n}@10.44.${n}.2:3901`));
    assert.deepEqual(said.slice(0, 5), [1, 2, 3, 4, 5].map((n) => `layout assign -z site${n} -c 100G id${n}`));
    assert.equal(said.filter((line) => line.startsWith('bucket create ')).length, 3);
    assert.ok(!said.some((line) => line.includes('--owner')));
    assert.ok(said.includes('key deny --create-bucket colombier'));
    assert.equal(spawnSync('sh', [LAYOUT, '1G', 'only-one']).status, 2);
  });

  describe('on Garage', function () {
    this.timeout(60_000);
    let garage: Garage;
    let cli: (...args: string[]) => Promise<string>;
    before(async function () {
      const missing = garageMissing();
      if (missing) return skip(this, missing);
      garage = await startGarage({ nodes: 1 });
      const node = garage.nodes[0] as unknown as { cli(...args: string[]): Promise<string> };
      cli = (...args) => node.cli(...args);
    });
    after(() => garage?.stop());

    it('reads the settings, also with the ids of all nodes in them', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'colombier-garage-toml-'));
      try {
        // On loopback and free ports, else as it stands there.
        const [rpc, s3, admin] = await freePorts(3);
        const own = toml
          .replace(/"\/var\/lib\/garage\//g, `"${folder}/`)
          .replace('/etc/garage/rpc-secret', `${folder}/rpc-secret`)
          .replace(/^# (bootstrap_peers|  "|\])/gm, '$1')
          .replace(/"ID(\d)@/g, (_, n: string) => `"${n.repeat(64)}@`)
          .replace(/^(rpc_(?:bind|public)_addr = )"10\.44\.1\.2:3901"$/gm, `$1"127.0.0.1:${rpc}"`)
          .replace('10.44.1.2:3900', `127.0.0.1:${s3}`)
          .replace('127.0.0.1:3903', `127.0.0.1:${admin}`);
        assert.equal(own.match(/^  "(\d)\1{63}@10\.44\.\1\.2:3901",$/gm)?.length, 5);
        writeFileSync(join(folder, 'rpc-secret'), `${'cd'.repeat(32)}\n`, { mode: 0o600 });
        const start = (text: string) => {
          const file = join(folder, 'garage.toml');
          writeFileSync(file, text, { mode: 0o600 });
          const child = spawn(BINARY, ['-c', file, 'server'], { stdio: ['ignore', 'pipe', 'pipe'] });
          let said = '';
          for (const stream of [child.stdout, child.stderr]) stream.on('data', (d) => (said += d));
          return { child, said: () => said, ended: new Promise((resolve) => child.once('close', resolve)) };
        };
        const node = start(own);
        try {
          await until(() => fetch(`http://127.0.0.1:${s3}`).then(() => true, () => false), 20_000, node.said);
        } finally {
          node.child.kill('SIGKILL');
          await node.ended;
        }
        const wrong = start(own.replace('rpc_timeout_msec = 10000', 'rpc_timeout_msec = "ten"'));
        assert.notEqual(await wrong.ended, 0, 'that it is a setting of Garage');
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it('takes every command of the layout, but for the nodes that are not there', async () => {
      for (const line of commands('a', 'b', 'c', 'd', 'e')) {
        const words = line.split(' ');
        const ran = await cli(...words).then(() => '', (e: { stderr: string }) => e.stderr);
        // A wrong option would be said before anything is looked up.
        assert.doesNotMatch(ran, /unexpected argument|unrecognized|USAGE|Usage|Found argument/i, line);
        if (!words[0].startsWith('layout')) assert.equal(ran, '', line);
      }
    });

    it('with that key mail is stored, and no bucket can be deleted or made', async () => {
      // By the page's own words.
      const info = await cli('key', 'info', '--show-secret', 'colombier');
      const [accessKey, secretKey] = ['s3-access-key', 's3-secret-key'].map((file) => {
        const script = new RegExp(`garage key info --show-secret colombier \\| sed -n '(.+)' > ${file}$`, 'm').exec(page);
        assert.ok(script, file);
        return spawnSync('sed', ['-n', script[1]], { input: info, encoding: 'utf8' }).stdout.trim();
      });
      assert.match(`${accessKey} ${secretKey}`, /^GK[0-9a-f]{24} [0-9a-f]{64}$/);
      const keys = { region: 'garage', accessKey, secretKey };
      const stores = await openStores({ store: 's3:mail-one,mail-two,mail-three', s3: { endpoint: garage.endpoint, ...keys } }, systemClock, systemRandom, silent);
      await stores.home.put('replicas/x', Buffer.from('x'));
      assert.equal((await stores.home.get('replicas/x'))!.bytes.toString(), 'x');
      await stores.home.delete('replicas/x');
      await stores.close();
      const signer = new Signer(keys);
      const ask = async (method: string, path: string) => {
        const { host } = new URL(garage.endpoint);
        const headers = signer.sign({ method, host, path, query: '', headers: {}, payload: EMPTY_SHA256, time: Date.now() });
        delete (headers as Record<string, string>).host;
        return (await fetch(garage.endpoint + path, { method, headers: headers as Record<string, string> })).status;
      };
      assert.equal(await ask('DELETE', '/mail-three'), 403);
      assert.equal(await ask('PUT', '/mail-four'), 403);
    });
  });
});
