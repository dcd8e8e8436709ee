// DKIM signatures (RFC 6376, RFC 8463), relaxed/relaxed, made while a message passes: the body is hashed in pieces, the
// header is signed last.
import { createHash, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export interface SigningKey {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: 'rsa' | 'ed25519';
  readonly secret: KeyObject;
}

const [TAB, LF, CR, SPACE] = [9, 10, 13, 32];
/** Empty lines that are written at once. */
const LINES_TOGETHER = 4096;

/** The hash of a body in relaxed form (§3.4.4). Lines end in CRLF. */
export class BodyHash {
  readonly #hash = createHash('sha256');
  /** White space waits for what follows it in its line, line ends for a line that is not empty. */
  #space = false;
  #cr = false;
  #lines = 0;
  #inLine = false;
  /** A byte above 127 was seen. */
  eightBit = false;

  push(piece: Uint8Array): void {
    // Room for what was held back before, and each byte itself.
    const out = Buffer.allocUnsafe(piece.length + 2 + 2 * Math.min(this.#lines, LINES_TOGETHER));
    let o = 0;
    for (let i = 0; i < piece.length; i++) {
      const c = piece[i];
      if (this.#cr) {
        this.#cr = false;
        if (c === LF) {
          this.#space = false;
          this.#lines++;
          this.#inLine = false;
          continue;
        }
      }
      if (c === CR) {
        this.#cr = true;
        continue;
      }
      if (c === SPACE || c === TAB) {
        this.#space = true;
        continue;
      }
      if (this.#lines > LINES_TOGETHER) {
        this.#hash.update(out.subarray(0, o));
        o = 0;
        this.#ends();
      }
      for (; this.#lines > 0; this.#lines--) {
        out[o++] = CR;
        out[o++] = LF;
      }
      if (this.#space) out[o++] = SPACE;
      this.#space = false;
      this.#inLine = true;
      out[o++] = c;
      if (c > 127) this.eightBit = true;
    }
    this.#hash.update(out.subarray(0, o));
  }

  #ends(): void {
    for (let left = this.#lines; left > 0; left -= LINES_TOGETHER) this.#hash.update(ends.subarray(0, 2 * Math.min(left, LINES_TOGETHER)));
    this.#lines = 0;
  }

  /** In base 64. Once. */
  digest(): string {
    // Empty lines at the end go; a last line without its end gets one.
    if (this.#lines > 0 && (this.#any || this.#inLine)) this.#lines = 1;
    else this.#lines = this.#inLine ? 1 : 0;
    this.#ends();
    return this.#hash.digest('base64');
  }

  /** Anything but line ends and white space. */
  get #any(): boolean {
    return this.#hash.copy().digest('hex') !== EMPTY;
  }
}
const ends = Buffer.from('\r\n'.repeat(LINES_TOGETHER));
const EMPTY = createHash('sha256').digest('hex');

// Each field that is there is signed. Those after the bar are signed once more than they are there, so that none can be
// added (§8.15).
const SIGNED = 'reply-to sender in-reply-to references content-type content-transfer-encoding mime-version list-id list-unsubscribe list-unsubscribe-post list-post resent-from resent-to resent-date resent-message-id auto-submitted'.split(' ');
const SEALED = ['from', 'to', 'cc', 'subject', 'date', 'message-id'];

interface Field {
  name: string;
  text: string;
}

function fieldsOf(header: Buffer): Field[] {
  const lines = header.toString('latin1').replace(/\r\n(?=[ \t])/g, '').split('\r\n');
  return lines.filter((l) => l.includes(':')).map((l) => ({ name: l.slice(0, l.indexOf(':')).trimEnd().toLowerCase(), text: l.slice(l.indexOf(':') + 1) }));
}

/** §3.4.2. */
const relaxed = (text: string): string => text.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '');

/** Lines of at most 76 characters, broken after `; ` and `:`; base 64 anywhere. */
function fold(tags: string[], name = 'DKIM-Signature'): string {
  let text = `${name}:`;
  let line = text.length;
  for (const [i, tag] of tags.entries()) {
    const pieces = tag.match(/^(h|bh|b)=/) ? (tag.match(/.{1,64}/g) ?? []) : [tag];
    for (const [k, piece] of pieces.entries()) {
      const end = k === pieces.length - 1 && i < tags.length - 1 ? ';' : '';
      const gap = k === 0 ? ' ' : '';
      if (line + gap.length + piece.length + end.length > 76) {
        text += `\r\n\t${piece}${end}`;
        line = 8 + piece.length + end.length;
      } else {
        text += gap + piece + end;
        line += gap.length + piece.length + end.length;
      }
    }
  }
  return text;
}

/** What is signed of a header: names for h=, and the fields in canonical form. */
function selected(header: Buffer): { names: string[]; texts: string[] } {
  const fields = fieldsOf(header);
  const names: string[] = [];
  const texts: string[] = [];
  for (const name of [...SEALED, ...SIGNED]) {
    // From the last one upwards (§5.4.2).
    const there = fields.filter((f) => f.name === name).reverse();
    for (const f of there) {
      names.push(name);
      texts.push(`${name}:${relaxed(f.text)}\r\n`);
    }
    if (SEALED.includes(name)) names.push(name);
  }
  return { names, texts };
}

/** RFC 8463 §3: Ed25519 signs the hash, not the text. */
function signed(unsigned: string, input: Buffer, key: SigningKey): string {
  return withSignature(unsigned, key.algorithm === 'rsa' ? sign('sha256', input, key.secret) : sign(null, hashed(input), key.secret));
}
const hashed = (input: Buffer): Buffer => createHash('sha256').update(input).digest();

function withSignature(unsigned: string, signature: Buffer): string {
  const lines = signature.toString('base64').match(/.{1,70}/g)!;
  return `${unsigned}${lines.map((l) => `\r\n\t${l}`).join('')}\r\n`;
}
/** A field of our own in canonical form, without its line end. */
const canonical = (field: string): string => `${field.slice(0, field.indexOf(':')).toLowerCase()}:${relaxed(field.slice(field.indexOf(':') + 1).replace(/\r\n/g, ''))}`;

/** The DKIM-Signature field with its line end. `at`: ms since 1970. The header comes as it is sent, folding included. */
export function signDkim(header: Buffer, bodyHash: string, key: SigningKey, at: number): string {
  const { unsigned, input } = toSign(selected(header), bodyHash, key, at);
  return signed(unsigned, input, key);
}

/** A field for each key, one after the other. RSA, most of the work, is done beside this thread. */
export async function signDkimWith(keys: readonly SigningKey[], header: Buffer, bodyHash: string, at: number): Promise<string> {
  const fields = selected(header);
  const made = keys.map((key) => {
    const { unsigned, input } = toSign(fields, bodyHash, key, at);
    if (key.algorithm !== 'rsa') return signed(unsigned, input, key);
    return new Promise<string>((resolve, reject) => sign('sha256', input, key.secret, (e, signature) => (e ? reject(e) : resolve(withSignature(unsigned, signature)))));
  });
  return (await Promise.all(made)).join('');
}

function toSign({ names, texts }: ReturnType<typeof selected>, bodyHash: string, key: SigningKey, at: number): { unsigned: string; input: Buffer } {
  const tags = ['v=1', `a=${key.algorithm}-sha256`, 'c=relaxed/relaxed', `d=${key.domain}`, `s=${key.selector}`, `t=${Math.floor(at / 1000)}`, `h=${names.join(':')}`, `bh=${bodyHash}`, 'b='];
  const unsigned = fold(tags);
  return { unsigned, input: Buffer.from(`${texts.join('')}${canonical(unsigned)}`, 'latin1') };
}

const SET = ['arc-authentication-results', 'arc-message-signature', 'arc-seal'];
const INSTANCE = /(?:^|;)\s*i\s*=\s*(\d{1,2})\s*;/;
/** RFC 8617 §4.2.1. */
const INSTANCES_MAX = 50;

/**
 * The three fields of an ARC set (RFC 8617 §5.1) for a message that is handed on: what was found when it came (`results`,
 * as they stand in Authentication-Results), signed. `cv`: what verifying the sets that are there has said. Empty where
 * nothing can be sealed.
 */
export function sealArc(header: Buffer, bodyHash: string, results: string, cv: 'none' | 'pass', key: SigningKey, at: number): string {
  const sets: string[][] = [];
  for (const { name, text } of fieldsOf(header)) {
    const kind = SET.indexOf(name);
    if (kind < 0) continue;
    const i = Number(INSTANCE.exec(text)?.[1] ?? 0);
    if (i < 1 || i > INSTANCES_MAX || sets[i]?.[kind] !== undefined) return '';
    (sets[i] ??= [])[kind] = `${name}:${relaxed(text)}\r\n`;
  }
  const i = Math.max(sets.length, 1);
  const whole = Array.from({ length: i - 1 }, (_, k) => sets[k + 1]).every((set) => set !== undefined && [0, 1, 2].every((kind) => set[kind] !== undefined));
  if (i > INSTANCES_MAX || !whole || (i === 1) !== (cv === 'none')) return '';
  const who = [`d=${key.domain}`, `s=${key.selector}`, `t=${Math.floor(at / 1000)}`];
  const found = `ARC-Authentication-Results: i=${i};\r\n\t${results.trim()}\r\n`;
  const { names, texts } = selected(header);
  const message = fold([`i=${i}`, `a=${key.algorithm}-sha256`, 'c=relaxed/relaxed', ...who, `h=${names.join(':')}`, `bh=${bodyHash}`, 'b='], 'ARC-Message-Signature');
  const messageSigned = signed(message, Buffer.from(`${texts.join('')}${canonical(message)}`, 'latin1'), key);
  const seal = fold([`i=${i}`, `a=${key.algorithm}-sha256`, `cv=${cv}`, ...who, 'b='], 'ARC-Seal');
  const chain = [...sets.slice(1).flat(), `${canonical(found)}\r\n`, `${canonical(messageSigned)}\r\n`, canonical(seal)].join('');
  return signed(seal, Buffer.from(chain, 'latin1'), key) + messageSigned + found;
}
