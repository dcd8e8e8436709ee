// What an administrator decides of mail from strangers; read and checked by config.ts.

export interface InboundSettings {
  /** Addresses and networks whose mail is not looked at. */
  readonly exempt: readonly string[];
  /** What becomes of mail that fails a policy of `reject`; one of `quarantine` always leads to Junk, unless nothing does. */
  readonly dmarc: 'reject' | 'quarantine' | 'none';
  /** Domains whose ARC seals are believed; `*`: all. */
  readonly arcTrusted: readonly string[];
  /** Points from which mail goes to Junk; 0: never. */
  readonly junkScore: number;
  /** Zones of DNS block lists. */
  readonly dnsbl: readonly string[];
  readonly dnsblAction: 'reject' | 'score';
  readonly greylist: boolean;
  /** Connections and messages a minute from one address; 0: any number. */
  readonly ratePerMinute: number;
  readonly rspamd: { readonly url: string; readonly controllerUrl: string; readonly password: string | null; readonly reject: 'reject' | 'junk' } | null;
  /** Resolvers; none: those of the machine. */
  readonly dns: readonly string[];
}
