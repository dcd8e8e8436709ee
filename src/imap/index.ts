/**
 * imap/: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) with the extensions of capabilities.ts.
 *
 * In: sockets, and a Backend (session.ts), the whole seam to mail. Out: answers, and calls on Session and Selected.
 * Bytes → wire/reader → conn → command/… → wire/writer → bytes; view.ts keeps each session's sequence numbers.
 *
 * Invariants: the commands of a connection run one after the other, each to exactly one tagged answer; a sequence
 * number changes only when the client was told; nothing is held for a client without a limit; an idle connection
 * holds no buffer and no timer.
 *
 * Standards: RFC 9051, 3501, 2177, 2342, 2971, 3502, 3516, 3691, 4315, 4469, 4616, 4731, 4959, 4978, 5032, 5161, 5182,
 * 5255, 5256, 5258, 5267, 5464, 5465, 5530, 5802, 7677, 9266, 5550 (URL-PARTIAL), 5819, 5957, 6154, 6203, 6851, 6855, 7162, 7377, 7888, 7889,
 * 8437, 8438, 8474, 8508, 8514, 8970, 9208, 9394, 9585, 9586, 9590, 9738; fixtures/rfc.tsv says section by section what is
 * there and which test shows it.
 *
 * Failures: the four errors by the table in answer.ts; anything else is a bug that ends its connection and is counted.
 */
export { ImapServer } from './server.ts';
export type { ImapOptions } from './server.ts';
export type * from './session.ts';
