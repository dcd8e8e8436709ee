// SEARCH and UID SEARCH: RFC 9051 §6.4.4, §6.4.9; ESEARCH: RFC 4731; SEARCHRES: RFC 5182; MODSEQ: RFC 7162 §3.1.5.
import { Malformed, Refused } from '../../base/index.ts';
import { knowsCharset } from '../../message/index.ts';
import { parseKeys, uses } from '../search/keys.ts';
import { search as matching } from '../search/run.ts';
import type { View } from '../view.ts';
import { formatSet, quote } from '../wire/index.ts';
import type { Args } from '../wire/index.ts';
import { command } from './command.ts';

type Option = 'MIN' | 'MAX' | 'ALL' | 'COUNT' | 'SAVE';
const OPTIONS = new Set<string>(['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE']);

export const search = command({
  when: 'selected',
  uid: true,
  keepsNumbers: true,

  parse(args, _byUid, context) {
    args.sp();
    let options: Set<Option> | null = null;
    if (args.skip('RETURN ')) {
      options = parseOptions(args);
      args.sp();
    }
    let charset = '';
    if (args.skip('CHARSET ')) {
      charset = args.astring();
      if (!/^(us-ascii|utf-8)$/i.test(charset) && !knowsCharset(charset)) {
        throw new Refused('Unknown charset', 'BADCHARSET (US-ASCII UTF-8)');
      }
      args.sp();
    }
    const key = parseKeys(args, charset);
    const byModSeq = uses(key, 'modseq');
    if (byModSeq) context.enableCondstore();
    return { tag: args.text.slice(0, args.text.indexOf(' ')), options, key, byModSeq };
  },

  async run(context, { tag, options, key, byModSeq }, byUid) {
    const { view, out } = context;
    let uids: Uint32Array;
    try {
      uids = await matching(context, key);
    } catch (e) {
      // RFC 5182 §2.1: a search that fails leaves nothing behind.
      if (options?.has('SAVE')) view.saved = new Uint32Array(0);
      throw e;
    }
    if (options?.has('SAVE')) view.saved = kept(uids, options);
    const numbers = byUid ? uids : uids.map((uid) => view.seqOf(uid));
    if (options === null) {
      const modSeq = byModSeq && uids.length > 0 ? ` (MODSEQ ${highestModSeq(view, uids)})` : '';
      out.line(`* SEARCH${numbers.length > 0 ? ` ${numbers.join(' ')}` : ''}${modSeq}`);
      return '';
    }
    const wants = (option: Option) => options.has(option);
    if (options.size === 1 && wants('SAVE')) return '';
    let text = `* ESEARCH (TAG ${quote(tag)})${byUid ? ' UID' : ''}`;
    if (numbers.length > 0) {
      if (wants('MIN')) text += ` MIN ${numbers[0]}`;
      if (wants('MAX')) text += ` MAX ${numbers[numbers.length - 1]}`;
      if (wants('ALL')) text += ` ALL ${formatSet(numbers)}`;
    }
    if (wants('COUNT')) text += ` COUNT ${numbers.length}`;
    if (byModSeq && numbers.length > 0) text += ` MODSEQ ${highestModSeq(view, told(uids, options))}`;
    out.line(text);
    return '';
  },
});

function parseOptions(args: Args): Set<Option> {
  const options = new Set<Option>();
  args.list(() => {
    const option = args.keyword();
    if (!OPTIONS.has(option)) throw new Malformed(`unknown RETURN option ${option}`);
    options.add(option as Option);
  });
  return options.size === 0 ? new Set(['ALL']) : options;
}

/** What MIN and MAX alone name; all when ALL or COUNT is asked (RFC 7162 §3.1.10, RFC 5182 §2.4). */
function told(uids: Uint32Array, options: Set<Option>): Uint32Array {
  if (options.has('ALL') || options.has('COUNT') || !(options.has('MIN') || options.has('MAX')) || uids.length === 0) return uids;
  const ends = new Set<number>();
  if (options.has('MIN')) ends.add(uids[0]);
  if (options.has('MAX')) ends.add(uids[uids.length - 1]);
  return Uint32Array.from(ends);
}

const kept = told;

function highestModSeq(view: View, uids: Uint32Array): number {
  let highest = 0;
  for (const uid of uids) {
    const i = view.index.find(uid);
    if (i >= 0) highest = Math.max(highest, view.index.modSeq(i));
  }
  return Math.max(highest, 1);
}
