// Words of the stored index, version 1. FROZEN: a word's number is its place; new words can only be added at the end
// of a list, and only together with a new version of the format.

/** Strings of body structures; the first fifteen take one byte. */
export const WORDS_V1 = [
  'text', 'plain', 'html', 'charset', 'utf-8', 'UTF-8', '7bit', 'quoted-printable', 'base64', '8bit', 'boundary', 'name',
  'attachment', 'filename', 'inline',
  'us-ascii', 'iso-8859-1', 'windows-1252', 'iso-8859-15', 'US-ASCII', 'ISO-8859-1', 'Windows-1252', 'multipart',
  'mixed', 'alternative', 'related', 'signed', 'report', 'digest', 'encrypted', 'form-data', 'image', 'jpeg', 'png', 'gif',
  'svg+xml', 'webp', 'application', 'octet-stream', 'pdf', 'zip', 'msword', 'pgp-signature', 'pgp-encrypted', 'pgp-keys',
  'pkcs7-signature', 'x-pkcs7-signature', 'pkcs7-mime', 'ics', 'json', 'xml', 'gzip', 'vnd.ms-excel',
  'vnd.openxmlformats-officedocument.wordprocessingml.document',
  'vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'vnd.openxmlformats-officedocument.presentationml.presentation', 'vnd.oasis.opendocument.text', 'message', 'rfc822',
  'delivery-status', 'disposition-notification', 'rfc822-headers', 'partial', 'external-body', 'global', 'audio', 'mpeg',
  'wav', 'video', 'mp4', 'calendar', 'csv', 'enriched', 'richtext', 'css', 'markdown', 'vcard', 'x-vcard', 'x-patch',
  'x-diff', 'rtf', 'format', 'flowed', 'delsp', 'yes', 'no', 'type', 'multipart/alternative', 'text/html', 'start',
  'protocol', 'application/pgp-signature', 'application/pkcs7-signature', 'application/x-pkcs7-signature', 'micalg',
  'pgp-sha1', 'pgp-sha256', 'pgp-sha512', 'sha-256', 'sha-512', 'method', 'REQUEST', 'reply-type', 'original', 'report-type',
  'filename*', 'name*', 'size', 'creation-date', 'modification-date', 'binary', 'signature.asc', 'smime.p7s', 'Base64',
  'Quoted-Printable', '8BIT', '7BIT', 'BASE64', 'QUOTED-PRINTABLE', '7Bit', '8Bit', 'gb2312', 'gbk', 'gb18030', 'big5',
  'iso-2022-jp', 'shift_jis', 'euc-kr', 'ks_c_5601-1987', 'koi8-r', 'windows-1251', 'windows-1250', 'iso-8859-2',
  'ISO-8859-15', 'image001.png', 'noname', 'x-unix-mode', 'charset*', 'en', 'de', 'fr', 'en-US', 'de-DE', 'fr-FR',
  'MISSING_MAILBOX', 'MISSING_DOMAIN', 'undisclosed-recipients', 'gmail.com', 'googlemail.com', 'outlook.com', 'hotmail.com',
  'yahoo.com', 'icloud.com', 'protonmail.com', 'proton.me', 'free.fr', 'orange.fr', 'laposte.net', 'gmx.de', 'gmx.net',
  'web.de', 't-online.de', 'noreply', 'no-reply', 'info', 'contact', 'notifications', 'github.com', 'noreply.github.com',
];

/** Beginnings of header fields, as most programs write them, with the colon and one space. */
export const PREFIXES_V1 = [
  'From: ', 'To: ', 'Subject: ', 'Date: ', 'Message-ID: ', 'Content-Type: ', 'MIME-Version: ', 'References: ', 'In-Reply-To: ',
  'Cc: ', 'Reply-To: ', 'Content-Transfer-Encoding: ', 'Message-Id: ', 'List-Unsubscribe: ', 'List-Id: ', 'List-Post: ',
  'List-Unsubscribe-Post: ', 'User-Agent: ', 'X-Mailer: ', 'Return-Path: ', 'Sender: ', 'Bcc: ', 'Precedence: ',
  'Auto-Submitted: ', 'X-Priority: ', 'Importance: ', 'Priority: ', 'X-MSMail-Priority: ', 'Content-Disposition: ',
  'Content-Language: ', 'Delivered-To: ', 'X-Spam-Flag: ', 'Disposition-Notification-To: ', 'Mime-Version: ', 'CC: ',
  'Content-type: ', 'List-ID: ', 'Newsgroups: ', 'Followup-To: ', 'from: ', 'to: ', 'subject: ', 'date: ', 'message-id: ',
  'X-Spam: ', 'Return-Receipt-To: ',
];

export const wordNumber = new Map(WORDS_V1.map((word, i) => [word, i + 1]));
export const prefixNumber = new Map(PREFIXES_V1.map((prefix, i) => [prefix, i + 1]));
/** The name of each prefix, as KeptField has it. */
export const PREFIX_NAMES = PREFIXES_V1.map((prefix) => prefix.slice(0, -2).toLowerCase());
