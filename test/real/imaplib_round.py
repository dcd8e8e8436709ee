# One round of Python's imaplib: `imaplib_round.py PORT IMAPS_PORT ADDRESS`, password on standard input. Says what it then reads, as
# JSON: mailbox -> [text, flags] of each message.
import imaplib
import json
import re
import ssl
import sys

port, imaps, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
password = sys.stdin.readline().strip()
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def ok(answer):
    kind, data = answer
    assert kind == "OK", answer
    return data


def message(n):
    return b"From: a@elsewhere.example\r\nSubject: python %d\r\nMessage-ID: <py%d@elsewhere.example>\r\n\r\nbody %d\r\n" % (n, n, n)


clear = imaplib.IMAP4("127.0.0.1", port)
ok(clear.starttls(context))
ok(clear.login(address, password))
over = imaplib.IMAP4_SSL("127.0.0.1", imaps, ssl_context=context)
ok(over.authenticate("PLAIN", lambda _: b"\0" + address.encode() + b"\0" + password.encode()))

for c, box in ((clear, "Py1"), (over, "Py2")):
    ok(c.create(box))
    assert any(box.encode() in row for row in ok(c.list()))
    ok(c.subscribe(box))
    assert any(box.encode() in row for row in ok(c.lsub()))
    for n in range(3):
        ok(c.append(box, "(\\Flagged)" if n == 0 else None, imaplib.Time2Internaldate(1600000000 + n), message(n)))
    assert ok(c.select(box)) == [b"3"]
    assert "READ-WRITE" in c.untagged_responses
    data = ok(c.fetch("1:3", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[] BODY.PEEK[TEXT]<0.4>)"))
    parts = [row for row in data if isinstance(row, tuple)]
    assert [p[1] for p in parts[::2]] == [message(n) for n in range(3)], parts
    assert [p[1] for p in parts[1::2]] == [b"body"] * 3
    assert ok(c.search(None, "FLAGGED")) == [b"1"]
    assert ok(c.search(None, "SUBJECT", '"python 2"')) == [b"3"]
    uids = ok(c.uid("SEARCH", "ALL"))[0].split()
    ok(c.store("2", "+FLAGS", "(\\Seen \\Deleted)"))
    ok(c.copy("3", "Archive"))
    assert ok(c.expunge()) == [b"2"]
    assert ok(c.uid("SEARCH", "ALL"))[0].split() == [uids[0], uids[2]]
    ok(c.uid("MOVE", uids[0], "Trash"))
    status = ok(c.status(box, "(MESSAGES UIDNEXT)"))
    assert any(row.replace(b"\"", b"").startswith(box.encode() + b" (MESSAGES 1 ") for row in status), status
    ok(c.noop())
    ok(c.close())
    ok(c.rename(box, box + "x"))
    ok(c.delete(box + "x"))
    kind, data = c.select('"no such box"')
    assert kind == "NO", data
shelf = {}
for row in ok(over.list()):
    box = re.search(rb'"/" "?([^"]*)"?$', row)[1].decode()
    ok(over.select(f'"{box}"', readonly=True))
    data = over.fetch("1:*", "(FLAGS BODY.PEEK[])")[1]
    rows = [row for row in data if isinstance(row, tuple)]
    shelf[box] = [[text.decode("latin1"), re.search(rb"FLAGS \(([^)]*)\)", head)[1].decode().split()] for head, text in rows]
for c in (clear, over):
    assert c.logout()[0] == "BYE"
try:
    imaplib.IMAP4("127.0.0.1", port).login(address, "wrong")
    raise SystemExit("a wrong password was taken")
except imaplib.IMAP4.error:
    pass
print(json.dumps(shelf))
