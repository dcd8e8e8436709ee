// Every limit of the program: a name, a unit (last in the name), a reason. Whatever comes from outside meets one.
import { sendingLimits } from './sending-limits.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const limits = {
  // Messages
  /** Largest message in bytes: what large providers accept and phones still send. */
  message_bytes_max: 50 * MIB,
  /** Depth of multipart and message/rfc822 nesting; deeper parts are kept as opaque bytes. */
  mime_nesting_max: 64,
  /** Parts of one message; the rest stays inside the last one. */
  mime_parts_max: 2000,
  /** Header fields indexed of one header; the rest is stored, not indexed. */
  header_fields_max: 2000,
  /** Bytes of one header that are looked at. */
  header_bytes_max: 1 * MIB,
  /** Bytes of one header field's value that are looked at. */
  header_field_bytes_max: 64 * KIB,
  /** Addresses kept of one header field. */
  addresses_max: 1000,
  /** Characters of a preview (RFC 8970 §3.1 asks for at most 256). */
  preview_chars_max: 200,
  /** Bytes of a text part, still encoded, that are looked at for its preview: HTML begins with long style sheets. */
  preview_source_bytes_max: 32 * KIB,
  /** Bytes of a multipart's boundary that are compared (RFC 2046 §5.1.1 allows 70). */
  mime_boundary_bytes_max: 80,
  /** Bytes of header fields that make the envelope, kept in a message's index. */
  kept_envelope_bytes_max: 16 * KIB,
  /** Bytes of other header fields kept in a message's index: the event that holds it should stay small. */
  kept_others_bytes_max: 1 * KIB,
  /** Bytes of all texts in one message's envelopes and body structure; what doesn't fit is left out. */
  index_text_bytes_max: 128 * KIB,
  /** Bytes of a media type, subtype or transfer encoding (RFC 6838 §4.2 allows 127); a longer one is none. */
  mime_token_bytes_max: 127,
  /** Ids of References kept: the first and the last ones. */
  references_max: 100,

  // IMAP
  /** One command line without its literals: sequence sets with gaps of 64 grow long. */
  imap_line_bytes_max: 1 * MIB,
  /** A literal that is not a message (a name, a password, a search text). */
  imap_literal_bytes_max: 1 * MIB,
  /** What is in memory of all connections' long commands together: of a hundred connections one user could fill the memory by halves of commands. */
  imap_commands_bytes_max: 64 * MIB,
  /** Up to here a command is not long, and nothing of it is counted. */
  imap_command_small_bytes: 64 * KIB,
  /** All literals and lines of one command that is not APPEND. */
  imap_command_bytes_max: 4 * MIB,
  /** A line before authentication: nobody needs more. */
  imap_line_unauthenticated_bytes_max: 16 * KIB,
  /** Parentheses in a command, search keys in search keys. */
  imap_nesting_max: 64,
  /** Keywords of one user: each is a bit in memory, for ever. */
  keywords_max: 512,
  /** Keywords that ever were on a message of one user: who set them, and who took them away, is kept with the message. */
  keywords_known_max: 8192,
  /** Bytes of one keyword. */
  keyword_bytes_max: 255,
  /** Mailboxes of one user. */
  mailboxes_max: 20_000,
  /** Characters of all names of one user's mailboxes and subscriptions, removed ones too: all are in every snapshot's root, and in memory. */
  mailbox_names_chars_max: 12 * MIB,
  /** Each counts as so many characters more: what is stored beside it, about 40 bytes. */
  mailbox_name_cost_chars: 12,
  /** Bytes of a mailbox's full name in UTF-8. */
  mailbox_name_bytes_max: 1000,
  /** Bytes of a name or pattern as a client writes it: what takes three times as many in modified UTF-7. */
  mailbox_wire_bytes_max: 8 * KIB,
  /** Levels of a mailbox's name. */
  mailbox_depth_max: 32,
  /** All patterns of one LIST, references included: each costs its length times every name's. */
  imap_list_patterns_bytes_max: 4 * KIB,
  /** Idle time before BYE (RFC 9051 §5.4 asks for at least 30 minutes). */
  imap_idle_ms_max: 30 * MINUTE,
  /** Idle time before authentication. */
  imap_unauthenticated_ms_max: 1 * MINUTE,
  /** Time from connecting to a log-in, however busy the client is meanwhile. */
  imap_login_ms_max: 5 * MINUTE,
  /** Answer bytes waiting for a slow reader before the session stops to produce more. */
  imap_output_bytes_max: 256 * KIB,
  /** A client that takes nothing of what waits for it for so long is cut off. */
  imap_output_stalled_ms_max: 5 * MINUTE,
  /** Bad commands in a row before BYE. */
  imap_bad_commands_max: 20,
  /** Messages of one FETCH whose bytes are read ahead: hides the store's latency behind the client's. */
  fetch_ahead_messages_max: 16,
  /** Bytes of one FETCH read ahead; one message's pieces may be more. */
  fetch_ahead_bytes_max: 2 * MIB,
  /** What is stored of messages beside their text that a search fetches side by side, bytes: usually some 10,000 messages'. */
  gather_bytes_max: 8 * MIB,
  /** Bytes of one text part, as encoded, that a search for text looks at. */
  search_part_bytes_max: 8 * MIB,
  /** Keys of one search: each is looked at for each message. */
  search_keys_max: 20_000,
  /** BODY and TEXT keys of one search: each goes through whole messages. */
  search_text_keys_max: 100,
  /** Parts of one message of APPEND CATENATE: each URL is a look into a mailbox. */
  catenate_parts_max: 200,
  /** Bytes of an annotation's name (RFC 5464). */
  metadata_name_bytes_max: 255,
  /** Bytes of an annotation's value: settings of clients, no documents. */
  metadata_value_bytes_max: 64 * KIB,
  /** Annotations of one user, removed ones too: all are in every snapshot's root. */
  metadata_entries_max: 2000,
  /** Bytes of all annotations of one user, for the same reason. */
  metadata_bytes_max: 512 * KIB,
  /** A command that works on tells so this often (RFC 9585 §3.1 asks for at least 10 seconds between). */
  imap_progress_ms: 10 * SECOND,
  /** Messages that one IMAP command takes (MESSAGELIMIT): what it holds of each is some bytes, so this is 100 MB. */
  imap_command_messages_max: 4_000_000,
  /** Annotations that changed and of which a client that asked (NOTIFY) has not heard yet, because it does not read. */
  imap_notify_entries_max: 10_000,
  /** Event groups of one NOTIFY: every mailbox is looked at by each. */
  imap_notify_groups_max: 100,
  /** Bytes of a NOTIFY: what it names is in memory as long as the connection. */
  imap_notify_bytes_max: 128 * KIB,
  /** Mailboxes named one by one in ESEARCH or NOTIFY. */
  imap_sources_max: 1000,
  /** Messages of a mailbox for which what SORT and THREAD compare is kept: about 60 bytes each for each criterion in use, 400 at most for threads. */
  sort_kept_messages_max: 100_000,
  /** Ids of References of one message by which THREAD links: the first and the last ones. */
  thread_references_max: 20,
  /** Characters of a text by which SORT and THREAD compare. */
  sort_text_chars_max: 500,
  /** Searches of one session that are kept up to date (RFC 5267): each is looked at after every change. */
  search_contexts_max: 16,
  /** Bytes of such a search as the client wrote it: its keys are in memory as long as the connection. */
  search_context_bytes_max: 16 * KIB,
  /** Bytes of one part of a search index: about 2,000 messages, one request to the store. */
  search_index_part_bytes: 1 * MIB,
  /** Bytes of all users' search indexes in memory: about 130,000 messages of 4 KB; beyond it parts are read again when they are asked for. */
  search_index_bytes_max: 64 * MIB,
  /** Bytes of delivered messages whose words are still to be taken, of users who are not logged in; beyond it they are taken when the user is. */
  words_waiting_bytes_max: 4 * MIB,
  /** Bytes of such words in memory, sealed; beyond it they are stored early. */
  words_gathered_bytes_max: 8 * MIB,
  /** Time of one search, all waiting included. */
  search_ms_max: 5 * MINUTE,

  // SMTP
  /** Recipients of one message. */
  smtp_recipients_max: 1000,
  /** One command line (RFC 5321 §4.5.3.1.4 and extensions). */
  smtp_line_bytes_max: 4 * KIB,
  /** Received fields before a message counts as looping (RFC 5321 §6.3). */
  smtp_received_max: 50,
  /** Silence before the connection is closed (RFC 5321 §4.5.3.2). */
  smtp_idle_ms_max: 5 * MINUTE,
  /** From DATA to the end of the message: a sender that trickles holds memory and a half-sealed blob. */
  smtp_message_ms_max: 1 * HOUR,
  /** Unknown recipients of one connection before it is closed. */
  smtp_unknown_recipients_max: 20,

  // Checks of mail from other servers
  /** Unknown recipients of one connection before answers to them become slow: people mistype. */
  smtp_tarpit_after: 2,
  /** First wait of such an answer; doubles with each further one. */
  smtp_tarpit_ms_min: 1 * SECOND,
  smtp_tarpit_ms_max: 10 * SECOND,
  /** Open SMTP connections from one /24 or /64. */
  smtp_connections_per_network_max: 400,
  /** Addresses and networks whose rates are remembered (about 150 bytes each). */
  rates_kept_max: 50_000,
  /** What a network may send, in addresses' shares. */
  rate_network_factor: 4,
  /** How long a first message of (network, sender, recipient) is put off. */
  greylist_wait_ms: 5 * MINUTE,
  /** A server that has not come back by then starts anew. */
  greylist_pending_ms: 24 * HOUR,
  /** One that came back passes for so long after its last message. */
  greylist_passed_ms: 35 * DAY,
  /** Triplets and networks remembered (about 150 bytes each). */
  greylist_kept_max: 100_000,
  /** Triplets of a network that came back before the network itself passes. */
  greylist_network_after: 5,
  /** Bytes of a header that is judged; a longer one is refused. */
  checks_header_bytes_max: 256 * KIB,
  /** DKIM signatures of one message that are verified: each costs a key and a public-key operation. */
  checks_signatures_max: 6,
  /** White space on end in a header that is verified: longer, it is looked at as one space. */
  checks_space_bytes_max: 200,
  /** ARC sets of one message (RFC 8617 §4.2.1); with more the chain is not looked at. */
  checks_arc_sets_max: 50,
  /** DNS questions for one message: SPF has 10 by its standard, each with answers that ask again. */
  checks_questions_max: 150,
  /** All DNS questions of one message. */
  checks_dns_ms_max: 15 * SECOND,
  /** Time for one DNS question of a check, with its repetitions. */
  checks_question_ms_max: 5 * SECOND,
  /** Records and bytes of one answer of DNS; what is more is no answer. */
  checks_answer_records_max: 200,
  checks_answer_bytes_max: 16 * KIB,
  /** Bytes of a message kept in memory for a content check; beyond it the rest waits sealed on disk. */
  checks_kept_bytes_max: 256 * KIB,
  /** The content check's answer for one message. */
  rspamd_ms_max: 30 * SECOND,
  rspamd_answer_bytes_max: 1 * MIB,
  /** Connections to it, and messages that wait for one. */
  rspamd_connections_max: 16,
  rspamd_waiting_max: 500,
  /** Failures in a row after which it is left alone for a while. */
  rspamd_breaker_failures: 3,
  rspamd_breaker_ms: 10 * SECOND,
  /** Messages of one COPY or MOVE that train it, and messages that wait to. */
  learn_messages_max: 50,
  learn_waiting_max: 200,
  /** Bytes of a message that trains. */
  learn_bytes_max: 4 * MIB,

  /** Bytes of a PROXY header with its extensions. */
  proxy_header_bytes_max: 4 * KIB,
  /** Time for it to come. */
  proxy_header_ms_max: 5 * SECOND,
  /** Connections from proxies whose header is not there yet. */
  proxy_waiting_max: 1000,

  // Connections
  /** Open connections of the process, of all protocols. */
  connections_max: 5000,
  /** Open connections from one address. */
  connections_per_address_max: 200,
  /** Open IMAP connections of one user at one replica. */
  connections_per_user_max: 100,
  /** Time for a TLS handshake. */
  tls_handshake_ms_max: 30 * SECOND,
  /** Plaintext bytes of messages in memory of the whole process, waiting to be sealed or stored. */
  inflight_bytes_max: 96 * MIB,

  // Passwords
  /** Argon2 computations at once; others wait in line, so log-ins stall no delivery. */
  argon2_running_max: 1,
  /** Log-ins waiting for Argon2 before further ones are refused. */
  argon2_waiting_max: 64,
  /** Users whose last password is kept (as an HMAC) to spare Argon2 at the next log-in. */
  login_cache_users_max: 1000,
  /** Wait after the first wrong password from an address; doubles with each further one. */
  password_delay_ms_min: 500,
  /** Longest wait after a wrong password. */
  password_delay_ms_max: 10 * SECOND,
  /** Wrong passwords from one address within ten minutes before log-ins are refused at once. */
  password_failures_max: 50,

  // Store
  /** One request to the store that moves a large object: over slow links between sites it takes many round trips. */
  store_request_ms_max: 20 * SECOND,
  /** One request that a store answers in one or two round trips: LIST, GET, DELETE, PUT of what is kept inline. */
  store_quick_ms_max: 4 * SECOND,
  /** A call of such requests with all its resends: whoever waits for it is told within ten seconds. */
  store_quick_call_ms_max: 8 * SECOND,
  /** The same while no endpoint answers: one request tries it for longer, the others are soon told. */
  store_hopeless_request_ms_max: 1500,
  /** Sends of one request, first one included. */
  store_attempts_max: 4,
  /** Requests to the store at once. */
  store_concurrency_max: 64,
  /** A call that moves a large object, with all its resends; the log gives up a PUT after a minute. */
  store_call_ms_max: 45 * SECOND,
  /** Bytes a millisecond (1 Mbit/s) of the slowest link to a store: larger objects get so much more time. */
  store_bytes_per_ms_min: 128,
  /** First wait before a resend; doubles with each further one. */
  store_retry_ms_min: 100,
  /** Longest wait before a resend. */
  store_retry_ms_max: 2 * SECOND,
  /** Resends saved up while all goes well: when a store fails for all, resends must not be most of its load. */
  store_retries_saved_max: 100,
  /** Failures in a row after which an endpoint of the store is left alone. */
  store_breaker_failures: 5,
  /** How long at first; doubles with each further failure. */
  store_breaker_ms_min: 1 * SECOND,
  store_breaker_ms_max: 30 * SECOND,
  /** When no endpoint has answered for so long, calls are sent once and not again, with little patience. */
  store_hopeless_ms: 5 * SECOND,
  /** Patience with one endpoint while another is there; with a large object. */
  store_fallback_ms: 4 * SECOND,
  store_fallback_large_ms: 10 * SECOND,
  /** Bytes of the answer to one LIST: 1000 rows of the longest names. */
  store_list_bytes_max: 4 * MIB,
  /** Rows of LIST that the disk store remembers (about 200 bytes each). */
  disk_rows_kept_max: 50_000,
  /** Age of a temp file of the disk store that no living process can still be writing. */
  temp_kept_ms: 1 * HOUR,
  /** Bytes of an event as stored up to which Garage keeps it inside its metadata row. */
  event_bytes_inline_max: 3072,
  /** Bytes of one object read into memory as a whole. */
  object_bytes_max: 64 * MIB,
  /** Bytes that are packed and sealed as one object (an event, a part of a snapshot): it must be readable as a whole, with all that comes around it. */
  packed_bytes_max: 48 * MIB,

  // Log (DESIGN: The log)
  slots: 64,
  put_window_ms: 2 * MINUTE,
  give_up_ms: 1 * MINUTE,
  list_age_ms_max: 1 * SECOND,
  /** Bytes of a replica's presence as stored: it has some hundred. All are read at once, every minute. */
  presence_bytes_max: 16 * KIB,
  presence_renew_ms: 1 * MINUTE,
  presence_valid_ms: 5 * MINUTE,
  slot_free_ms: 15 * MINUTE,
  forget_ms: 12 * HOUR,
  full_list_ms: 30 * MINUTE,
  event_lost_ms: 1 * HOUR,
  event_positions_span_max: 2 ** 22,
  position_jump_max: 2 ** 25,
  restored_jump: 2 ** 24,
  /** Positions and bytes of what goes together into one event, and how many bytes of the newest events a log remembers. */
  event_batch_positions_max: 4096,
  event_batch_bytes_max: 256 * KIB,
  log_remembered_bytes_max: 256 * KIB,
  /** Rows of a LIST of a log's end (Garage reads inlined rows whole), and of a whole log. */
  list_tail_keys_max: 200,
  list_keys_max: 1000,
  /** Rows of one LIST of all its pages, some hundred bytes each: one that goes on and on is an error of the store, or somebody fills it. */
  list_rows_max: 1_000_000,
  /** Where a user's messages are listed too, and where replicas are: there are 64 slots. */
  list_blobs_max: 4_000_000,
  list_replicas_max: 10_000,
  /**
   * Events of one log that are not collected yet, which takes a day: all are in every snapshot's list (up to 260 bytes each) and in
   * memory (some KB each). Beyond the first number users can change nothing; beyond the second nothing is written.
   */
  log_events_max: 300_000,
  log_events_full: 360_000,
  /** Bytes of the events that go into one bundle. */
  bundle_bytes_max: 16 * MIB,
  /** Names that a collection writes down for a later pass, about 60 bytes each: what is more waits for that one. */
  candidates_max: 200_000,
  /** Bytes of a log's objects that are read at once, where it is not one alone that is larger. */
  log_read_bytes_max: 32 * MIB,
  /** GETs of events at once for one log. */
  event_fetches_max: 16,
  /** From a snapshot's LIST to its manifest's landing; a manifest that landed later counts for nothing. */
  snapshot_window_ms: 1 * HOUR,
  /** Age of a snapshot before anything is collected because of it. */
  snapshot_settled_ms: 1 * HOUR,
  repair_interval_ms: 1 * SECOND,
  poll_with_peers_ms: 60 * SECOND,
  poll_without_peers_ms: 5 * SECOND,
  directory_poll_ms: 30 * SECOND,
  delivery_key_ms: 7 * DAY,
  collect_pass_ms: 24 * HOUR,
  blob_kept_ms: 30 * DAY,
  undelete_ms: 23 * DAY,
  claim_withdraw_ms: 10 * MINUTE,
  claim_end_ms: 1 * HOUR,
  /** Times that a mailbox of one name can be made anew: 12 bits of UIDVALIDITY. */
  mailbox_made_max: 4095,
  /** Uncovered events above which a session writes a snapshot. */
  snapshot_events: 200,
  /** The same when a user's last session ends: nobody waits for it, and the next log-in anywhere reads less. */
  snapshot_events_at_leave: 25,
  /** Delivered events above which a delivering replica writes a bundle. */
  bundle_events: 200,
  /** How long a user's secret and state stay in memory after the last session. */
  user_linger_ms: 1 * MINUTE,

  ...sendingLimits,

  // Peers
  /** Bytes of hints waiting for one slow peer; beyond it hints are dropped. */
  peer_queue_bytes_max: 4 * MIB,
  /** Bytes of one frame of the peer channel. */
  peer_frame_bytes_max: 1 * MIB,

  /** Bytes of one request of the command line to a replica. */
  peer_request_bytes_max: 64 * KIB,
  /** Requests of the command line that a replica works on at once. */
  peer_requests_max: 16,
  /** Bytes of one message of an answer to it: a list of all users. */
  peer_answer_bytes_max: 64 * MIB,

  // HTTP
  /** Connections to the HTTP port: health checks and a scraper. */
  http_connections_max: 64,
  /** Bytes of a request's header. */
  http_header_bytes_max: 8 * KIB,
  /** Time for one request to come, and of silence between two. */
  http_request_ms_max: 10 * SECOND,
  /** The store's answer for `/ready`; beyond it the answer is no. */
  ready_ms_max: 2 * SECOND,
  /** `/ready` may be so old: many who ask cost one LIST. */
  ready_age_ms_max: 1 * SECOND,

  // Process
  /** How often a certificate's files are looked at for a change. */
  certificate_look_ms: 1 * MINUTE,
  /** Time that SIGTERM gives to what is under way. */
  drain_ms_max: 10 * SECOND,
};

export type Limits = typeof limits;
