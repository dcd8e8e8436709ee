import assert from 'node:assert/strict';
import { Admission } from '../../src/base/index.ts';

describe('base/admission', () => {
  it('counts a /64 of IPv6 as one address, and IPv4 in IPv6 as IPv4', () => {
    const a = new Admission({ connections_max: 100, connections_per_address_max: 2 });
    const leave = a.admit('2001:db8::1')!;
    assert.ok(a.admit('2001:db8::2'));
    assert.equal(a.admit('2001:db8::3'), null);
    assert.ok(a.admit('2001:db8:0:1::3'));
    leave();
    leave();
    assert.ok(a.admit('2001:db8::4'));
    assert.equal(a.admit('2001:db8::5'), null);
    assert.ok(a.admit('::ffff:192.0.2.1') && a.admit('192.0.2.1'));
    assert.equal(a.admit('192.0.2.1'), null);
    assert.ok(a.admit('192.0.2.2'));
    assert.equal(a.open, 6);
  });
});
