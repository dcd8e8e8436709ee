// `npm run fuzz -- [MINUTES] [SEED]`: the fuzzer for an hour, or so many minutes. Ends with status 1 and the input at the
// first failure.
import { limits } from '../../src/base/index.ts';
import { Fuzzer } from './fuzzing.ts';

const [minutes = '60', given] = process.argv.slice(2);
if (!(Number(minutes) > 0)) {
  console.log('npm run fuzz -- [MINUTES] [SEED]: 60 minutes and a seed of chance, if nothing is said');
  process.exit(minutes === '--help' ? 0 : 2);
}
const seed = Number(given ?? Date.now() % 2 ** 31);
limits.imap_bad_commands_max = 1000;
const fuzzer = new Fuzzer(seed);
const end = performance.now() + Number(minutes) * 60_000;
let next = performance.now() + 60_000;
let slowest = 0;
try {
  while (performance.now() < end) {
    await fuzzer.once();
    if (performance.now() < next) continue;
    next += 60_000;
    console.log(`seed ${seed}: ${fuzzer.runs} runs, ${Math.round(process.memoryUsage().rss / 1e6)} MB, slowest ${fuzzer.slowest.ms.toFixed(0)} ms`);
    if (fuzzer.slowest.ms > Math.max(slowest, 1000)) console.log(JSON.stringify(fuzzer.slowest.input));
    slowest = fuzzer.slowest.ms;
  }
  console.log(`seed ${seed}: ${fuzzer.runs} runs, all well; the slowest took ${fuzzer.slowest.ms.toFixed(0)} ms: ${JSON.stringify(fuzzer.slowest.input)}`);
} catch (e) {
  console.error(`seed ${seed}, run ${fuzzer.runs}: ${(e as Error).message}`);
  process.exitCode = 1;
}
fuzzer.end();
