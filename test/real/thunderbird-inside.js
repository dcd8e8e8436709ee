// What runs within Thunderbird: each function does what a person does by a menu, and ends when Thunderbird says that it is done.
const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs');
const Timer = ChromeUtils.importESModule('resource://gre/modules/Timer.sys.mjs');

const PAUSE_MS = 50;
const PATIENCE_MS = 40_000;
const UPDATE_MS = 3000;
const IMAP_FLAGS = [[Ci.nsMsgMessageFlags.Read, '\\Seen'], [Ci.nsMsgMessageFlags.Marked, '\\Flagged'], [Ci.nsMsgMessageFlags.Replied, '\\Answered'], [Ci.nsMsgMessageFlags.IMAPDeleted, '\\Deleted'], [Ci.nsMsgMessageFlags.MDNReportSent, '$MDNSent']];

async function until(ask, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`it does not come to pass: ${what}`);
    await new Promise((resolve) => Timer.setTimeout(resolve, PAUSE_MS));
  }
}

/** A listener for Thunderbird's URLs and copies, and the promise of its end. */
function listener() {
  const made = {};
  made.ended = new Promise((resolve, reject) => {
    const stop = (status) => (Components.isSuccessCode(status) ? resolve() : reject(new Error(`failed: ${status.toString(16)}`)));
    Object.assign(made, {
      QueryInterface: ChromeUtils.generateQI(['nsIUrlListener', 'nsIMsgCopyServiceListener', 'nsIMsgSendListener']),
      OnStartRunningUrl() {},
      OnStopRunningUrl: (_url, status) => stop(status),
      onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId: () => null,
      onStopCopy: (status) => stop(status),
    });
  });
  return made;
}

const server = () => MailServices.accounts.allServers.find((one) => one.type === 'imap');
const window3 = () => Services.wm.getMostRecentWindow('mail:3pane');
const msgWindow = () => window3()?.msgWindow ?? MailServices.mailSession.topmostMsgWindow;

/** The folder of a mailbox name; waits until Thunderbird knows it. */
function folder(name) {
  return until(() => {
    let at = server().rootFolder;
    for (const part of name.split('/')) at = at?.subFolders.find((one) => one.onlineName?.split('/').at(-1) === part || one.name === part);
    return at;
  }, `the folder ${name}`);
}

/** Makes the account and its identity, with STARTTLS and the password kept, as the assistant for new accounts does. */
async function addAccount(address, password, imapPort, smtpPort, certificate) {
  const trusted = Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB).constructX509FromBase64(certificate);
  // "Confirm Security Exception"
  for (const port of [imapPort, smtpPort]) Cc['@mozilla.org/security/certoverride;1'].getService(Ci.nsICertOverrideService).rememberValidityOverride('127.0.0.1', port, {}, trusted, false);
  const incoming = MailServices.accounts.createIncomingServer(address, '127.0.0.1', 'imap');
  incoming.port = imapPort;
  incoming.socketType = Ci.nsMsgSocketType.alwaysSTARTTLS;
  incoming.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
  incoming.password = password;
  incoming.doBiff = true;
  incoming.loginAtStartUp = true;
  const outgoing = MailServices.outgoingServer.createServer('smtp');
  const smtp = outgoing.QueryInterface(Ci.nsISmtpServer);
  smtp.hostname = '127.0.0.1';
  smtp.port = smtpPort;
  outgoing.username = address;
  outgoing.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
  outgoing.socketType = Ci.nsMsgSocketType.alwaysSTARTTLS;
  outgoing.password = password;
  MailServices.outgoingServer.defaultServer = outgoing;
  const identity = MailServices.accounts.createIdentity();
  identity.email = address;
  identity.fullName = 'Ann Example';
  identity.smtpServerKey = outgoing.key;
  identity.composeHtml = false;
  const account = MailServices.accounts.createAccount();
  account.incomingServer = incoming;
  account.addIdentity(identity);
  MailServices.accounts.defaultAccount = account;
  for (const [host, scheme] of [['127.0.0.1', 'imap'], ['127.0.0.1', 'smtp']]) {
    const login = Cc['@mozilla.org/login-manager/loginInfo;1'].createInstance(Ci.nsILoginInfo);
    login.init(`${scheme}://${host}`, null, `${scheme}://${host}`, address, password, '', '');
    await Services.logins.addLoginAsync(login);
  }
  server().performExpand(msgWindow());
  await getMail('INBOX');
}

/**
 * Brings the folder to what the server has, as a click on it does. What was done offline is played back first, a kind of change at a
 * time, and then nobody is told of the end: whoever needs the end asks again.
 */
async function getMail(name) {
  const wait = listener();
  (await folder(name)).QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(msgWindow(), wait);
  await Promise.race([wait.ended, new Promise((resolve) => Timer.setTimeout(resolve, UPDATE_MS))]);
}

/** Looks what folders there are. */
async function discover() {
  server().performExpand(msgWindow());
}

/** Which folder it uses for what. */
function roles() {
  const all = server().rootFolder.descendants;
  return Object.fromEntries(['Inbox', 'Drafts', 'SentMail', 'Trash', 'Junk', 'Archive'].map((role) => [role, all.find((one) => one.flags & Ci.nsMsgFolderFlags[role])?.QueryInterface(Ci.nsIMsgImapMailFolder).onlineName]));
}

/** UID, Message-ID, flags and tags of what it shows. */
async function rows(name) {
  const all = [...(await folder(name)).messages];
  const flags = (header) => [...IMAP_FLAGS.filter(([bit]) => header.flags & bit).map(([, flag]) => flag), ...header.getStringProperty('keywords').split(' ').filter((tag) => tag.startsWith('$'))];
  return all.map((header) => ({ uid: header.messageKey, id: `<${header.messageId}>`, flags: flags(header).sort() })).sort((a, b) => a.uid - b.uid);
}

async function headers(name, ids) {
  const all = [...(await folder(name)).messages].filter((header) => ids.includes(`<${header.messageId}>`));
  if (all.length !== ids.length) throw new Error(`${name} has ${all.length} of ${ids}`);
  return all;
}

/** The message as it comes from the server, as Latin-1. */
async function source(name, id) {
  const [header] = await headers(name, [id]);
  const uri = header.folder.getUriForMsg(header);
  return new Promise((resolve, reject) => {
    let text = '';
    const stream = {
      QueryInterface: ChromeUtils.generateQI(['nsIStreamListener']),
      onStartRequest() {},
      onDataAvailable(_request, input, _offset, count) {
        const binary = Cc['@mozilla.org/binaryinputstream;1'].createInstance(Ci.nsIBinaryInputStream);
        binary.setInputStream(input);
        text += binary.readBytes(count);
      },
      onStopRequest: (_request, status) => (Components.isSuccessCode(status) ? resolve(text) : reject(new Error(`not read: ${status.toString(16)}`))),
    };
    MailServices.messageServiceFromURI(uri).streamMessage(uri, stream, msgWindow(), null, false, '', false);
  });
}

async function read(name, ids, seen = true) {
  (await folder(name)).markMessagesRead(await headers(name, ids), seen);
}

async function star(name, ids, flagged = true) {
  (await folder(name)).markMessagesFlagged(await headers(name, ids), flagged);
}

async function tag(name, ids, keyword) {
  (await folder(name)).addKeywordsToMessages(await headers(name, ids), keyword);
}

async function copy(name, ids, to, move = false) {
  const wait = listener();
  MailServices.copy.copyMessages(await folder(name), await headers(name, ids), await folder(to), move, wait, msgWindow(), false);
  await wait.ended;
}

/** To the trash, or for good. */
async function remove(name, ids, forGood = false) {
  const wait = listener();
  (await folder(name)).deleteMessages(await headers(name, ids), msgWindow(), forGood, false, wait, true);
  if (!forGood) await wait.ended;
}

/** Expunges. */
async function compact(name) {
  const wait = listener();
  (await folder(name)).compact(wait, msgWindow());
  await wait.ended;
}

/** Searches on the server; gives Message-IDs. */
async function search(name, attribute, text) {
  const where = await folder(name);
  const session = Cc['@mozilla.org/messenger/searchSession;1'].createInstance(Ci.nsIMsgSearchSession);
  const term = session.createTerm();
  const value = term.value;
  value.attrib = Ci.nsMsgSearchAttrib[attribute];
  value.str = text;
  term.attrib = value.attrib;
  term.op = Ci.nsMsgSearchOp.Contains;
  term.value = value;
  term.booleanAnd = true;
  session.appendTerm(term);
  session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, where);
  const found = [];
  await new Promise((resolve, reject) => {
    session.registerListener({ QueryInterface: ChromeUtils.generateQI(['nsIMsgSearchNotify']), onSearchHit: (header) => found.push(`<${header.messageId}>`), onSearchDone: (status) => (Components.isSuccessCode(status) ? resolve() : reject(new Error('search failed'))), onNewSearch() {} });
    session.search(msgWindow());
  });
  return found.sort();
}

async function makeFolder(name) {
  server().rootFolder.createSubfolder(name, msgWindow());
  await folder(name);
}

/** Writes a message and sends it, or keeps it as a draft; what it writes is in the folder when this ends. */
async function write(to, subject, text, draft = false) {
  const identity = MailServices.accounts.defaultAccount.defaultIdentity;
  const fields = Cc['@mozilla.org/messengercompose/composefields;1'].createInstance(Ci.nsIMsgCompFields);
  fields.to = to;
  fields.from = identity.email;
  fields.subject = subject;
  fields.body = text;
  fields.useMultipartAlternative = false;
  const parameters = Cc['@mozilla.org/messengercompose/composeparams;1'].createInstance(Ci.nsIMsgComposeParams);
  parameters.composeFields = fields;
  parameters.identity = identity;
  parameters.format = Ci.nsIMsgCompFormat.PlainText;
  parameters.type = Ci.nsIMsgCompType.New;
  const before = new Set(Services.wm.getEnumerator('msgcompose'));
  MailServices.compose.OpenComposeWindowWithParams(null, parameters);
  const composer = await until(() => [...Services.wm.getEnumerator('msgcompose')].find((one) => !before.has(one) && one.gMsgCompose && one.composeEditorReady), 'the composer');
  const closed = () => composer.closed;
  if (draft) {
    composer.SaveAsDraft();
    await until(() => !composer.gSaveOperationInProgress && composer.gMsgCompose?.bodyModified === false && composer.gDraftSaved !== undefined || composer.gMsgCompose?.compFields.draftId, 'the draft');
    composer.close();
  } else {
    composer.goDoCommand('cmd_sendNow');
    await until(closed, 'the end of sending');
  }
}

async function goOffline() {
  Services.io.offline = true;
  await until(() => Services.io.offline, 'offline');
}

/** Back, and what was done meanwhile is done at the server. */
async function goOnline() {
  const manager = Cc['@mozilla.org/messenger/offline-manager;1'].getService(Ci.nsIMsgOfflineManager);
  manager.goOnline(true, true, msgWindow());
  await until(() => !Services.io.offline && !manager.inProgress, 'online');
}

/** Takes all bodies, as "Download now" does. */
async function download(name) {
  const wait = listener();
  const where = await folder(name);
  where.setFlag(Ci.nsMsgFolderFlags.Offline);
  where.downloadAllForOffline(wait, msgWindow());
  await wait.ended;
}
