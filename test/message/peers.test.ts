// BODY and BODYSTRUCTURE against what Dovecot, Cyrus and maddy answer for the same messages. Where we differ from one
// of them there is a rule here, and a row in docs/mime-choices.md that says why.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { renderBody, scanMessage } from '../../src/message/index.ts';
import { differences, parseImap } from './structure.ts';
import type { Difference } from './structure.ts';

const ROOT = new URL('../../../shared/mail/', import.meta.url);
const EXTENSIONS = ['md5', 'disposition', 'language', 'location'];

interface Rule {
  /** The row of docs/mime-choices.md. */
  choice: string;
  peer: 'dovecot' | 'cyrus' | 'maddy';
  explains(d: Difference, file: string, extended: boolean): boolean;
}

const RULES: Rule[] = [
  { choice: 'cut-header', peer: 'dovecot', explains: (d, file) => file === 'rfc/008' && d.where === '2' && (plus(d, 'size', 2) || plus(d, 'lines', 1)) },
  { choice: 'default-charset', peer: 'cyrus', explains: defaultCharset },
  { choice: 'missing-domain', peer: 'cyrus', explains: (d) => d.item === 'envelope' && JSON.stringify(d.ours).replaceAll('MISSING_DOMAIN', 'unspecified-domain') === JSON.stringify(d.theirs) },
  { choice: 'broken-parameter', peer: 'cyrus', explains: (d, file) => file === 'rfc/001' && d.where === '3' && d.item === 'params' },
  { choice: 'default-charset', peer: 'maddy', explains: defaultCharset },
  { choice: 'default-encoding', peer: 'maddy', explains: (d) => d.item === 'encoding' && d.ours === '7bit' && d.theirs === null },
  { choice: 'last-line', peer: 'maddy', explains: (d) => plus(d, 'lines', 1) || plus(d, 'lines', 2) },
  { choice: 'basic-body', peer: 'maddy', explains: (d, _, extended) => !extended && d.ours === undefined && (EXTENSIONS.includes(d.item) || d.item === 'params') },
  { choice: 'broken-parameter', peer: 'maddy', explains: (d, file) => file === 'rfc/001' && d.where === '3' },
  { choice: 'close-delimiter', peer: 'maddy', explains: (d, file) => file === 'dxflrs/0005_mail-parser-readme' && d.where === '2' && plus(d, 'size', -2) },
  { choice: 'digest', peer: 'maddy', explains: (d, file) => file === 'rfc/004' && d.where.startsWith('2.') },
  {
    choice: 'envelope-text',
    peer: 'maddy',
    explains: (d, file) =>
      file === 'rfc/002' && d.item === 'envelope' && JSON.stringify(d.theirs).replace('Thu, 13', 'Mon, 13').replace('A1 (The Enforcer) Gore', 'A1 Gore') === JSON.stringify(d.ours),
  },
];

function defaultCharset(d: Difference): boolean {
  return d.item === 'params' && d.theirs === null && JSON.stringify(d.ours) === '[["charset","us-ascii"]]';
}

function plus(d: Difference, item: string, more: number): boolean {
  return d.item === item && typeof d.ours === 'string' && d.theirs === String(Number(d.ours) + more);
}

describe('message: structure as other servers show it', () => {
  if (!fs.existsSync(ROOT)) {
    it('is compared where ../shared/mail is there');
    return;
  }
  const used = new Set<Rule>();
  let compared = 0;
  for (const folder of ['dxflrs', 'rfc']) {
    for (const name of fs.readdirSync(new URL(folder, ROOT)).filter((f) => f.endsWith('.eml'))) {
      const file = `${folder}/${name.slice(0, -4)}`;
      // One message has CR CR LF; the peers were given it with proper line ends.
      const message = Buffer.from(fs.readFileSync(new URL(`${file}.eml`, ROOT), 'latin1').replace(/\r+\n/g, '\r\n'), 'latin1');
      for (const peer of ['dovecot', 'cyrus', 'maddy'] as const) {
        for (const item of ['body', 'bodystructure'] as const) {
          const answer = new URL(`${file}.${peer}.${item}`, ROOT);
          if (!fs.existsSync(answer)) continue;
          compared++;
          it(`${file}: ${item} of ${peer}`, () => {
            const theirs = parseImap(fs.readFileSync(answer, 'latin1').trim().replace(/^\(BODY(STRUCTURE)? (.*)\)$/s, '$2'));
            const ours = parseImap(renderBody(scanMessage(message).body, item === 'bodystructure'));
            const unexplained = differences(ours, theirs).filter((d) => {
              const rule = RULES.find((r) => r.peer === peer && r.explains(d, file, item === 'bodystructure'));
              if (rule) used.add(rule);
              return rule === undefined;
            });
            assert.deepEqual(unexplained, []);
          });
        }
      }
    }
  }
  it('differs only where it says so, and says why', () => {
    assert.ok(compared > 80);
    const choices = fs.readFileSync(new URL('../../docs/mime-choices.md', import.meta.url), 'utf8');
    for (const rule of RULES) {
      assert.ok(used.has(rule), `nothing needs the rule ${rule.choice} of ${rule.peer}`);
      assert.ok(choices.includes(`| ${rule.choice} |`), `docs/mime-choices.md says nothing of ${rule.choice}`);
    }
  });
  it('has a structure for all malformed ones', () => {
    for (const name of fs.readdirSync(new URL('malformed', ROOT)).filter((f) => f.endsWith('.eml'))) {
      const { body } = scanMessage(fs.readFileSync(new URL(`malformed/${name}`, ROOT)));
      parseImap(renderBody(body, false));
      parseImap(renderBody(body, true));
    }
  });
});
