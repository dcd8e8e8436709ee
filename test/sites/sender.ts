// A server elsewhere that brings mail: what got no 250 it brings again, the same bytes, at whatever site, until it has
// one. Now and then it loses a 250, and brings the message once more.
import { Mail, message } from '../real/mail.ts';
import type { Person } from './cluster.ts';
import type { Letter } from './ledger.ts';
import type { Tools } from './tools.ts';

/** Who waits longer hangs up: RFC 5321 §4.5.3.2 would wait for minutes. */
const PATIENCE_MS = 70_000;

export class Sender {
  readonly #person: Person;
  readonly #tools: Tools;
  readonly #every: number;
  /** Share of messages whose 250 is lost on the way. */
  readonly #deaf: number;
  #n = 0;

  constructor(person: Person, tools: Tools, every: number, deaf = 0.03) {
    this.#person = person;
    this.#tools = tools;
    this.#every = every;
    this.#deaf = deaf;
  }

  /** Brings mail until the storm is over, and then what is left. */
  async live(): Promise<void> {
    const { ledger, over, sleep, upTo } = this.#tools;
    const open: Promise<void>[] = [];
    while (!over()) {
      const token = `mail-${this.#person.name}-${++this.#n}`;
      const bytes = message(token, upTo(20) === 0 ? 80_000 : 500 + upTo(5000));
      open.push(this.#bring(ledger.letter(this.#person, 'delivered', token, bytes)));
      await sleep(upTo(2 * this.#every));
    }
    await Promise.all(open);
  }

  async #bring(letter: Letter): Promise<void> {
    const { ledger, sleep, upTo } = this.#tools;
    for (;;) {
      const at = this.#tools.anySite();
      letter.tries++;
      if (letter.tries > 1) ledger.counts.repeated++;
      let answer: string | null = null;
      let mail: Mail | null = null;
      const began = performance.now();
      try {
        const protocol = upTo(3) === 0 ? 'lmtp' : 'smtp';
        mail = await Mail.connect(protocol === 'smtp' ? at.smtp : at.lmtp, protocol, undefined, at.host);
        if (upTo(200) < this.#deaf * 200) {
          // Hangs up when all is sent, whatever the answer is.
          mail.socket.write(`MAIL FROM:<sender@elsewhere.example>\r\nRCPT TO:<${letter.person.address}>\r\nDATA\r\n`);
          for (let i = 0; i < 3; i++) await mail.reply();
          mail.socket.write(Buffer.concat([letter.bytes, Buffer.from('.\r\n')]));
          await sleep(upTo(150));
        } else answer = await mail.deliver(letter.person.address, letter.bytes, undefined, PATIENCE_MS);
        if (!this.#tools.troubled(at)) ledger.waited(performance.now() - began, `delivery at site ${at.site}: ${answer?.slice(0, 80)}`);
      } catch (e) {
        const text = String((e as Error).message ?? e);
        if (/^no reply within/.test(text) && !this.#tools.troubled(at)) ledger.violation(`a sender got no answer at site ${at.site}: ${text}`);
      } finally {
        mail?.close();
      }
      if (answer?.startsWith('250')) {
        letter.acked = true;
        ledger.counts.delivered++;
        return;
      }
      if (answer?.startsWith('5')) ledger.violation(`a delivery was refused for good: ${answer}`);
      if (this.#tools.hopeless()) return ledger.violation(`mail for ${letter.person.name} is not taken any more: ${answer}`);
      await sleep(200 + upTo(1500));
    }
  }
}
