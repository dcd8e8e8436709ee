// The texts by which messages are compared (RFC 5256 §2, §3; RFC 5957 §3), worked out from the record alone.
import { limits } from '../../base/index.ts';
import type { Address } from '../../base/index.ts';
import { decodeWords, splitSubject } from '../../message/index.ts';
import type { MessageIndex } from '../../message/index.ts';
import { fold } from '../search/fold.ts';

/** Criteria that compare texts. */
export type TextCriterion = 'CC' | 'FROM' | 'TO' | 'SUBJECT' | 'DISPLAYFROM' | 'DISPLAYTO';

export function sortText(index: MessageIndex, criterion: TextCriterion): string {
  switch (criterion) {
    case 'SUBJECT':
      return subjectOf(index).subject;
    case 'FROM':
      return mailboxOf(index.envelope.from);
    case 'TO':
      return mailboxOf(index.envelope.to);
    case 'CC':
      return mailboxOf(index.envelope.cc);
    case 'DISPLAYFROM':
      return displayOf(index.envelope.from);
    case 'DISPLAYTO':
      return displayOf(index.envelope.to);
  }
}

/** Base subject, and whether the subject says that this is a reply or a forward. */
export function subjectOf(index: MessageIndex): { subject: string; reply: boolean } {
  const { base, reply } = splitSubject(index.subject ?? '');
  return { subject: comparable(base), reply };
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
  const folded = fold(text.slice(0, limits.sort_text_chars_max));
  if (!/[\ud800-\uffff]/.test(folded)) return folded;
  return folded.replace(/[\ud800-\uffff]/g, (unit) => {
    const code = unit.charCodeAt(0);
    return String.fromCharCode(code < 0xe000 ? code + 0x2000 : code - 0x800);
  });
}
