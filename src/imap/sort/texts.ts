// The texts by which messages are compared (RFC 5256 §2, §3; RFC 5957 §3), worked out from the record alone and kept on
// it.
import type { Address } from '../../base/index.ts';
import { decodeWords, splitSubject } from '../../message/index.ts';
import { fold } from '../search/fold.ts';
import type { MessageRecord, SortTexts } from '../session.ts';

/** Criteria that compare texts. */
export type TextCriterion = 'CC' | 'FROM' | 'TO' | 'SUBJECT' | 'DISPLAYFROM' | 'DISPLAYTO';

function kept(record: MessageRecord): SortTexts {
  return ((record.rendered ??= {}).sort ??= {});
}

export function sortText(record: MessageRecord, criterion: TextCriterion): string {
  const texts = kept(record);
  const { envelope } = record.index;
  switch (criterion) {
    case 'SUBJECT':
      return subjectOf(record).subject;
    case 'FROM':
      return (texts.from ??= mailboxOf(envelope.from));
    case 'TO':
      return (texts.to ??= mailboxOf(envelope.to));
    case 'CC':
      return (texts.cc ??= mailboxOf(envelope.cc));
    case 'DISPLAYFROM':
      return (texts.displayFrom ??= displayOf(envelope.from));
    case 'DISPLAYTO':
      return (texts.displayTo ??= displayOf(envelope.to));
  }
}

/** Base subject, and whether the subject says that this is a reply or a forward. */
export function subjectOf(record: MessageRecord): { subject: string; reply: boolean } {
  const texts = kept(record);
  if (texts.subject === undefined) {
    const { base, reply } = splitSubject(record.index.envelope.subject ?? '');
    texts.subject = comparable(base);
    texts.reply = reply;
  }
  return { subject: texts.subject, reply: texts.reply === true };
}

function mailboxOf(addresses: Address[] | null): string {
  const first = addresses?.[0];
  return first === undefined ? '' : comparable(decodeWords(first.mailbox ?? ''));
}

/** The name; without one, the address; of a group, the group's name. */
function displayOf(addresses: Address[] | null): string {
  const first = addresses?.[0];
  if (first === undefined) return '';
  const name = first.name === null ? '' : decodeWords(first.name).trim();
  if (name !== '') return comparable(name);
  return comparable(first.host === null ? decodeWords(first.mailbox ?? '') : `${first.mailbox ?? ''}@${first.host}`);
}

/**
 * i;unicode-casemap compares octets of UTF-8 (RFC 5051 §2), the engine compares units of UTF-16: they differ where
 * surrogates meet characters above them, so those two ranges change places.
 */
function comparable(text: string): string {
  const folded = fold(text);
  if (!/[\ud800-\uffff]/.test(folded)) return folded;
  return folded.replace(/[\ud800-\uffff]/g, (unit) => {
    const code = unit.charCodeAt(0);
    return String.fromCharCode(code < 0xe000 ? code + 0x2000 : code - 0x800);
  });
}
