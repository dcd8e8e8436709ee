// ESEARCH: a search in many mailboxes (RFC 7377). Answers name mailbox and UIDs; mailboxes without a match are silent.
import { Malformed, Refused, limits } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import { parseSource, sourceTest } from '../list/sources.ts';
import type { Source } from '../list/sources.ts';
import { parseCriteria, saveNothing } from '../search/criteria.ts';
import { uses } from '../search/keys.ts';
import type { Key } from '../search/keys.ts';
import { allOf, highestModSeq, named, parseReturn, resultText } from '../search/result.ts';
import type { Returned } from '../search/result.ts';
import { search, universe } from '../search/run.ts';
import { takeAll } from '../message-limit.ts';
import type { Selected } from '../session.ts';
import { View } from '../view.ts';
import { quote, quoteMailbox } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';

interface Parsed {
  tag: string;
  sources: Source[];
  returned: Returned;
  key: Key;
}

export const esearch = command<Parsed>({
  when: 'authenticated',

  parse(args, _byUid, context) {
    const sources: Source[] = [];
    args.sp();
    if (args.skip('IN ')) {
      args.list(() => {
        sources.push(parseSource(args));
        if (sources.length > limits.imap_sources_max) throw new Refused(`More than ${limits.imap_sources_max} sources`, 'LIMIT');
      });
      // §2.2: that one is NOTIFY's.
      if (sources.some(({ delayed }) => delayed)) throw new Malformed('selected-delayed is for NOTIFY');
      if (sources.length === 0) throw new Malformed('where to search expected');
      args.sp();
    } else sources.push({ kind: 'selected', names: [], delayed: false });
    let returned = allOf();
    if (args.skip('RETURN ')) {
      returned = parseReturn(args);
      args.sp();
    }
    const { options } = returned;
    // §2.2: only the selected mailbox is kept up to date.
    if (options.has('UPDATE') && !context.isOpen) throw new Malformed('no mailbox is selected');
    if (options.has('UPDATE') && context.view.contexts.has(args.tag)) throw new Malformed('this tag names a search that is kept up to date');
    const here = sources.every(({ kind }) => kind === 'selected');
    if (options.has('SAVE') && !here) throw new Malformed('SAVE is for the selected mailbox');
    if (!context.isOpen && sources.some(({ kind }) => kind === 'selected')) throw new Malformed('no mailbox is selected');
    const key = parseCriteria(args, context, returned);
    // §2.1: numbers and `$` mean nothing in a mailbox that isn't selected.
    if (!here && uses(key, 'seq')) throw new Malformed('sequence numbers are for the selected mailbox');
    if (uses(key, 'modseq')) context.enableCondstore();
    return { tag: args.tag, sources, returned, key };
  },

  async run(context, parsed) {
    const tests = parsed.sources.map(sourceTest);
    const updating = parsed.returned.options.has('UPDATE');
    const open = context.isOpen ? context.selected.name : null;
    const named = parsed.sources.some(({ kind }) => kind === 'selected');
    const all = tests.length === 1 && named ? [] : (await context.session.mailboxes()).filter((mailbox) => tests.some((test) => test(mailbox)));
    // A result that is kept up to date is the selected mailbox's, whatever source it comes from.
    const selected = named || (updating && all.some(({ name }) => name === open)) ? open : null;
    const wanted = all.filter(({ name }) => name !== selected);
    if (selected !== null) {
      await one(context, parsed, context.selected, context.view).catch((e: unknown) => {
        saveNothing(context, parsed.returned, e);
        throw e;
      });
    }
    else if (updating) context.out.line(`* NO [NOUPDATE ${quote(parsed.tag)}] the selected mailbox is not searched`);
    const began = context.clock.monotonic();
    for (const { name } of wanted) {
      if (context.clock.monotonic() - began > limits.search_ms_max) throw new Refused('The search takes too long', 'LIMIT');
      const looked = await context.session.look(name).catch((e: unknown) => {
        // Gone meanwhile.
        if (e instanceof Refused) return null;
        throw e;
      });
      if (looked === null) continue;
      try {
        await one(context, parsed, looked, new View(looked));
      } finally {
        looked.close();
      }
    }
    return '';
  },
});

async function one(context: Context, { tag, returned, key }: Parsed, selected: Selected, view: View): Promise<void> {
  const { out, clock, enabled } = context;
  takeAll(universe(key, view), context.limits);
  const loose = new Set<Uid>();
  const { version } = view.index;
  const uids = await search({ out, clock, selected, view, tag }, key, null, loose);
  const found = { uids, ordered: uids, loose };
  if (returned.options.has('SAVE')) view.saved = named(found, returned);
  const correlator = `TAG ${quote(tag)} MAILBOX ${quoteMailbox(selected.name, enabled.utf8)} UIDVALIDITY ${view.index.uidValidity}`;
  let text = uids.length === 0 ? '' : resultText(found, returned, (uid) => uid);
  if (text !== '' && uses(key, 'modseq')) text += ` MODSEQ ${highestModSeq(view, named(found, returned))}`;
  // §2.1: nothing of mailboxes without a match.
  if (text !== '') out.line(`* ESEARCH (${correlator}) UID${text}`);
  if (returned.options.has('UPDATE') && context.isOpen && view === context.view) {
    const kept = view.contexts.add(view, { tag, correlator, byUid: true, key, order: null, items: returned.items, bytes: returned.bytes }, version, found);
    if (!kept) out.line(`* NO [NOUPDATE ${quote(tag)}] this search is not kept up to date`);
  }
  if (out.full) await out.drain();
}
