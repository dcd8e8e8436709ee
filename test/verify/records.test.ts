// The records of a domain: what is printed is what the check finds good, and each fault is found.
import assert from 'node:assert/strict';
import { checkRecords, createDomainKeys, publicRecord, recordsOf, signingKeys } from '../../src/verify/index.ts';
import type { DomainFacts, Lookup } from '../../src/verify/index.ts';

const facts: DomainFacts = { domain: 'x.test', hostname: 'mx.x.test', keys: [{ selector: 'r1', record: 'v=DKIM1; k=rsa; p=AAAA' }], ports: { imap: 143, imaps: 993, submission: 587, submissions: 465 }, smarthost: null, tlsa: { value: '3 1 1 0a0b', fits: (records) => (records.some((r) => r.data.toString('hex') === '0a0b') ? null : 'another key') } };
const fails = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));

/** A DNS that has exactly the records of `recordsOf`, with changes. */
function dnsOf(over: Partial<Record<string, string[] | string>> = {}): Lookup {
  const has = (type: string, name: string): Promise<string[]> => {
    const told = over[`${type} ${name}`];
    if (typeof told === 'string') return fails(told);
    const values = told ?? recordsOf(facts).filter((r) => r.type === type && r.name === name).map((r) => r.value);
    return values.length > 0 ? Promise.resolve(values) : fails('ENODATA');
  };
  return {
    mx: async (name) => (await has('MX', name)).map((v) => ({ priority: Number(v.split(' ')[0]), exchange: v.split(' ')[1] })),
    txt: (name) => has('TXT', name),
    srv: async (name) => (await has('SRV', name)).map((v) => ({ port: Number(v.split(' ')[2]), name: v.split(' ')[3] })),
    caa: async (name) => (await has('CAA', name)).map((issue) => ({ issue })),
    tlsa: async (name) => ({ signed: over.signed !== 'no', tlsa: (await has('TLSA', name).catch((e) => (e.code === 'ENODATA' ? [] : Promise.reject(e)))).map((v) => ({ usage: 3, selector: 1, matching: 1, data: Buffer.from(v.split(' ')[3], 'hex') })) }),
    a: async (name) => (name === 'elsewhere.test.' ? ['192.0.2.9'] : ['192.0.2.1']),
    aaaa: () => fails('ENODATA'),
    stsAllows: async (domain, host) => (assert.deepEqual([domain, host], ['x.test', 'mx.x.test']), over.policy === 'none' ? fails('ENOTFOUND') : over.policy !== 'of others'),
  };
}
const faults = async (over: Parameters<typeof dnsOf>[0]) => (await checkRecords(facts, dnsOf(over))).filter((v) => v.state !== 'ok').map((v) => `${v.type} ${v.name} ${v.state}`);

describe('verify/records', () => {
  it('finds its own records good', async () => {
    const verdicts = await checkRecords(facts, dnsOf());
    assert.deepEqual(verdicts.map((v) => v.state), verdicts.map(() => 'ok'));
    assert.equal(verdicts.length, 13);
  });

  it('finds each fault, and says no more than it knows', async () => {
    assert.deepEqual(await faults({ 'MX x.test': ['10 other.test.'] }), ['MX x.test wrong']);
    assert.deepEqual(await faults({ 'MX x.test': ['5 backup.test.', '10 MX.x.test.'] }), []);
    assert.deepEqual(await faults({ 'MX x.test': 'ESERVFAIL' }), ['MX x.test unknown']);
    assert.deepEqual(await faults({ 'TXT x.test': ['google-site=1'] }), ['TXT x.test missing']);
    assert.deepEqual(await faults({ 'TXT x.test': ['v=spf1 a mx ~all', 'other'] }), []);
    assert.deepEqual(await faults({ 'TXT x.test': ['v=spf1 mx +all'] }), ['TXT x.test wrong']);
    assert.deepEqual(await faults({ 'TXT x.test': ['v=spf1 -all'] }), ['TXT x.test wrong']);
    assert.deepEqual(await faults({ 'TXT x.test': ['v=spf1 mx -all', 'v=spf1 a -all'] }), ['TXT x.test wrong']);
    assert.deepEqual(await faults({ 'TXT r1._domainkey.x.test': ['v=DKIM1;p=AA AA;k=rsa'] }), []);
    assert.deepEqual(await faults({ 'TXT r1._domainkey.x.test': ['v=DKIM1; p=BBBB'] }), ['TXT r1._domainkey.x.test wrong']);
    assert.deepEqual(await faults({ 'TXT _dmarc.x.test': 'ENOTFOUND' }), ['TXT _dmarc.x.test missing']);
    assert.deepEqual(await faults({ 'TXT _dmarc.x.test': ['v=DMARC1; rua=mailto:a@x.test'] }), ['TXT _dmarc.x.test wrong']);
    for (const optional of ['TXT _mta-sts.x.test', 'TXT _smtp._tls.x.test', 'CAA mx.x.test']) assert.deepEqual(await faults({ [optional]: 'ENODATA' }), []);
    assert.deepEqual(await faults({ 'TXT _mta-sts.x.test': ['v=STSv1; id=a b'] }), ['TXT _mta-sts.x.test wrong']);
    assert.deepEqual(await faults({ 'TXT _smtp._tls.x.test': ['v=TLSRPTv1;'] }), ['TXT _smtp._tls.x.test wrong']);
    assert.deepEqual(await faults({ 'SRV _imaps._tcp.x.test': ['0 1 994 mx.x.test.'] }), ['SRV _imaps._tcp.x.test wrong']);
  });

  it('says that the server has no address only when DNS says so', async () => {
    const of = async (codes: string[]) => {
      const verdicts = await checkRecords(facts, { ...dnsOf(), a: () => fails(codes[0]), aaaa: () => fails(codes[1]) });
      return verdicts.find((v) => v.type === 'A/AAAA')!.state;
    };
    assert.deepEqual([await of(['ENOTFOUND', 'ENODATA']), await of(['ECONNREFUSED', 'ECONNREFUSED']), await of(['ENODATA', 'ESERVFAIL'])], ['missing', 'unknown', 'unknown']);
  });

  it('lets several sites share one name for mail apps, and a domain say that it has no such service', async () => {
    assert.deepEqual(await faults({ 'SRV _imaps._tcp.x.test': ['0 1 993 imap.x.test.'] }), []);
    assert.deepEqual(await faults({ 'SRV _imaps._tcp.x.test': ['0 1 994 imap.x.test.'] }), ['SRV _imaps._tcp.x.test wrong']);
    assert.deepEqual(await faults({ 'SRV _imaps._tcp.x.test': ['0 1 993 elsewhere.test.'] }), ['SRV _imaps._tcp.x.test wrong']);
    assert.deepEqual(await faults({ 'SRV _imap._tcp.x.test': ['0 0 0 .'] }), []);
  });

  it('reads the policy that a record of MTA-STS leads to, and says when it keeps mail away', async () => {
    const of = async (over: Parameters<typeof dnsOf>[0]) => (await checkRecords(facts, dnsOf(over))).find((v) => v.name === '_mta-sts.x.test')!;
    assert.deepEqual(await of({}), { name: '_mta-sts.x.test', type: 'TXT', state: 'ok', text: '' });
    const other = await of({ policy: 'of others' });
    assert.deepEqual([other.state, /^https:\/\/mta-sts\.x\.test\/\.well-known\/mta-sts\.txt does not name mx\.x\.test: .* send nothing here/.test(other.text)], ['wrong', true]);
    const none = await of({ policy: 'none' });
    assert.deepEqual([none.state, /^there, but others can not read .*ENOTFOUND/.test(none.text)], ['ok', true]);
    assert.match((await of({ policy: 'of others', 'TXT _mta-sts.x.test': 'ENODATA' })).text, /need not be/);
    // With several sites the policy is the domain's: it names the servers of all.
    assert.match(recordsOf(facts).find((r) => r.name === '_mta-sts.x.test')!.why, /"mx: mx\.x\.test" \(and such a line for each other MX\)/);
  });

  it('prints TLSA for the key that is served, and says when it is not the one in DNS, and whether it counts', async () => {
    const record = recordsOf(facts).find((r) => r.type === 'TLSA')!;
    assert.deepEqual([record.name, record.value], ['_25._tcp.mx.x.test', '3 1 1 0a0b']);
    assert.match(record.why, /same key.*--reuse-key/);
    assert.ok(recordsOf({ ...facts, tlsa: null }).every((r) => r.type !== 'TLSA'));
    const of = async (over: Parameters<typeof dnsOf>[0]) => (await checkRecords(facts, dnsOf(over))).find((v) => v.type === 'TLSA')!;
    assert.deepEqual(await of({}), { name: record.name, type: 'TLSA', state: 'ok', text: '' });
    const place = `TLSA ${record.name}`;
    const unsigned = await of({ signed: 'no' });
    assert.deepEqual([unsigned.state, /without that nobody uses it/.test(unsigned.text)], ['ok', true]);
    const none = await of({ [place]: 'ENODATA' });
    assert.deepEqual([none.state, /^not there, and need not be: DANE/.test(none.text)], ['ok', true]);
    const other = await of({ [place]: ['3 1 1 0c0d'] });
    assert.deepEqual([other.state, /^another key: servers that know DANE send nothing here; should be 3 1 1 0a0b/.test(other.text)], ['wrong', true]);
    assert.match((await of({ [place]: ['3 1 1 0c0d'], signed: 'no' })).text, /once the zone is signed, servers/);
    // The next key beside this one.
    assert.equal((await of({ [place]: ['3 1 1 0c0d', '3 1 1 0a0b'] })).state, 'ok');
    assert.equal((await of({ [place]: 'ESERVFAIL' })).state, 'unknown');
  });

  it('signs with the newest keys whose time has come', () => {
    const keys = [{ at: 30 }, { at: 20 }, { at: 20 }, { at: 10 }];
    assert.deepEqual([5, 10, 25, 30].map((now) => signingKeys(keys, now).map((k) => k.at)), [[10], [10], [20, 20], [30]]);
    assert.deepEqual(signingKeys([], 5), []);
  });

  it('makes keys whose records fit in DNS', async () => {
    const keys = await createDomainKeys('20261123');
    assert.deepEqual(keys.map((k) => [k.selector, k.algorithm]), [['r20261123', 'rsa'], ['e20261123', 'ed25519']]);
    for (const k of keys) assert.match(publicRecord(k.algorithm, k.secret), k.algorithm === 'rsa' ? /^v=DKIM1; k=rsa; p=[A-Za-z0-9+/=]{392}$/ : /^v=DKIM1; k=ed25519; p=[A-Za-z0-9+/=]{44}$/);
  });
});
