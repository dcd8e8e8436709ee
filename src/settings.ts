// Every setting: its name (flag `--smtp-port`, variable `COLOMBIER_SMTP_PORT`, line `smtp-port = …` of the file), its default,
// and one line of help.

interface Setting {
  readonly default: string;
  readonly help: string;
  /** What `--help` shows in place of an empty default. */
  readonly shown?: string;
  /** No flag: others on the machine can read the arguments of a process. */
  readonly secret?: true;
}

const setting = (value: string, help: string, shown?: string): Setting => ({ default: value, help, shown });

const secret = (help: string): Setting => ({ default: '', help, shown: 'none', secret: true });

export const settings = {
  CONFIG: setting('', 'file of "name = value" lines with these same names', 'none'),
  SETTINGS: setting('', 'folder of what belongs to this machine: cluster secret, certificate', "the config file's folder, else ./data/settings"),
  STORE: setting('disk:./data/store', 'disk:PATH, or s3:BUCKET[,BUCKET...]'),
  S3_ENDPOINT: setting('http://127.0.0.1:3900', 'address of the S3 server; several, separated by commas: the next when one does not answer'),
  S3_REGION: setting('garage', 'region name of the S3 server'),
  S3_ACCESS_KEY: setting('', 'access key id', 'none'),
  S3_ACCESS_KEY_FILE: setting('', 'file that holds it', 'none'),
  S3_SECRET_KEY: secret('secret key'),
  S3_SECRET_KEY_FILE: setting('', 'file that holds it', 'none'),
  CLUSTER_SECRET: secret('secret that all replicas share; several while it is changed, the first one writes'),
  CLUSTER_SECRET_FILE: setting('', 'file that holds it; made at the first start', 'cluster-secret in the settings folder'),
  HOSTNAME: setting('', 'name of this server in greetings and headers', "the machine's"),
  LISTEN: setting('127.0.0.1', 'addresses to listen on, separated by commas'),
  SMTP_PORT: setting('1025', 'mail from other servers; 0: off'),
  LMTP_PORT: setting('1024', 'mail from own relays; 0: off'),
  IMAP_PORT: setting('1143', 'IMAP with STARTTLS; 0: off'),
  IMAPS_PORT: setting('1993', 'IMAP over TLS; 0: off'),
  PEER_PORT: setting('auto', 'channel between replicas; auto: any free port; 0: off'),
  PEER_ADDRESS: setting('', 'host:port at which other replicas reach it', 'listen address and peer port'),
  SUBMISSION_PORT: setting('1587', 'mail apps that send, with STARTTLS; 0: off'),
  SUBMISSIONS_PORT: setting('1465', 'mail apps that send, over TLS; 0: off'),
  HTTP_PORT: setting('1080', '/health, /ready and /metrics for administrators; 0: off'),
  HTTP_LISTEN: setting('127.0.0.1', 'addresses of that port, separated by commas'),
  TLS_CERT: setting('', 'certificate chain in PEM, read again when it changes', 'self-signed'),
  TLS_KEY: setting('', 'its private key in PEM', 'self-signed'),
  CHECKS: setting('auto', 'checks of mail from other servers: on, off; auto: on when they can reach SMTP'),
  CHECKS_EXEMPT: setting('127.0.0.0/8,::1', 'addresses and networks whose mail is not checked'),
  DMARC: setting('quarantine', 'mail that fails a DMARC policy of reject: quarantine (to Junk), reject, or none'),
  ARC_TRUSTED: setting('', 'domains whose ARC seals count when DMARC fails, separated by commas; *: all', 'none'),
  JUNK_SCORE: setting('6', 'points of the own checks from which mail goes to Junk; 0: never'),
  DNSBL: setting('', 'zones of DNS block lists, separated by commas', 'none'),
  DNSBL_ACTION: setting('reject', 'what becomes of mail from who is listed: reject, or score (4 points each)'),
  GREYLIST: setting('off', 'the first message of a stranger is put off for five minutes: on or off'),
  SMTP_RATE: setting('120', 'connections and messages a minute from one address; 0: any number'),
  RSPAMD_URL: setting('', 'rspamd that is asked about each message', 'none'),
  RSPAMD_CONTROLLER_URL: setting('', 'its controller, which learns from what people move', 'the same'),
  RSPAMD_PASSWORD: secret("the controller's password"),
  RSPAMD_PASSWORD_FILE: setting('', 'file that holds it', 'none'),
  RSPAMD_REJECT: setting('reject', 'what rspamd would reject: reject, or junk'),
  PROXY_FROM: setting('', 'load balancers that speak the PROXY protocol to SMTP, submission and IMAP', 'none'),
  SMARTHOST: setting('', 'host:port that all outgoing mail goes to; port 465 is TLS', "the servers that DNS names"),
  SMARTHOST_USER: setting('', 'log-in there', 'none'),
  SMARTHOST_PASSWORD: secret('its password'),
  SMARTHOST_PASSWORD_FILE: setting('', 'file that holds it', 'none'),
  DNS: setting('', 'addresses of DNS resolvers, separated by commas', "the machine's"),
  DNSSEC: setting('auto', "DANE trusts the resolvers: yes, no, auto (all at loopback)"),
  MX_PORT: setting('25', 'port of other mail servers'),
  STS_PORT: setting('443', "port of others' policies for their mail servers (MTA-STS); 0: off"),
  REPORTS: setting('daily', 'reports to other domains about TLS and DMARC: daily or no'),
  OUTGOING_ADDRESS: setting('', "ADDRESS or DOMAIN=ADDRESS that mail leaves by, separated by commas", "the machine's"),
  SUBMISSION_CLIENT: setting('show', "address of the mail app in the Received field: show or hide"),
  PLAINTEXT_LOGIN: setting('loopback', 'log-in without TLS: loopback or never'),
  SCRAM: setting('app-passwords', 'IMAP log-in by SCRAM-SHA-256, with app passwords alone: app-passwords or off'),
  IMAP_WITHHELD: setting('', 'IMAP capabilities that are not offered, separated by commas: UNAUTHENTICATE,COMPRESS', 'none'),
  DRAIN_SECONDS: setting('10', 'time that a stop gives to what is under way'),
  MEMORY_MB: setting('96', 'megabytes of memory for mail: on its way, and kept because it may be asked for again'),
  LOG_LEVEL: setting('info', 'debug, info, warn or error'),
} satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;
