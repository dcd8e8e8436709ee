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

type Offers<T> = Readonly<Record<string, (context: Context) => T>>;

/** How to log in by AUTHENTICATE; the channel can be bound where TLS gives something to bind it to. */
const MECHANISMS: Offers<boolean> = {
  PLAIN: () => true,
  'SCRAM-SHA-256': (c) => c.backend.scramAllowed,
  'SCRAM-SHA-256-PLUS': (c) => c.backend.scramAllowed && c.channelBinding() !== null,
};
/** Before log-in. */
const FIRST: Offers<boolean> = { STARTTLS: (c) => c.tlsAvailable && !c.secure };
/** Behind it; a number stands behind its name. */
const THEN: Offers<boolean | number> = {
  'COMPRESS=DEFLATE': (c) => !c.transport.compressed,
  APPENDLIMIT: (c) => c.limits.message_bytes_max,
  MESSAGELIMIT: (c) => c.limits.imap_command_messages_max,
};

const ofNow = (offers: Offers<boolean | number>, context: Context): string[] =>
  Object.entries(offers).flatMap(([name, offer]) => {
    const now = offer(context);
    return typeof now === 'number' ? `${name}=${now}` : now ? name : [];
  });

/** Those that are no capability of this server, nor the beginning of one before its `=`, nor a command that is known by another name. */
export function unknownCapabilities(names: Iterable<string>): string[] {
  const all = [ALWAYS.toUpperCase(), AUTHENTICATED, ...Object.keys({ ...FIRST, ...THEN }), ...Object.keys(MECHANISMS).map((name) => `AUTH=${name}`)].join(' ').split(' ');
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
  if (context.user !== null) return [ALWAYS, AUTHENTICATED, ...ofNow(THEN, context)].join(' ');
  const logins = mayLogin(context) ? mechanisms(context).map((name) => `AUTH=${name}`) : ['LOGINDISABLED'];
  return [ALWAYS, ...ofNow(FIRST, context), ...logins].join(' ');
}

/** Those of this connection that the administrator leaves. */
export function mechanisms(context: Context): string[] {
  return ofNow(MECHANISMS, context).filter((name) => !isWithheld(context.withheld, `AUTH=${name}`));
}

/** Whether passwords may be sent now. */
export function mayLogin(context: Context): boolean {
  return context.secure || context.backend.plaintextAllowed(context.remote);
}
