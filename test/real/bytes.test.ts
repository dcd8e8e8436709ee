// Messages are kept byte for byte: whatever they are, signed and encrypted ones above all, whose signatures others verify after they
// came in at one replica and were read, whole and in parts, at another.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMessage, generateKey, readSignature, sign, verify } from 'openpgp';
import { fixtures } from '../message/samples.ts';
import type { Imap } from './imap.ts';
import { Site } from './site.ts';
import type { Person, Replica } from './site.ts';
import { needs, run } from './tools.ts';

const HEAD = 'From: Anna <anna@elsewhere.example>\r\nTo: ann@real.example\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n';
/** Trailing white space, dots, long lines, and letters of eight bits: what a careless server would touch. */
const PART = `Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße  \r\n.\r\n..\r\nFrom here on\t \r\n${'x'.repeat(990)}\r\n\r\n-- \r\nAnna`;

describe('real: byte for byte', function () {
  this.timeout(60_000);
  let site: Site;
  let ann: Person;
  let replicas: Replica[];
  let far: Imap;
  before(async () => {
    site = new Site();
    ({ ann } = await site.people('ann'));
    replicas = [await site.start(), await site.start()];
    far = await replicas[1].client(ann);
  });
  after(() => site?.end());

  /** A section's bytes of the newest message of INBOX, as Latin-1. */
  async function section(name: string): Promise<string> {
    await far.ok('SELECT INBOX');
    const row = (await far.ok(`FETCH * (BODY.PEEK[${name}])`)).find((line) => line.includes('FETCH'))!;
    const [start, size] = /BODY\[[^\]]*\] \{(\d+)\}\r\n/.exec(row)!;
    const at = row.indexOf(start) + start.length;
    return row.slice(at, at + Number(size));
  }
  /** Comes by SMTP at one replica; gives what the other one shows, without the fields that stand before it. */
  async function comes(text: string): Promise<string> {
    const sender = await replicas[0].sender('smtp');
    await sender.stored(ann.address, Buffer.from(text.replace(/^\./gm, '..')));
    sender.close();
    const shown = await section('');
    return shown.slice(shown.indexOf('From: Anna'));
  }

  it('every message of fixtures/messages, by APPEND and COPY', async () => {
    const near = await replicas[0].client(ann);
    const kept: Buffer[] = [];
    // NUL needs a literal8 (RFC 3516); a message of no bytes is none.
    for (const { name, bytes } of fixtures()) {
      if (bytes.length === 0) continue;
      const word = bytes.includes(0) ? '~' : '';
      const answer = await near.command(Buffer.concat([Buffer.from(`APPEND Archive ${word}{${bytes.length}+}\r\n`), bytes]));
      assert.equal(answer.status, 'OK', `${name}: ${answer.text}`);
      kept.push(bytes);
    }
    assert.ok(kept.length > 50);
    await near.ok('SELECT Archive');
    await near.ok('COPY 1:* Drafts');
    for (const mailbox of ['Archive', 'Drafts']) {
      await far.ok(`EXAMINE ${mailbox}`);
      for (const item of ['BODY.PEEK[]', 'BINARY.PEEK[]']) {
        const rows = (await far.ok(`FETCH 1:* (RFC822.SIZE ${item})`)).filter((line) => /^\d+ FETCH/.test(line));
        assert.equal(rows.length, kept.length);
        for (const [i, row] of rows.entries()) {
          const [start, size] = /(?:BODY|BINARY)\[\] ~?\{(\d+)\}\r\n/.exec(row)!;
          const at = row.indexOf(start) + start.length;
          // BODY[] can not show NUL (RFC 9051 §4.3.1).
          const shown = item === 'BODY.PEEK[]' ? kept[i].toString('latin1').replaceAll('\0', '\x80') : kept[i].toString('latin1');
          assert.equal(row.slice(at, at + Number(size)), shown);
          assert.match(row, new RegExp(`RFC822\\.SIZE ${kept[i].length} `));
        }
      }
    }
    near.close();
  });

  it('S/MIME, which openssl verifies', async function () {
    needs(this, 'openssl', ['version'], 'apt install openssl');
    const at = (name: string) => join(site.folder, name);
    const made = await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=Anna/emailAddress=anna@elsewhere.example', '-keyout', at('key.pem'), '-out', at('cert.pem'), '-days', '2']);
    assert.equal(made.status, 0, made.err);
    writeFileSync(at('part'), PART);
    for (const opaque of [false, true]) {
      const signed = await run('openssl', ['smime', '-sign', '-in', at('part'), '-signer', at('cert.pem'), '-inkey', at('key.pem'), '-md', 'sha256', '-binary', ...(opaque ? ['-nodetach'] : [])]);
      assert.equal(signed.status, 0, signed.err);
      const text = HEAD + signed.out.replace(/\r?\n/g, '\r\n');
      const shown = await comes(Buffer.from(text, 'latin1').toString('utf8'));
      assert.equal(shown, text);
      writeFileSync(at('shown'), shown, 'latin1');
      const verified = await run('openssl', ['smime', '-verify', '-noverify', '-in', at('shown'), '-binary', '-out', at('content')]);
      assert.equal(verified.status, 0, verified.err);
      assert.equal(readFileSync(at('content'), 'latin1'), Buffer.from(PART).toString('latin1'));
    }
  });

  it('PGP/MIME, by its parts', async () => {
    const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: 'Anna', email: 'anna@elsewhere.example' }], format: 'object' });
    const armored = String(await sign({ message: await createMessage({ binary: Buffer.from(PART) }), signingKeys: privateKey, detached: true })).replace(/\r?\n/g, '\r\n');
    const text = `${HEAD}Content-Type: multipart/signed; micalg=pgp-sha512; protocol="application/pgp-signature"; boundary=b\r\n\r\n--b\r\n${PART}\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n${armored}\r\n--b--\r\n`;
    assert.equal(await comes(text), Buffer.from(text).toString('latin1'));
    // What is signed is the part with its header (RFC 3156 §5).
    const part = Buffer.from((await section('1.MIME')) + (await section('1')), 'latin1');
    assert.equal(part.toString(), PART);
    const { signatures } = await verify({ message: await createMessage({ binary: part }), signature: await readSignature({ armoredSignature: await section('2') }), verificationKeys: publicKey });
    assert.equal(await signatures[0].verified, true);
  });
});
