import assert from 'node:assert/strict';
import { Malformed } from '../../src/base/index.ts';
import { parsePath } from '../../src/smtp/address.ts';

const rcpt = (path: string) => parsePath('RCPT TO', Buffer.from(`RCPT TO:${path}`)).address;

describe('smtp/address', () => {
  const good: [string, string][] = [
    ['<ann@example.org>', 'ann@example.org'],
    [' <Ann.Lee+tag@Example.ORG>', 'Ann.Lee+tag@Example.ORG'],
    ['<"ann"@example.org>', 'ann@example.org'],
    ['<"a b"@example.org>', '"a b"@example.org'],
    ['<"a@b>c"@example.org>', '"a@b>c"@example.org'],
    ['<"a\\"b\\\\c"@example.org>', '"a\\"b\\\\c"@example.org'],
    ['<"a\\nb"@example.org>', 'anb@example.org'],
    ['<@relay.example,@b.example:ann@example.org>', 'ann@example.org'],
    ['<ann@[192.0.2.1]>', 'ann@[192.0.2.1]'],
    ['<ann@[IPv6:2001:db8::1]>', 'ann@[IPv6:2001:db8::1]'],
    ['ann@example.org', 'ann@example.org'],
    ['\t<ann@example.org>', 'ann@example.org'],
    // Others leave out the quotes; what goes on has them.
    ['<ann..lee@example.org>', '"ann..lee"@example.org'],
    ['<.ann.@example.org>', '".ann."@example.org'],
    ['<bounce:1;2,3@example.org>', '"bounce:1;2,3"@example.org'],
    ['<"ann..lee"@example.org>', '"ann..lee"@example.org'],
    ['<bücher@bücher.example>', 'bücher@bücher.example'],
    ['<ann@xn--bcher-kva.example>', 'ann@xn--bcher-kva.example'],
    ['<postMaster>', 'postMaster'],
    ["<o'neil!#$%&*/=?^_`{|}~-@example.org>", "o'neil!#$%&*/=?^_`{|}~-@example.org"],
    [`<${'l'.repeat(64)}@${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(59)}>`, `${'l'.repeat(64)}@${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(59)}`],
  ];
  for (const [path, address] of good) it(`reads ${path.slice(0, 60)}`, () => assert.equal(rcpt(path), address));

  const bad = [
    '<ann>', '<@example.org>', '<ann@>', '<ann@@example.org>', '<a\\b@example.org>', '<a[b]@example.org>', 'Ann <ann@example.org>', 'ann@example.org>', '"ann"@example.org',
    '<a b@example.org>', '<"ann@example.org>', '<"a"b@example.org>', '<""@example.org>', '<ann@-example.org>', '<ann@example..org>',
    '<ann@example.org.>', '<ann@[999.0.2.1]>', '<ann@[IPv6:1:2]>', '<ann@[192.0.2.1>', '<ann@exa mple.org>', '<ann@example.org',
    '<an\u200bn@example.org>', '<ann@example.org\u202e>', '<@relay.example>', '<ann@example.org>x', `<${'l'.repeat(300)}@example.org>`,
    `<ann@${'d'.repeat(64)}.example>`, '<ann@exa_mple.org/>', '<a(b)@example.org>', '<a<b@example.org>', '',
  ];
  for (const path of bad) it(`refuses ${JSON.stringify(path.slice(0, 60))}`, () => assert.throws(() => rcpt(path), Malformed));

  it('refuses control characters and what is not UTF-8', () => {
    for (const b of [0, 1, 9, 10, 13, 0x7f]) assert.throws(() => parsePath('RCPT TO', Buffer.from([...Buffer.from('RCPT TO:<"a'), b, ...Buffer.from('"@example.org>')])), Malformed, String(b));
    assert.throws(() => parsePath('RCPT TO', Buffer.from('RCPT TO:<\xff@example.org>', 'latin1')), Malformed);
  });

  it('reads parameters', () => {
    const { parameters } = parsePath('MAIL FROM', Buffer.from('mail from:<a@b.example> size=10 BODY=8BITMIME  SMTPUTF8'));
    assert.deepEqual([...parameters], [['SIZE', '10'], ['BODY', '8BITMIME'], ['SMTPUTF8', true]]);
    assert.deepEqual(parsePath('MAIL FROM', Buffer.from('MAIL FROM: a@b.example SIZE=1')), { address: 'a@b.example', parameters: new Map([['SIZE', '1']]) });
    for (const p of ['SIZE=', '=1', 'A=B=C', 'SIZE=1 size=2', 'X\x01=1']) assert.throws(() => parsePath('MAIL FROM', Buffer.from(`MAIL FROM:<a@b.example> ${p}`)), Malformed, p);
  });

  it('reads a long line in linear time', () => {
    const path = `<"${'\\"'.repeat(2000)}@x>`;
    assert.throws(() => rcpt(path), Malformed);
    assert.equal(rcpt(`<${'@a,'.repeat(1300)}:b@c.example>`), 'b@c.example');
  });
});
