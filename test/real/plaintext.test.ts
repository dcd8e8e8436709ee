// No plaintext, subject, address, folder name or keyword reaches the store, the spool or the log.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { message } from './mail.ts';
import { searchFolder, wordsIn } from './search-bytes.ts';
import { DOMAIN, Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';

const WORDS = [
  'zwetschgenkuchen', 'quittengelee', 'rhabarberschorle', // subject, text, attachment
  'wacholder@elsewhere.example', 'stachelbeere', // sender, display name
  'brombeerhecke', // From of the envelope
  'geheimnisse', 'kräuterbeet', '&AOQ-uterbeet',
  'schlehenfeuer', // keyword
  'holunder', 'hagebutte', DOMAIN, // users, alias, domain
  'sanddornpasswort', 'telefon-im-flur', // password, name of an app password
  'mirabellensuche', // a message-id
  'The quick brown fox jumps', // filler of every message
  'token bulk-',
];

describe('real: what is stored shows no plaintext', function () {
  this.timeout(90_000);
  let site: Site;
  let replica: Replica;
  let logs = '';
  const temp = () => join(site.folder, 'tmp');
  before(async () => {
    site = new Site();
    mkdirSync(temp());
  });
  after(() => site.end());

  it('the search finds these words in plain, encoded and deflated files', () => {
    const folder = join(site.folder, 'plain');
    mkdirSync(folder);
    for (const word of WORDS) {
      const text = `xy ${word} z`;
      for (const bytes of [text, Buffer.from(text, 'utf16le'), Buffer.from(text).toString('base64'), Buffer.from(`x${text}`).toString('base64'), Buffer.from(`xx${text}`).toString('base64'), Buffer.from(text).toString('hex')]) {
        assert.deepEqual(wordsIn(Buffer.from(bytes), [word]), [word], String(bytes));
      }
    }
    const packed = Buffer.concat([Buffer.alloc(100, 9), deflateRawSync(Buffer.from(`${WORDS.join(' ')} `.repeat(3))), Buffer.alloc(16, 7)]);
    assert.deepEqual(wordsIn(packed, WORDS), WORDS);
    writeFileSync(join(folder, 'schlehenfeuer'), WORDS.join('\n'));
    const searched = searchFolder(folder, WORDS);
    assert.deepEqual(searched.found.map((f) => f.slice(f.indexOf(': ') + 2)).sort(), [...WORDS, 'schlehenfeuer'].sort());
    assert.deepEqual(wordsIn(Buffer.from('nothing of it'), WORDS), []);
  });

  it('and finds none of them after a mixed run', async () => {
    const ann: Person = { address: `holunder@${DOMAIN}`, password: 'sanddornpasswort' };
    const command = async (words: string[], input = '') => {
      const ended = await site.command(words, input);
      assert.equal(ended.status, 0, ended.err);
      logs += ended.err.replaceAll(/.*recovery code.*\n/gi, '');
      return ended.out;
    };
    await command(['domain', 'add', DOMAIN]);
    await command(['user', 'add', ann.address, '--password-stdin'], `${ann.password}\n`);
    await command(['address', 'add', `hagebutte@${DOMAIN}`, ann.address]);
    await command(['user', 'app-password', ann.address, 'telefon-im-flur', '--password-stdin'], `${ann.password}\n`);
    replica = await site.start({ TMPDIR: temp(), COLOMBIER_LOG_LEVEL: 'debug' });
    const smtp = await replica.sender('smtp');
    const lmtp = await replica.sender();
    const letter = Buffer.from(
      message('mirabellensuche', 30_000, ['X-Extra: rhabarberschorle']).toString('latin1').replace(/Subject: .*/, 'Subject: zwetschgenkuchen').replace('Ada Example <ada@', 'Stachelbeere <wacholder@').replace('token ', 'quittengelee ') +
        `${Buffer.from('rhabarberschorle '.repeat(50)).toString('base64')}\r\n`,
      'latin1',
    );
    assert.match((await smtp.deliver(`hagebutte+brombeerhecke@${DOMAIN}`, letter, 'brombeerhecke@elsewhere.example'))!, /^250/);
    assert.match((await lmtp.deliver(ann.address, letter, ''))!, /^250/);

    const imap = await replica.client(ann);
    const folder = '"Geheimnisse/Kr&AOQ-uterbeet"';
    await imap.ok(`CREATE ${folder}`);
    await imap.ok(`SUBSCRIBE ${folder}`);
    await imap.append(folder, letter, 'schlehenfeuer \\Seen');
    await imap.ok('SELECT INBOX');
    await imap.ok('STORE 1:* +FLAGS (schlehenfeuer)');
    await imap.ok(`COPY 1 ${folder}`);
    await imap.ok(`MOVE 2 ${folder}`);
    await imap.ok('SEARCH TEXT quittengelee');
    await imap.ok('FETCH 1:* (ENVELOPE BODYSTRUCTURE PREVIEW BODY.PEEK[])');
    await imap.ok('RENAME Geheimnisse Geheimnisse2');
    await imap.ok('RENAME Geheimnisse2 Geheimnisse');
    // Enough events for a snapshot.
    for (let i = 0; i < 30; i++) await lmtp.stored(ann.address, message(`bulk-${i}`));
    for (let i = 0; i < 220; i++) await imap.ok(`STORE 1 ${i % 2 === 0 ? '+' : '-'}FLAGS (schlehenfeuer)`);
    await until(() => existsSync(join(site.store, 'objects/users')) && readdirSync(join(site.store, 'objects/users'), { recursive: true }).some((f) => String(f).includes('/snapshots/')), 15_000, () => `no snapshot was written\n${replica.log}`);

    // In the middle of a large message its sealed beginning lies in a file of the spool.
    for (const line of [`MAIL FROM:<brombeerhecke@elsewhere.example>`, `RCPT TO:<${ann.address}>`]) await smtp.say(line);
    await smtp.say('DATA');
    smtp.socket.write(letter);
    smtp.socket.write(message('bulk-large', 6_000_000));
    if (process.platform === 'linux') {
      const spooled = await until(() => {
        const folder = `/proc/${replica.pid}/fd`;
        const files = readdirSync(folder).filter((fd) => {
          try {
            return readlinkSync(join(folder, fd)).startsWith(temp());
          } catch {
            return false;
          }
        });
        const bytes = files.map((fd) => readFileSync(join(folder, fd)));
        return bytes.some((b) => b.length > 1_000_000) && bytes;
      }, 10_000, () => 'nothing was spooled');
      for (const bytes of spooled) assert.deepEqual(wordsIn(bytes, WORDS), []);
    }
    smtp.socket.write('.\r\n');
    assert.match(String(await smtp.reply()), /^250/);
    imap.close();
    assert.equal(await replica.stop(), 0);
    await command(['check', '--all']);

    const searched = searchFolder(site.store, WORDS);
    assert.ok(searched.files > 250 && searched.bytes > 6_000_000, `${searched.files} files, ${searched.bytes} bytes`);
    assert.deepEqual(searched.found, []);
    assert.deepEqual(readdirSync(temp()), []);
    const said = WORDS.filter((w) => !w.includes('@') && w !== DOMAIN);
    assert.deepEqual(wordsIn(Buffer.from(replica.log + replica.out + logs), said, false), []);
  });
});
