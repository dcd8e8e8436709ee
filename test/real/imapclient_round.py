# One round of IMAPClient. On standard input JSON: port, imaps, address, password. Says "idle" when it waits for mail, then one
# line of JSON: mailbox -> [[message as Latin-1, flags]], all that it has at the end.
import json
import ssl
import sys

from imapclient import SEEN, FLAGGED, IMAPClient

given = json.loads(sys.stdin.readline())
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE

with IMAPClient("127.0.0.1", port=given["port"], ssl=False, timeout=20) as c:
    c.starttls(context)
    c.login(given["address"], given["password"])
    for name in (b"IMAP4REV1", b"UIDPLUS", b"MOVE", b"CONDSTORE", b"SORT", b"QUOTA"):
        assert c.has_capability(name), name
    assert c.id_({"name": "round"})[0]
    assert c.namespace().personal
    assert c.find_special_folder(b"\\Sent") == "Sent"
    assert c.get_quota_root("INBOX")
    c.enable("CONDSTORE")

    folder = "Böse & Gut/鳩"
    c.create_folder(folder)
    c.subscribe_folder(folder)
    assert folder in [name for _, _, name in c.list_folders()]
    assert folder in [name for _, _, name in c.list_sub_folders()]
    c.append(folder, b"Subject: one\r\nMessage-ID: <ic-own@elsewhere.example>\r\n\r\nown\r\n", flags=[SEEN])

    opened = c.select_folder("INBOX")
    assert opened[b"EXISTS"] == 8 and opened[b"UIDVALIDITY"] and opened[b"HIGHESTMODSEQ"], opened
    uids = c.search()
    assert len(uids) == 8
    assert c.search(["TEXT", "token all-3."]) == [uids[3]]
    assert c.search(["SUBJECT", "grüße"], charset="UTF-8") == [uids[7]]
    assert c.search(["NOT", "SEEN"]) == uids[1::2]
    assert c.sort(["REVERSE SIZE"]) == sorted(uids[:7], reverse=True) + uids[7:] or c.sort(["REVERSE SIZE"])
    threads = c.thread(criteria="ALL")
    assert sorted(uid for thread in threads for uid in thread) == uids, threads
    got = c.fetch(uids, ["ENVELOPE", "BODYSTRUCTURE", "INTERNALDATE", "RFC822.SIZE", "FLAGS", "MODSEQ", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
    assert got[uids[0]][b"ENVELOPE"].subject == b"about all-0"
    assert got[uids[7]][b"BODYSTRUCTURE"].is_multipart and len(got[uids[7]][b"BODYSTRUCTURE"][0]) == 2
    assert c.fetch([uids[7]], ["BODY.PEEK[2]"])[uids[7]][b"BODY[2]"].startswith(b"BwcH")
    c.add_flags([uids[1], uids[3]], [FLAGGED, b"$Work"])
    c.remove_flags([uids[0]], [SEEN])
    have = c.get_flags([uids[1]])[uids[1]]
    assert set(have) == {FLAGGED, b"$Work"}, have
    before = got[uids[1]][b"MODSEQ"][0]
    assert uids[1] in c.fetch(uids, ["FLAGS"], [f"CHANGEDSINCE {before}"])
    c.copy([uids[2]], folder)
    c.move([uids[4]], "Archive")
    c.delete_messages([uids[5]])
    c.uid_expunge([uids[5]])
    assert c.search() == [uid for i, uid in enumerate(uids) if i not in (4, 5)]
    assert c.folder_status("Archive", ["MESSAGES"]) == {b"MESSAGES": 1}

    c.idle()
    print("idle", flush=True)
    seen = []
    while not any(row[1] == b"EXISTS" for row in seen):
        rows = c.idle_check(timeout=20)
        assert rows, "nothing came in IDLE"
        seen += rows
    c.idle_done()
    c.rename_folder(folder, "Neu")
    state = {}
    for _, _, name in c.list_folders():
        c.select_folder(name, readonly=True)
        have = c.search()
        rows = c.fetch(have, ["FLAGS", "BODY.PEEK[]"]) if have else {}
        if rows:
            state[name] = [[row[b"BODY[]"].decode("latin-1"), [f.decode() for f in row[b"FLAGS"]]] for row in rows.values()]
    c.logout()
print(json.dumps(state))
