// The outbound storm by name: `node test/queue/storm-main.ts [messages] [kills] [seed] [postfix]`; with the last word a Postfix takes the mail.
import { worldMissing } from '../real/world.ts';
import { PostfixSink } from './storm-postfix.ts';
import { storm } from './storm.ts';

const [messages = 2000, kills = 12, seed = 1] = process.argv.slice(2).filter((word) => word !== 'postfix').map(Number);
const postfix = process.argv.includes('postfix');
if (postfix && worldMissing() !== null) throw new Error(worldMissing()!);
const w = await storm({ seed, messages, kills, replicas: 3, sink: postfix ? new PostfixSink(seed) : undefined, log: (line) => console.log(line) });
console.log(w);
process.exitCode = w.lost.length + w.wronged.length + w.wrong.length + w.twice.unnamed.length === 0 && w.acknowledged === messages ? 0 : 1;
