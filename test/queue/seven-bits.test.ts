// Messages for servers that take no 8-bit mail: what people read of them stays, byte for byte.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { inSevenBits } from '../../src/queue/index.ts';
import { limits } from '../../src/base/index.ts';
import { scanMessage } from '../../src/message/index.ts';
import type { BodyPart } from '../../src/base/index.ts';

const HEAD = 'From: Anna <anna@here.test>\r\nTo: ben@there.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n';
const bytes = (text: string) => Buffer.from(text);
const ascii = (b: Buffer) => b.every((c) => c < 128);

async function converted(text: string | Buffer): Promise<string> {
  const out = await inSevenBits(Buffer.from(text));
  assert.ok(out !== null && ascii(out), String(out));
  assert.ok(out.toString().split('\r\n').every((line, i, all) => line.length <= 76 || all[i].includes(':') || line.startsWith('\t')), out.toString());
  return out.toString();
}

/** Leaves as a reader sees them: type, and content decoded. */
function leaves(message: Buffer): [string, string][] {
  const found: [string, string][] = [];
  const visit = (part: BodyPart) => {
    if (part.parts) return part.parts.forEach(visit);
    if (part.message) return visit(part.message.body);
    const raw = message.subarray(part.bodyStart, part.bodyEnd);
    const encoding = part.encoding.toLowerCase();
    const plain = encoding === 'base64' ? Buffer.from(raw.toString('latin1'), 'base64') : encoding === 'quoted-printable' ? unquoted(raw) : raw;
    found.push([`${part.type}/${part.subtype}`.toLowerCase(), plain.toString('latin1')]);
  };
  visit(scanMessage(message).body);
  return found;
}
const unquoted = (raw: Buffer) => Buffer.from(raw.toString('latin1').replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))), 'latin1');

describe('queue: seven bits', () => {
  it('quotes a text that is mostly ASCII, and says so in its header', async () => {
    const out = await converted(`${HEAD}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße aus Köln, das ist = gut \r\n.Punkt\r\n`);
    assert.equal(out, `${HEAD}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe aus K=C3=B6ln, das ist =3D gut=20\r\n.Punkt\r\n`);
  });

  it('takes base 64 where that is shorter', async () => {
    const text = 'Здравствуйте, друзья! '.repeat(20);
    const out = await converted(`${HEAD}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${text}\r\n`);
    assert.match(out, /Content-Transfer-Encoding: base64\r\n\r\n/);
    assert.equal((await simpleParser(out)).text!.trim(), text.trim());
  });

  it('converts each part by itself and leaves what is encoded or plain alone', async () => {
    const encoded = `Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.png\r\n\r\n${Buffer.alloc(90, 200).toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`;
    const plain = 'Content-Type: text/plain\r\n\r\nplain\r\n';
    const raw = Buffer.from([1, 200, 13, 10, 255, 10, 0, 129]);
    const message = Buffer.concat([
      bytes(`${HEAD}Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>naïve</p>\r\n--b\r\n${encoded}--b\r\n${plain}--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n`),
      raw, bytes('\r\n--b--\r\nepilogue\r\n'),
    ]);
    const out = await converted(message);
    assert.ok(out.includes(`--b\r\n${encoded}--b\r\n${plain}--b\r\n`), out);
    assert.match(out, /boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\npreamble\r\n/);
    assert.match(out, /<p>na=C3=AFve<\/p>\r\n--b/);
    assert.match(out, /--b--\r\nepilogue\r\n$/);
    assert.deepEqual(leaves(Buffer.from(out)).at(-1), ['application/octet-stream', raw.toString('latin1')]);
  });

  it('converts inside a forwarded message, which itself bears no encoding (RFC 2045 §6.4)', async () => {
    const out = await converted(`${HEAD}Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nsome words, déjà vu\r\n--o--\r\n`);
    assert.match(out, /message\/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: inner[^]*charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nsome words, d=C3=A9j=C3=A0 vu\r\n--o--/);
  });

  it('says of a text without MIME that nobody knows its charset (RFC 1428)', async () => {
    const out = await converted('From: a@b.test\r\nSubject: x\r\n\r\nin the café\r\n');
    assert.equal(out, 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nFrom: a@b.test\r\nSubject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nin the caf=C3=A9\r\n');
  });

  for (const [what, text] of Object.entries({
    'an 8-bit header': `Subject: é\r\n${HEAD}\r\nx\r\n`,
    'an 8-bit header of a part': `${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; name="é"\r\n\r\nx\r\n--b--\r\n`,
    'an 8-bit preamble': `${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\né\r\n--b\r\n\r\nx\r\n--b--\r\n`,
    'what a signature covers': `${HEAD}Content-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\né\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--b--\r\n`,
    'a part that lies about its encoding': `${HEAD}Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\né=41\r\n`,
    'a piece of a message': `${HEAD}Content-Type: message/partial; id=a; number=1\r\n\r\né\r\n`,
  }))
    it(`does not touch ${what}`, async () => assert.equal(await inSevenBits(bytes(text)), null));

  it('encodes no more than takes a moment', async () => {
    const message = (bytes: number) => `${HEAD}Content-Type: text/plain; charset=utf-8\r\n\r\n${'Grüße\r\n'.repeat(Math.floor(bytes / 9))}`;
    await converted(message(limits.queue_encode_bytes_max));
    assert.equal(await inSevenBits(bytes(message(limits.queue_encode_bytes_max + 9))), null);
  });

  it('leaves what a signature covers as it is, though a label could be better', async () => {
    const text = `${HEAD}Content-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"\r\n\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--b--\r\n`;
    assert.equal(await converted(text), text);
  });

  it('keeps what any tree of parts says', async () => {
    const text = fc.array(fc.constantFrom('a', ' ', '=', '.', 'é', 'ж', '\t', '\r\n', '-'), { maxLength: 300 }).map((cs) => `${cs.join('')}.`);
    const leaf = fc.tuple(fc.constantFrom('text/plain', 'text/html', 'application/x-data'), text, fc.constantFrom('8bit', '7bit', '')).map(([type, body, label]) => `Content-Type: ${type}; charset=utf-8\r\n${label && `Content-Transfer-Encoding: ${label}\r\n`}\r\n${body}`);
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof({ maxDepth: 3 }, leaf, fc.tuple(fc.array(tie('tree'), { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: 1e9 })).map(([parts, n]) => `Content-Type: multipart/mixed; boundary="=_${n}"\r\n\r\n${parts.map((p) => `--=_${n}\r\n${p}\r\n`).join('')}--=_${n}--\r\n`),
        tie('tree').map((inner) => `Content-Type: message/rfc822\r\n\r\nMIME-Version: 1.0\r\n${inner}`)),
    }));
    await fc.assert(fc.asyncProperty(tree, async (part) => {
      const message = bytes(`From: a@b.test\r\nMIME-Version: 1.0\r\n${part}\r\n`);
      const out = await inSevenBits(message);
      assert.ok(out !== null && ascii(out));
      assert.deepEqual(leaves(out), leaves(message));
    }), { numRuns: 300 });
  });
});
