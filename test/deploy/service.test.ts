// The systemd unit, the sample settings, firewall, DNS, and the pages that explain them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig, settingNamed } from '../../src/config.ts';
import { Site } from '../real/site.ts';
import { needs } from '../real/tools.ts';
import { root } from './tree.ts';

const deploy = (name: string) => readFileSync(join(root, 'deploy', name), 'utf8');

/** `key=value` lines of a unit; a key may come several times. */
function unit(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const m = /^(\w+)=(.*)$/.exec(line);
    if (m) found.set(m[1], [...(found.get(m[1]) ?? []), m[2]]);
  }
  return found;
}

describe('deploy/colombier.service', () => {
  const text = deploy('colombier.service');
  const keys = unit(text);
  const secrets = { COLOMBIER_S3_ACCESS_KEY: 'x', COLOMBIER_S3_SECRET_KEY: 'y' };
  const config = readConfig({ CONFIG: join(root, 'deploy/colombier.conf') }, secrets);

  it('gives settings that exist, and a file for each secret', () => {
    const given = keys.get('Environment')!.map((pair) => pair.split('='));
    for (const [name] of given) assert.ok(name.startsWith('NODE_') || settingNamed(name) !== null, name);
    const credentials = keys.get('LoadCredential')!.map((c) => c.split(':')[0]).sort();
    assert.deepEqual(given.filter(([, value]) => value.startsWith('%d/')).map(([, value]) => value.slice(3)).sort(), credentials);
  });

  it('without the lines that name s3- is the unit of a disk store, as the page says', () => {
    assert.match(deploy('systemd.md'), /Take the lines that name\s+`s3-` out/);
    const left = unit(text.split('\n').filter((line) => !line.includes('s3-')).join('\n'));
    assert.deepEqual(left.get('LoadCredential')!.map((c) => c.split(':')[0]).sort(), left.get('Environment')!.flatMap((pair) => /%d\/(.+)$/.exec(pair)?.[1] ?? []).sort());
    assert.doesNotMatch([...left.values()].flat().join(' '), /s3/i);
  });

  it('lets a replica drain before it is killed', () => {
    assert.deepEqual(keys.get('KillSignal'), ['SIGTERM']);
    assert.ok(Number(keys.get('TimeoutStopSec')![0]) * 1000 >= config.drain_ms + 10_000);
  });

  it('has sample settings that are read', () => {
    assert.equal(config.store.kind, 's3');
    assert.deepEqual([config.ports.smtp, config.ports.imap, config.ports.imaps, config.ports.peer, config.ports.http], [25, 143, 993, 1081, 1080]);
    assert.deepEqual(config.httpListen, ['127.0.0.1']);
  });

  it('asks the store where garage.toml has it listen', () => {
    const [, at] = /\[s3_api\][^[]*\napi_bind_addr = "(.+)"/.exec(deploy('garage/garage.toml'))!;
    assert.equal(config.store.kind === 's3' && config.store.endpoint, `http://${at}`);
  });

  it('is a unit that systemd understands', function () {
    needs(this, 'systemd-analyze', ['--version'], 'apt-get install systemd');
    const folder = mkdtempSync(join(tmpdir(), 'colombier-unit-'));
    try {
      const file = join(folder, 'colombier.service');
      writeFileSync(file, text.replace('/usr/bin/node', process.execPath).replace('/opt/colombier/deploy', join(root, 'deploy')));
      const { status, stderr, stdout } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
      assert.deepEqual([status, `${stdout}${stderr}`.split('\n').filter((line) => line.includes('colombier'))], [0, []]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('lets the program ask for the addresses of its machine, over netlink', () => {
    assert.ok(keys.get('RestrictAddressFamilies')![0].split(' ').includes('AF_NETLINK'));
  });

  it('closed down further, a replica that listens everywhere starts without asking for them', async function () {
    this.timeout(60_000);
    // What libuv says where netlink is forbidden.
    const denied = `import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module'; os.networkInterfaces = () => { throw new Error('uv_interface_addresses returned 97'); }; syncBuiltinESMExports();`;
    const site = new Site({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(denied)}`, COLOMBIER_LISTEN: '0.0.0.0', COLOMBIER_CHECKS: 'off' });
    try {
      await site.start();
      await site.start({ COLOMBIER_PEER_ADDRESS: '127.0.0.1:1081' });
    } finally {
      await site.end();
    }
  });

  it('is closed down: systemd calls its exposure OK or better', function () {
    needs(this, 'systemd-analyze', ['--version'], 'apt-get install systemd');
    // The threshold is ten times the level; below 5.0 is OK.
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['security', '--no-pager', '--offline=yes', '--threshold=49', join(root, 'deploy/colombier.service')], { encoding: 'utf8' });
    if (/unrecognized option|Unknown/.test(stderr)) return this.skip();
    const level = /Overall exposure level for \S+: ([\d.]+) (\w+)/.exec(stdout);
    assert.ok(level, stdout + stderr);
    assert.equal(status, 0, stdout);
    assert.ok(Number(level[1]) < 5 && ['OK', 'SAFE', 'PERFECT'].includes(level[2]), level[0]);
  });
});

describe('deploy', () => {
  it('explains every file, and every link leads somewhere', () => {
    const names = readdirSync(join(root, 'deploy'), { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name).slice(join(root, 'deploy').length + 1));
    const pages = names.filter((f) => f.endsWith('.md'));
    const all = pages.map(deploy).join('\n');
    for (const name of names) assert.ok(name === 'README.md' || all.includes(name), `nothing speaks of ${name}`);
    for (const page of pages) for (const m of deploy(page).matchAll(/\]\(([^)#]+)\)/g)) assert.ok(names.includes(m[1]), `${page}: ${m[1]}`);
  });

  it('lets in the ports that the table and the settings have', () => {
    const open = new Set([...deploy('nftables.conf').matchAll(/tcp dport (?:\{ ([^}]+) \}|(\d+))/g)].flatMap((m) => (m[1] ?? m[2]).split(/, */).map(Number)));
    assert.deepEqual([...open].sort((a, b) => a - b), [22, 25, 143, 465, 587, 993, 1080, 1081, 3900, 3901]);
    for (const port of open) if (port !== 22) assert.match(deploy('firewall.md'), new RegExp(`^\\| ${port} \\|`, 'm'));
  });

  it('names the same buckets on every page', () => {
    for (const name of ['colombier.conf', 'container.md', 'colombier.nomad.hcl']) assert.match(deploy(name), /mail-one,mail-two,mail-three\b/, name);
    assert.doesNotMatch(deploy('container.md'), /mail-two(?!,mail-three)/);
  });

  it('has firewall rules that nft reads', function () {
    needs(this, 'nft', ['--version'], 'scripts/debian.sh');
    const rules = deploy('nftables.conf');
    const forContainers = rules.replace(/^( +)# (iifname )/m, '$1$2');
    assert.notEqual(forContainers, rules);
    for (const input of [rules, forContainers]) {
      const { status, stderr } = spawnSync('nft', ['-c', '-f', '-'], { encoding: 'utf8', input });
      if (/Operation not permitted/.test(stderr)) return this.skip();
      assert.equal(status, 0, stderr);
    }
  });

  it('has a zone whose names all lead to addresses', () => {
    const lines = deploy('dns.zone').split('\n').map((line) => line.replace(/;.*$/, '').trimEnd()).filter((line) => line !== '' && !line.startsWith('$'));
    const records = lines.map((line) => {
      const m = /^(\S+)\s+(?:(\d+)\s+)?(MX|A|AAAA|SRV|CNAME|TXT)\s+(.+)$/.exec(line);
      assert.ok(m, `not a record: ${line}`);
      return { name: m[1], type: m[3], value: m[4].trim() };
    });
    const has = (name: string, type: string) => records.some((r) => r.name === name && r.type === type);
    for (const { type, value } of records) {
      const target = value.split(/\s+/).at(-1)!;
      if (type === 'MX') assert.ok(has(target, 'A') && has(target, 'AAAA') && !has(target, 'CNAME'), target);
      if (type === 'SRV' && target !== '.') assert.ok(has(target, 'A'), target);
      if (type === 'CNAME') assert.ok(has(target, 'A'), target);
    }
    assert.equal(records.filter((r) => r.type === 'MX').length, 3);
    assert.equal(records.filter((r) => r.name === 'imap.mail').length, 6);
    const srv = (name: string) => records.find((r) => r.type === 'SRV' && r.name === `${name}._tcp`)?.value.split(/\s+/).slice(2).join(' ');
    assert.deepEqual(['_imaps', '_imap', '_submissions', '_submission', '_pop3s'].map(srv), ['993 imap.mail', '0 .', '465 imap.mail', '587 imap.mail', '0 .']);
    for (const name of ['autoconfig', 'autodiscover']) assert.ok(has(name, 'CNAME'), name);
  });

  it('has a zone that a name server\'s tools read', function () {
    needs(this, 'ldns-read-zone', ['-v'], 'scripts/debian.sh');
    const { status, stdout, stderr } = spawnSync('ldns-read-zone', ['-c', join(root, 'deploy/dns.zone')], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const lines = deploy('dns.zone').split('\n').filter((line) => /^[^;$\s]/.test(line));
    assert.equal(stdout.trim().split('\n').length, lines.length, stdout);
  });

  it('tells mail apps by autoconfig what DNS tells them by SRV', () => {
    const servers = [...deploy('dns.md').matchAll(/<(incoming|outgoing)Server type="(\w+)">\s*<hostname>(\S+)<\/hostname>\s*<port>(\d+)<\/port>\s*<socketType>SSL</g)].map((m) => m.slice(1).join(' '));
    assert.deepEqual(servers, ['incoming imap imap.mail.example.org 993', 'outgoing smtp imap.mail.example.org 465']);
  });
});
