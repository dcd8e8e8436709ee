// A storm: three sites, some people, each with two mail apps that roam and a sender; things go wrong; then the verdict.
import { Client } from './client.ts';
import { Cluster } from './cluster.ts';
import type { TrialText } from './replica.ts';
import { Sender } from './sender.ts';
import { Tools } from './tools.ts';
import { verdict } from './verdict.ts';
import { Weather } from './weather.ts';
import type { WeatherOptions } from './weather.ts';

/** Rules that a storm can be run without, to see that it would notice. */
export const SWITCHES: Record<string, TrialText> = {
  'no-repairs': { account: { noRepairs: true } },
  'no-second-put': { log: { noSecondPut: true } },
  'event-before-blob': { account: { eventBeforeBlob: true } },
  'no-delivery-keys': { state: { noDeliveryKeys: true } },
  'answer-before-put': { account: { answerBeforePut: true } },
};

export interface StormOptions {
  store: 'garage' | 'faulty';
  seconds: number;
  people?: number;
  /** Mean time between two deliveries to one person, ms. */
  mailEvery?: number;
  weather?: Partial<WeatherOptions>;
  /** Share of messages whose 250 the sender loses. */
  deaf?: number;
  /** How long after it all may need to come to rest, ms; default two minutes. */
  rest_ms?: number;
  /** Of SWITCHES. */
  without?: string;
  /** Hears how it goes. */
  say?: (text: string) => void;
}

export interface StormReport {
  violations: string[];
  counts: Record<string, number>;
  weather: Record<string, number>;
  told: string[];
  longest: { ms: number; what: string };
  log: string;
}

const NAMES = ['ann', 'bob', 'cem', 'dora', 'eve', 'finn'];
const MINUTE = 60_000;

export async function storm({ store, seconds, people = 3, mailEvery = 700, weather: more = {}, deaf, rest_ms = 120_000, without, say = () => {} }: StormOptions): Promise<StormReport> {
  if (without !== undefined && !SWITCHES[without]) throw new Error(`no such switch: ${without} (${Object.keys(SWITCHES).join(', ')})`);
  const cluster = await Cluster.start({ store, people: NAMES.slice(0, people), trial: without === undefined ? {} : SWITCHES[without], skews_ms: [0, 7 * MINUTE, -17 * MINUTE] });
  try {
    const tools = new Tools(cluster, rest_ms);
    const clients = cluster.people.flatMap((person) => [new Client('qresync', person, tools), new Client('uidnext', person, tools)]);
    const senders = cluster.people.map((person) => new Sender(person, tools, mailEvery, deaf));
    const weather = new Weather(tools, { every: 2500, longest: 8000, stopped: 12_000, ...more });
    const lives = [...clients, ...senders].map((one) => one.live());
    const foul = weather.live();
    for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
      await tools.sleep(Math.min(10_000, Math.max(0, end - performance.now())));
      say(`${JSON.stringify(tools.ledger.counts)} ${tools.ledger.violations.length} violations`);
    }
    tools.end();
    await foul;
    say('all is mended');
    await Promise.all(lives);
    await verdict(tools, clients);
    if (cluster.faulty) weather.counts.gone = cluster.faulty.gone;
    if (/ bug |ERR_|TypeError/.test(cluster.log)) tools.ledger.violation(`a bug in the log: ${/^.*(?: bug |ERR_|TypeError).*$/m.exec(cluster.log)![0]}`);
    return { violations: tools.ledger.violations, counts: tools.ledger.counts, weather: weather.counts, told: weather.told, longest: tools.ledger.longest, log: cluster.log };
  } finally {
    await cluster.end();
  }
}
