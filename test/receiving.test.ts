import assert from 'node:assert/strict';
import { readConfig } from '../src/config.ts';
import type { Values } from '../src/config.ts';
import { judges } from '../src/receiving.ts';

describe('receiving', () => {
  const on = (flags: Values) => judges(readConfig(flags, {}));
  it('judges nothing on this machine alone, and everything where strangers come', () => {
    assert.equal(on({}), false);
    assert.equal(on({ LISTEN: '127.0.0.2,::1,localhost' }), false);
    for (const LISTEN of ['::', '0.0.0.0', '127.0.0.1,192.0.2.1', 'mx.example.org']) assert.equal(on({ LISTEN }), true, LISTEN);
    for (const flags of [{ PROXY_FROM: '10.0.0.1' }, { RSPAMD_URL: 'http://127.0.0.1:11333' }, { DNSBL: 'bl.test' }, { GREYLIST: 'on' }, { CHECKS: 'on' }]) assert.equal(on(flags), true);
  });
  it('does as it is told, and nothing without an SMTP port', () => {
    assert.equal(on({ LISTEN: '::', CHECKS: 'off', GREYLIST: 'on' }), false);
    assert.equal(on({ LISTEN: '::', SMTP_PORT: '0', CHECKS: 'on' }), false);
  });
});
