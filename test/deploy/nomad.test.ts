import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig, settingNamed } from '../../src/config.ts';
import { skip } from '../real/tools.ts';
import { pythonMissing, runPython } from '../seal/python.ts';
import { readContainerfile, root } from './tree.ts';

const text = readFileSync(join(root, 'deploy/colombier.nomad.hcl'), 'utf8');
const READ = `
import sys, json, hcl2
print(json.dumps(hcl2.loads(json.load(sys.stdin))))
`;

/** What the reader gives: blocks are lists, labels keys; quotes of labels and strings may stay on. */
type Value = string | number | boolean | Value[] | { [key: string]: Value };
const bare = (v: Value): Value => {
  if (typeof v === 'string') return v.replace(/^"([^]*)"$/, '$1');
  if (Array.isArray(v)) return v.map(bare);
  if (typeof v === 'object') return Object.fromEntries(Object.entries(v).filter(([k]) => !k.startsWith('__')).map(([k, inner]) => [k.replace(/^"(.*)"$/, '$1'), bare(inner)]));
  return v;
};
type Block = { [key: string]: Value };
const blocks = (of: Block, name: string): Block[] => (of[name] ?? []) as Block[];
const one = (of: Block, name: string, label?: string): Block => {
  const found = blocks(of, name).map((b) => (label === undefined ? b : (b[label] as Block))).filter((b) => b !== undefined);
  assert.equal(found.length, 1, `${name} ${label ?? ''}`);
  return found[0];
};
const seconds = (v: Value): number => {
  const m = /^(\d+)(s|m)$/.exec(String(v));
  assert.ok(m, String(v));
  return Number(m[1]) * (m[2] === 'm' ? 60 : 1);
};

describe('deploy/colombier.nomad.hcl', () => {
  let group: Block;
  let task: Block;
  before(function () {
    const missing = pythonMissing();
    if (missing) return skip(this, missing);
    const all = bare(runPython<Value>(READ, text)) as Block;
    group = one(one(all, 'job', 'colombier'), 'group', 'replica');
    task = one(group, 'task', 'colombier');
  });

  it('runs three replicas, one a site, and updates one at a time', () => {
    assert.equal(group.count, 3);
    assert.equal(one(group, 'constraint').distinct_property, '${meta.site}');
    assert.equal(one(group, 'update').max_parallel, 1);
    assert.equal(one(group, 'update').health_check, 'checks');
    assert.equal(one(group, 'migrate').max_parallel, 1);
  });

  it('gives a drain its time', () => {
    assert.equal(task.kill_signal, 'SIGTERM');
    const { COLOMBIER_DRAIN_SECONDS: drain } = environment();
    assert.ok(seconds(task.kill_timeout) >= Number(drain) + 10);
  });

  const environment = () => (Array.isArray(task.env) ? one(task, 'env') : task.env) as Record<string, string>;

  it('sets what exists, and keeps secrets out of the environment', () => {
    for (const name of Object.keys(environment())) assert.notEqual(settingNamed(name), null, name);
    const files = blocks(task, 'template');
    const destinations = files.map((t) => `/${String(t.destination)}`);
    const wanted = Object.values(environment()).filter((v) => v.startsWith('/secrets/'));
    assert.deepEqual(wanted.sort(), destinations.sort());
    for (const t of files) assert.deepEqual([t.perms, t.uid, t.gid], ['0400', 65532, 65532]);
    for (const name of ['COLOMBIER_CLUSTER_SECRET', 'COLOMBIER_S3_SECRET_KEY', 'COLOMBIER_S3_ACCESS_KEY']) assert.ok(!(name in environment()));
  });

  it('has the ports of the image, and checks pages that exist', () => {
    const image = readContainerfile(readFileSync(join(root, 'deploy/Containerfile'), 'utf8')).filter((i) => i.name === 'ENV').map((i) => i.words).join(' ');
    const env = Object.fromEntries(image.split(/ +/).map((pair) => pair.split('=')));
    const { ports } = readConfig({}, { ...env, COLOMBIER_HOSTNAME: 'x' });
    const network = one(group, 'network');
    for (const name of ['smtp', 'imap', 'imaps', 'submission', 'submissions', 'peer', 'http'] as const) assert.equal(one(network, 'port', name).to, ports[name], name);
    const checks = blocks(one(group, 'service'), 'check');
    assert.deepEqual(checks.map((c) => c.path), ['/ready', '/health']);
    assert.deepEqual(checks.map((c) => 'check_restart' in c), [false, true], 'no restart for want of a quorum');
    assert.ok(checks.every((c) => seconds(c.timeout) > 2), 'longer than /ready itself waits');
  });

  it('publishes what is for the sites alone in their network alone, and tells the others that address', () => {
    const network = one(group, 'network');
    const ports = Object.fromEntries(['smtp', 'imap', 'imaps', 'submission', 'submissions', 'peer', 'http'].map((name) => [name, one(network, 'port', name).host_network]));
    assert.deepEqual(Object.entries(ports).filter(([, at]) => at !== undefined), [['peer', 'sites'], ['http', 'sites']]);
    assert.equal(environment().COLOMBIER_PEER_ADDRESS, '${NOMAD_HOST_ADDR_peer}');
    assert.match(readFileSync(join(root, 'deploy/nomad.md'), 'utf8'), /^ +host_network "sites" \{\n +interface = "wg0"\n/m);
  });

  it('gives the container nothing to write and no power', () => {
    const config = one(task, 'config');
    assert.deepEqual([config.readonly_rootfs, config.cap_drop], [true, ['ALL']]);
    assert.deepEqual(config.security_opt, ['no-new-privileges']);
  });
});
