// The outbound storm by name: `node test/queue/storm-main.ts [messages] [kills] [seed]`.
import { storm } from './storm.ts';

const [messages = 2000, kills = 12, seed = 1] = process.argv.slice(2).map(Number);
const w = await storm({ seed, messages, kills, replicas: 3, log: (line) => console.log(line) });
console.log(w);
process.exitCode = w.lost.length + w.wronged.length + w.twice.unnamed.length === 0 && w.acknowledged === messages ? 0 : 1;
