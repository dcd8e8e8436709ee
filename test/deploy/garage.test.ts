import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { Signer, EMPTY_SHA256 } from '../../src/store/s3-sign.ts';
import { openStores } from '../../src/store/index.ts';
import { garageMissing, startGarage } from '../real/garage.ts';
import type { Garage } from '../real/garage.ts';
import { skip } from '../real/tools.ts';
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

  it('keeps what it acknowledges, in three places', () => {
    for (const line of ['metadata_fsync = true', 'replication_factor = 3', 'consistency_mode = "consistent"']) assert.ok(toml.split('\n').includes(line), line);
    assert.match(readFileSync(join(root, 'deploy/garage.md'), 'utf8'), /ip route change .* quickack 1/);
  });

  it('has a place for the peers that a node finds the others by, which the page asks for', () => {
    assert.match(readFileSync(join(root, 'deploy/garage.md'), 'utf8'), /`bootstrap_peers`/);
    // Above all tables, or it would be a setting of one of them.
    const [top] = toml.split(/^\[\w+\]$/m);
    const peers = /^# bootstrap_peers = \[\n((?:#   "[^"]+",\n)+)# \]$/m.exec(top);
    assert.ok(peers);
    assert.deepEqual(peers[1].match(/@[\d.]+:\d+/g), [1, 2, 3, 4, 5].map((n) => `@10.44.${n}.2:3901`));
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
      const info = await cli('key', 'info', '--show-secret', 'colombier');
      const [accessKey] = /GK[0-9a-f]{24}/.exec(info)!;
      const secretKey = /Secret key:\s+([0-9a-f]{64})/.exec(info)![1];
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
