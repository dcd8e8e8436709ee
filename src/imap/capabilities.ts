// What the server says it can. Only what works is here.
import type { Context } from './command/command.ts';

const ALWAYS = 'IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE';
const AUTHENTICATED =
  'IDLE NOTIFY NAMESPACE UNSELECT UIDPLUS MOVE CHILDREN LIST-EXTENDED LIST-STATUS STATUS=SIZE SPECIAL-USE ' +
  'CREATE-SPECIAL-USE CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN UTF8=ACCEPT MULTIAPPEND OBJECTID SAVEDATE ' +
  'SORT SORT=DISPLAY THREAD=REFERENCES THREAD=ORDEREDSUBJECT I18NLEVEL=1 ESORT CONTEXT=SEARCH CONTEXT=SORT PARTIAL SEARCH=FUZZY ' +
  'MULTISEARCH PREVIEW BINARY STATUS=DELETED UNAUTHENTICATE QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE INPROGRESS UIDONLY METADATA LIST-METADATA REPLACE CATENATE URL-PARTIAL';

/** Commands that belong to a capability of another name. */
const CAPABILITY_OF: Record<string, string> = { COMPRESS: 'COMPRESS=DEFLATE', ESEARCH: 'MULTISEARCH', GETMETADATA: 'METADATA', SETMETADATA: 'METADATA', GETQUOTA: 'QUOTA', GETQUOTAROOT: 'QUOTA', SETQUOTA: 'QUOTA' };

/** Whether the administrator wants this capability, or the command of this name, not to be offered. Upper case. */
export function isWithheld(withheld: ReadonlySet<string>, name: string): boolean {
  return withheld.size > 0 && (withheld.has(name) || withheld.has(name.split('=')[0]) || withheld.has(CAPABILITY_OF[name] ?? name));
}

const SOMETIMES = 'STARTTLS AUTH=PLAIN AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS COMPRESS=DEFLATE APPENDLIMIT MESSAGELIMIT';

/** Those that are no capability of this server, nor the beginning of one before its `=`, nor a command that is known by another name. */
export function unknownCapabilities(names: Iterable<string>): string[] {
  const all = `${ALWAYS} ${AUTHENTICATED} ${SOMETIMES}`.toUpperCase().split(' ');
  const known = new Set([...all, ...all.map((name) => name.split('=')[0]), ...Object.keys(CAPABILITY_OF)]);
  return [...names].filter((name) => !known.has(name));
}

/** The list for this moment: before log-in how to log in, afterwards everything else. */
export function capabilities(context: Context): string {
  const all = offered(context);
  const { withheld } = context;
  return withheld.size === 0 ? all : all.split(' ').filter((name) => name === 'IMAP4rev1' || !isWithheld(withheld, name.toUpperCase())).join(' ');
}

function offered(context: Context): string {
  if (context.user !== null) return `${ALWAYS} ${AUTHENTICATED}${context.transport.compressed ? '' : ' COMPRESS=DEFLATE'} APPENDLIMIT=${context.limits.message_bytes_max} MESSAGELIMIT=${context.limits.imap_command_messages_max}`;
  const tls = context.tlsAvailable && !context.secure ? ' STARTTLS' : '';
  return `${ALWAYS}${tls}${mayLogin(context) ? mechanisms(context).map((name) => ` AUTH=${name}`).join('') : ' LOGINDISABLED'}`;
}

/** How to log in by AUTHENTICATE; the channel can be bound where TLS gives something to bind it to. */
export function mechanisms(context: Context): string[] {
  if (!context.backend.scramAllowed) return ['PLAIN'];
  return ['PLAIN', 'SCRAM-SHA-256', ...(context.channelBinding() !== null ? ['SCRAM-SHA-256-PLUS'] : [])];
}

/** Whether passwords may be sent now. */
export function mayLogin(context: Context): boolean {
  return context.secure || context.backend.plaintextAllowed(context.remote);
}
