// Passwords and recovery codes come from standard input: lines with --password-stdin, else a prompt without echo.
import { Malformed } from '../base/index.ts';
import type { Context } from './context.ts';

/** Longest line taken as a password, bytes: Argon2 gets no more. */
const PASSWORD_BYTES_MAX = 1024;

/** Asked a second time on a terminal, where nobody sees what they type. */
const NEW = 'New password';

/** One answer for each question, in order. Throws Malformed when there is none. */
export async function secrets(context: Context, questions: readonly string[]): Promise<string[]> {
  if (context.options.has('password-stdin')) return fromLines(context, questions);
  if (context.stdin.isTTY !== true) throw new Malformed(`give --password-stdin, and on standard input${questions.length > 1 ? ', one a line' : ''}: ${questions.join(', then ').toLowerCase()}`);
  const asked = questions.flatMap((q) => (q === NEW ? [q, `${q} again`] : [q]));
  const answers = await prompt(context, asked);
  const at = asked.indexOf(NEW);
  if (at >= 0 && answers[at] !== answers[at + 1]) throw new Malformed('the two new passwords differ: nothing was changed');
  return answers.filter((_, i) => at < 0 || i !== at + 1).map((answer, i) => checked(answer, questions[i]));
}

async function fromLines(context: Context, questions: readonly string[]): Promise<string[]> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of context.stdin) {
    pieces.push(Buffer.from(piece as Buffer));
    bytes += pieces.at(-1)!.length;
    if (bytes > questions.length * (PASSWORD_BYTES_MAX + 2)) throw new Malformed('standard input: too long');
  }
  const lines = Buffer.concat(pieces).toString().replace(/\r?\n$/, '').split(/\r?\n/);
  if (lines.length !== questions.length) throw new Malformed(`standard input: expected ${questions.length === 1 ? 'one line' : `${questions.length} lines`}: ${questions.join(', then ').toLowerCase()}`);
  return lines.map((line, i) => checked(line, questions[i]));
}

function checked(secret: string, question: string): string {
  if (secret === '') throw new Malformed(`${question.toLowerCase()}: empty`);
  // What a terminal of another charset sends is read as this: nobody could ever log in with it.
  if (secret.includes('\ufffd')) throw new Malformed(`${question.toLowerCase()}: not in UTF-8`);
  if (Buffer.byteLength(secret) > PASSWORD_BYTES_MAX) throw new Malformed(`${question.toLowerCase()}: longer than ${PASSWORD_BYTES_MAX} bytes`);
  return secret;
}

/** Asks on the terminal without echo. Ctrl-C leaves. */
function prompt(context: Context, questions: readonly string[]): Promise<string[]> {
  const { stdin } = context;
  context.err(`${questions[0]}: `);
  stdin.setRawMode?.(true);
  stdin.resume();
  return new Promise((resolve, reject) => {
    const answers: string[] = [];
    let text = '';
    const finish = (done: () => void) => {
      stdin.removeListener('data', take);
      stdin.setRawMode?.(false);
      stdin.pause();
      done();
    };
    const take = (piece: Buffer | string) => {
      for (const c of piece.toString()) {
        if (c === '\x03') {
          context.err('\n');
          return finish(() => reject(new Malformed('interrupted')));
        }
        if (c === '\r' || c === '\n' || c === '\x04') {
          context.err('\n');
          answers.push(text);
          text = '';
          if (answers.length === questions.length) return finish(() => resolve(answers));
          context.err(`${questions[answers.length]}: `);
        } else {
          text = c === '\x7f' || c === '\b' ? text.slice(0, -1) : text + c;
        }
      }
    };
    stdin.on('data', take);
  });
}
