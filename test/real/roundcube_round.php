<?php
// One round of Roundcube's own IMAP library: `php roundcube_round.php FOLDER`, the folder of its program/lib/Roundcube. On
// standard input JSON: port, imaps, address, password. Closes with one line of JSON: mailbox -> [[message as Latin-1, flags]].
error_reporting(E_ALL & ~E_DEPRECATED & ~E_NOTICE & ~E_STRICT);
define('RCUBE_INSTALL_PATH', sys_get_temp_dir() . '/');
define('RCUBE_CONFIG_DIR', __DIR__ . '/none/');
require $argv[1] . '/bootstrap.php';

function check($what, $name, $have = null)
{
    if (!$what) {
        fwrite(STDERR, "$name: " . json_encode($have) . "\n");
        exit(1);
    }
    return $what;
}

class quiet_config extends rcube_config
{
    public function __construct() {}
    public function load_host_config() { return false; }
    public function get($name, $def = null)
    {
        $own = ['imap_conn_options' => ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]], 'imap_timeout' => 20, 'timezone' => 'UTC', 'flag_for_deletion' => false];
        return $own[$name] ?? $def;
    }
}

class quiet_rcube extends rcube
{
    public function __construct() { $this->config = new quiet_config(); $this->plugins = rcube_plugin_api::get_instance(); rcube::$instance = $this; }
}

$given = json_decode(fgets(STDIN));
$rcube = new quiet_rcube();
$imap = new rcube_imap();
$imap->set_options(['skip_deleted' => false, 'fetch_headers' => 'X-SPAM', 'timeout' => 20, 'socket_options' => $rcube->config->get('imap_conn_options')]);
check($imap->connect('127.0.0.1', $given->address, $given->password, $given->port, 'tls'), 'connect', $imap->get_error_str());
foreach (['SORT', 'THREAD', 'QUOTA', 'UIDPLUS', 'MOVE', 'LIST-EXTENDED', 'QRESYNC'] as $name) check($imap->get_capability($name) !== false, $name);

$folder = rcube_charset::convert('Böse & Gut', 'UTF-8', 'UTF7-IMAP') . '/' . rcube_charset::convert('鳩', 'UTF-8', 'UTF7-IMAP');
check($imap->create_folder($folder, true), 'create', $imap->get_error_str());
check(in_array($folder, $imap->list_folders()), 'list', $imap->list_folders());
check(in_array($folder, $imap->list_folders_subscribed()), 'subscribed', $imap->list_folders_subscribed());
check(($imap->get_special_folders(true)['sent'] ?? '') === 'Sent', 'special', $imap->get_special_folders(true));
$own = "Subject: one\r\nMessage-ID: <rc-own@elsewhere.example>\r\n\r\nown\r\n";
check($imap->save_message($folder, $own, '', false, ['SEEN']), 'append', $imap->get_error_str());

check($imap->count('INBOX', 'ALL', true) === 8, 'count', $imap->count('INBOX'));
check($imap->count('INBOX', 'UNSEEN', true) === 4, 'unseen');
$imap->set_folder('INBOX');
$uids = $imap->index('INBOX', 'date', 'ASC', true)->get();
check(count($uids) === 8, 'index', $uids);
check($imap->index('INBOX', 'subject', 'DESC', true)->count() === 8, 'sort');
check($imap->index('INBOX', null, null, true)->get() == array_reverse($uids), 'index as it comes');
$imap->set_threading('REFERENCES');
check($imap->thread_index('INBOX')->count() === 8, 'threads');
$imap->set_threading(false);
$list = $imap->list_messages('INBOX', 1, 'arrival', 'ASC');
check(count($list) === 8, 'list_messages');
check($list[0]->subject === 'about all-0' && rcube_mime::decode_header($list[7]->subject) === 'Grüße', 'headers', $list[7]->subject);
check($imap->search_once('INBOX', 'TEXT "token all-3."')->get() == [$uids[3]], 'search');
check($imap->search('INBOX', 'HEADER SUBJECT "gr" UNSEEN')->get() == [$uids[7]], 'search set', $imap->get_search_set()[1]->get());
$imap->set_search_set(null);
$message = check($imap->get_message($uids[7]), 'message');
check(count($message->structure->parts) === 2 && $message->structure->parts[1]->mimetype === 'application/octet-stream', 'structure', $message->structure);
check(trim($imap->get_message_part($uids[7], '1')) === 'Grüße aus Köln', 'part', $imap->get_message_part($uids[7], '1'));
check($imap->get_message_part($uids[7], '2') === str_repeat("\x07", 3000), 'attachment');
check(str_contains($imap->get_raw_headers($uids[7]), 'boundary=b1'), 'raw headers');
check($imap->set_flag([$uids[1], $uids[3]], 'FLAGGED'), 'flag');
check($imap->set_flag($uids[0], 'UNSEEN'), 'unseen');
check($imap->copy_message($uids[2], $folder, 'INBOX'), 'copy');
check($imap->move_message($uids[4], 'Archive', 'INBOX'), 'move');
check($imap->delete_message($uids[5], 'INBOX'), 'delete');
check($imap->count('INBOX', 'ALL', true) === 6, 'count after all', [$uids, $imap->index('INBOX', null, null, true)->get()]);
check(is_array($imap->get_quota('INBOX')), 'quota');
check($imap->set_metadata('INBOX', ['/private/comment' => 'a note']), 'metadata', $imap->get_error_str());
check($imap->get_metadata('INBOX', ['/private/comment'])['INBOX']['/private/comment'] === 'a note', 'metadata read');
check($imap->rename_folder($folder, 'Neu'), 'rename', $imap->get_error_str());
$state = [];
foreach ($imap->list_folders() as $name) {
    $imap->set_folder($name);
    foreach ($imap->index($name, null, null, true)->get() as $uid) {
        $flags = array_keys(array_filter($imap->list_flags($name, [$uid])[$uid] ?? []));
        $raw = $imap->get_raw_body($uid);
        $state[$name][] = [mb_convert_encoding($raw, 'UTF-8', 'ISO-8859-1'), array_map(fn ($flag) => '\\' . ucfirst(strtolower($flag)), $flags)];
    }
}
$imap->close();
echo json_encode($state), "\n";
