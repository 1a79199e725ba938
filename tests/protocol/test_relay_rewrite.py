"""Senders that posternd rewrites by the rules: mail that no milter saw.

Whether SES would take what comes out is the sandbox's word, which shares
neither parser nor identity check with the gate.
"""

import json
import os
import re
import shutil
import subprocess
from email.header import decode_header, make_header

import pytest

from lib.posternd import UNPRIVILEGED
from lib.rig import accepted, content, fields, relay

TABLE = os.path.join(os.path.dirname(__file__), "..", "unit", "senders.txt")
SENDERS = """\
@srs.example srs
@lan {local}=at={domain}@example.com
@.lan {local}=at={domain}@example.com
@fixed.example sales@example.com
@gone.example reject
@later.example defer
@bad.example x@unverified.example
postmaster@ pm@example.com
"""
IDENTITIES = ["example.com", "me@other.example", "xn--wgv71a119e.jp"]
TO = "b@example.com"


def put(parts, name, text, mode=0o644):
    path = os.path.join(parts.rundir, name)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    if os.geteuid() == 0:
        shutil.chown(path + ".new", UNPRIVILEGED)
    os.rename(path + ".new", path)
    return path


def rewriting(parts, senders=SENDERS, **keys):
    rewrite = {
        "senders": put(parts, "senders", senders),
        "secret": put(parts, "secret", "0123456789abcdef\n", 0o600),
        **keys,
    }
    return relay(
        parts, conf={"rewrite": rewrite}, identities=IDENTITIES,
        identity=IDENTITIES,
    )


def deliver(client, head, sender="me@other.example"):
    if isinstance(head, str):
        head = head.encode("utf-8")
    assert client.mail(sender).code == 250
    assert client.rcpt(TO).code == 250
    client.cmd("DATA", 354)
    client.sock.sendall(head + b"\r\nHello.\r\n.\r\n")
    return client.reply()


def test_envelope_from_and_sender(parts):
    post, ses = rewriting(parts)
    head = (
        "Received: from x by y with SMTP id abc; "
        "Mon, 02 Mar 2026 10:00:00 +0000\r\n"
        "X-odd :  kept \r\nFROM:   Joe\tDoe <joe@fixed.example> (work)\r\n"
        "To: <b@example.com>\r\nsubject:x\r\n"
        "Sender: list@db1.lan\r\nX-Original-From: a@first.example\r\n"
    )
    with post.client() as client:
        reply = deliver(client, head, sender="joe@srs.example")
    entry = accepted(ses, reply)
    srs = entry["sender"]
    assert re.fullmatch(
        r"SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=srs\.example=joe@example\.com", srs)
    got, _ = content(ses, reply)
    # Below posternd's own Received field all is as it was, but for these two.
    assert got.decode().endswith(
        head.replace("<joe@fixed.example>", "<sales@example.com>").replace(
            "Sender: list@db1.lan",
            'Sender: "list@db1.lan" <list=at=db1.lan@example.com>')
        + "X-Original-From: Joe\tDoe <joe@fixed.example> (work)\r\n"
        "Reply-To: Joe\tDoe <joe@fixed.example> (work)\r\n"
    )
    [row] = post.sql("SELECT sender, original_sender FROM audit")
    assert row == {"sender": srs, "original_sender": "joe@srs.example"}
    [row] = post.sql("SELECT repairs FROM message")
    assert row["repairs"] == "envelope=replaced from=replaced sender=replaced"


def test_an_answer_of_ones_own_choice_stays(parts):
    post, ses = rewriting(parts, default="fixed:noreply@example.com")
    with post.client() as client:
        reply = deliver(
            client, "From: who@elsewhere.example\r\n"
            "Reply-To: <desk@elsewhere.example>\r\n",
            sender="who@elsewhere.example",
        )
    assert accepted(ses, reply)["sender"] == "noreply@example.com"
    head, _ = content(ses, reply)
    assert fields(head, "From") == [
        '"who@elsewhere.example" <noreply@example.com>']
    assert fields(head, "Reply-To") == ["<desk@elsewhere.example>"]
    assert fields(head, "X-Original-From") == ["who@elsewhere.example"]


@pytest.mark.parametrize("sender, from_, answer, words", [
    ("x@gone.example", "me@other.example", "550 5.7.1",
     "envelope sender <x@gone.example> may not send: line 5 of"),
    ("me@other.example", "x@gone.example", "550 5.7.1",
     "From <x@gone.example> may not send: line 5 of"),
    ("x@later.example", "me@other.example", "451 4.7.1", "line 6 of"),
    ("x@bad.example", "me@other.example", "451 4.3.5",
     "would become <x@unverified.example> by line 7 of"),
    ("x@elsewhere.example", "me@other.example", "550 5.7.1",
     "postern identities x@elsewhere.example"),
])
def test_refusals(parts, sender, from_, answer, words):
    post, ses = rewriting(parts)
    with post.client() as client:
        reply = deliver(client, f"From: {from_}\r\n", sender=sender)
    assert str(reply).startswith(answer), reply
    assert words in reply.text
    assert ses.counters()["transactions"] == 0


def test_what_is_too_long_for_srs_goes_without_a_way_back(parts):
    """As bulk mailers make them; it is mail all the same."""
    post, ses = rewriting(parts)
    sender = "bounces+12345678-abcd-joe=evil.example@srs.example"
    with post.client() as client:
        reply = deliver(client, f"From: Shop <{sender}>\r\n", sender=sender)
    assert accepted(ses, reply)["sender"] == "mailer-daemon@example.com"
    head, _ = content(ses, reply)
    assert fields(head, "From") == ["Shop <mailer-daemon@example.com>"]
    assert fields(head, "Reply-To") == [f"Shop <{sender}>"]
    assert fields(head, "X-Original-From") == [f"Shop <{sender}>"]
    [row] = post.sql("SELECT sender, original_sender FROM audit")
    assert row == {"sender": "mailer-daemon@example.com",
                   "original_sender": sender}
    out = post.run("rewrite", sender)
    assert "bounces do not find the way back" in out


def test_rules_leave_null_senders_alone(parts):
    post, ses = rewriting(parts, default="fixed:noreply@example.com")
    with post.client() as client:
        reply = deliver(client, "From: <MAILER-DAEMON@gone.example>\r\n",
                        sender="")
    assert accepted(ses, reply)["sender"] == "mailer-daemon@example.com"
    assert fields(content(ses, reply)[0], "From") == [
        "<mailer-daemon@example.com>"]


def unescape(text):
    return re.sub(
        rb"\\(x[0-9a-f]{2}|n|\\)",
        lambda m: {b"n": b"\r\n", b"\\": b"\\"}.get(m[1]) or
        bytes.fromhex(m[1][1:].decode()), text.encode("utf-8"))


def table():
    """Default, kind, input and outcome of the headers in the table."""
    default = None
    with open(TABLE, encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f]
    for line, outcome in zip(lines, lines[1:]):
        kind, _, text = line.partition(": ")
        if kind == "default":
            default = text
        elif kind in ("from", "sender") and outcome.startswith("\t"):
            yield default, kind.title(), unescape(text), outcome[1:]


DEFAULTS = list(dict.fromkeys(entry[0] for entry in table()))


@pytest.mark.parametrize("default", DEFAULTS)
def test_ses_takes_every_header_that_passes(parts, default):
    """The table of the unit test, end to end."""
    entries = [entry[1:] for entry in table() if entry[0] == default]
    assert entries
    post, ses = rewriting(parts, default=default)
    passed = 0
    with post.client() as client:
        for name, value, outcome in entries:
            if value in (b"root", b"Cron Daemon <root>") or b"MAILER" in value \
                    or b"Doe, Joe <" in value or b"<postmaster>" in value:
                continue  # what these become has this host's name in it
            head = name.encode() + b": " + value + b"\r\n"
            if name == "Sender":
                head += b"From: me@other.example\r\n"
            reply = deliver(client, head)
            if outcome.startswith(("reject", "defer")):
                code = "550" if outcome.startswith("reject") else "451"
                assert str(reply).startswith(
                    f"{code} {outcome.split()[1]}"), (value, reply)
                continue
            assert reply.code == 250, (value, outcome, reply)
            passed += 1
            got, _ = content(ses, reply)
            assert all(byte < 128 for byte in got)
            [field] = fields(got, name)
            for address in re.findall(r"<([^<>@\s]+@example\.com)>", outcome):
                if not address.startswith("SRS"):  # made another day
                    assert f"<{address}>" in field, (value, field)
    counters = ses.counters()
    assert counters["refusals"] == 0 and counters["messages"] == passed
    assert ses.violations() == []


@pytest.mark.parametrize("name", [
    "山田", "日本語の長い名前" * 20, "漢字 and ASCII、終" * 10, "ソ連アァ",
], ids=["short", "long", "mixed", "specials"])
@pytest.mark.parametrize("charset", ["iso-2022-jp", "utf-8"])
def test_japanese_names_stay_readable(parts, name, charset):
    """Raw, as old programs send them: SES gets encoded words."""
    post, ses = rewriting(parts)
    raw = name.encode(charset).replace(b" ", b"\r\n ")
    with post.client() as client:
        reply = deliver(client, b"From: " + raw + b" <y@fixed.example>\r\n")
    assert reply.code == 250, reply
    head, _ = content(ses, reply)
    assert b"\x1b" not in head.partition(b"X-Original-From")[0]
    [field] = fields(head, "From")
    shown, _, address = field.rpartition(" <")
    assert address == "sales@example.com>"
    assert str(make_header(decode_header(shown))) == name
    assert ses.violations() == []


def test_a_table_that_changes(parts):
    post, ses = rewriting(parts, senders="")
    sender = "joe@elsewhere.example"
    with post.client() as client:
        assert deliver(client, "From: me@example.com\r\n", sender).code == 550

        put(parts, "senders", "@elsewhere.example new@example.com\n")
        reply = deliver(client, "From: me@example.com\r\n", sender)
        assert accepted(ses, reply)["sender"] == "new@example.com"

        mark = post.daemon.mark()
        path = put(parts, "senders", "* srs\nnonsense\n")
        for _ in range(2):
            reply = deliver(client, "From: me@example.com\r\n", sender)
            assert accepted(ses, reply)["sender"] == "new@example.com"
        [event] = post.daemon.wait_events("senders-not-read", 1, mark)
        assert f"{path}:2:" in event["reason"]
        assert '"nonsense" stands alone' in event["reason"]


def test_a_table_that_is_bad_at_the_start(parts):
    senders = put(parts, "senders", "@a.example srs\n")
    post, _ = relay(parts)
    post.configure({"rewrite": {"senders": senders}})
    post.sighup()
    [event] = post.daemon.wait_events("reload-failed", 1)
    assert not post.daemon.events("reload")
    assert "needs a key" in event["reason"]
    assert senders in event["reason"]
    # The old configuration stays, and a good one is taken.
    put(parts, "senders", "@a.example x@example.com\n")
    mark = post.daemon.mark()
    post.sighup()
    post.daemon.wait_event("reload", mark)
    with post.client() as client:
        reply = deliver(client, "From: x@a.example\r\n", "x@a.example")
    assert reply.code == 250


def test_postern_rewrite(parts):
    post, _ = rewriting(parts, default="defer")
    rows = post.json("rewrite", "me@example.com", "Joe@FIXED.example")
    assert [(row["outcome"], row["becomes"]) for row in rows] == [
        ("pass", None), ("replace", "sales@example.com")]
    assert rows[0]["why"] == "covered by example.com"
    assert rows[1]["why"].startswith("line 4 of ")
    [row] = post.json("rewrite", "x@elsewhere.example", expect=1)
    assert row["outcome"] == "defer"
    [row] = post.json("rewrite", "x@gone.example", expect=1)
    assert row["outcome"] == "reject" and "line 5" in row["why"]

    text = post.run("rewrite", "--from-header",
                    "Joe <joe@fixed.example>,\n me@example.com")
    assert "From: Joe <sales@example.com>, me@example.com\n" in text
    assert "Reply-To: Joe <joe@fixed.example>, me@example.com\n" in text
    assert "line 4 of " in text
    answer = post.json("rewrite", "--from-header", "me@example.com")
    assert answer["fields"] == [{"name": "From", "value": "me@example.com"}]
    answer = post.json("rewrite", "--from-header", "a@gone.example", expect=1)
    assert answer["fields"] == [] and answer["code"] == 550
    assert answer["dsn"] == "5.7.1" and "line 5 of" in answer["reply"]
    answer = post.json("rewrite", "--from-header", "nonsense <", expect=1)
    assert answer["addresses"] == [] and "RFC 5322" in answer["reply"]

    for wrong in ([], ["--from-header", "a@b.example", "c@d.example"],
                  ["--from-header", "a@b.example\nTo: c@d.example"]):
        status, _, err = post.run("rewrite", *wrong, expect=None)
        assert status == 2 and "--from-header" in err


@pytest.mark.parametrize("senders, keys, words", [
    ("* srs\nnonsense\n", {}, ':2: "nonsense" stands alone'),
    ("@a.example x@elsewhere.example\n", {},
     "a sender such as <sender@a.example> would become "
     "<x@elsewhere.example> by line 1"),
    ("", {"default": "fixed:x@elsewhere.example"},
     "by rewrite default = fixed:x@elsewhere.example"),
    ("@a.example srs\n", {"secret": None}, "needs a key"),
    ("@a.example srs\n", {"srs-domain": "elsewhere.example"},
     "is not a verified identity"),
    ("", {"null-sender": "x@elsewhere.example"}, "null-sender"),
])
def test_check_finds_what_would_defer_mail(parts, senders, keys, words):
    post, _ = rewriting(parts)
    post.configure({"rewrite": keys})
    put(parts, "senders", senders)
    _, out, _ = post.run("check", "--json", expect=None)
    found = [f for f in json.loads(out)["findings"]
             if f["area"] == "Rewriting" and f["level"] == "wrong"]
    assert len(found) == 1 and words in found[0]["text"], found


@pytest.mark.parametrize("key, make", [
    ("senders", "make it (an empty one will do)"),
    ("secret", '"postern init" makes one'),
])
def test_check_tells_a_file_that_is_missing_from_a_bad_one(parts, key, make):
    post, _ = rewriting(parts)
    os.unlink(os.path.join(parts.rundir, key))
    [found] = rewriting_findings(post)
    assert f"rewrite.{key}: open " in found["text"]
    assert "No such file" in found["text"]
    assert found["cure"].startswith(make)
    put(parts, key, "short\n", 0o640)
    [found] = rewriting_findings(post)
    assert f"/{key}:1: " in found["text"]
    assert not found["cure"].startswith(make)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_who_may_not_read_the_secret_is_told(parts):
    post, _ = rewriting(parts)
    where = os.path.join(parts.rundir, "secret")
    os.chmod(where, 0o640)
    shutil.chown(where, "root", "mail")
    for verb, address, cure in (
        ("rewrite", "x@srs.example", "you may not: run it as root"),
        # Which Sendmail, whose maps call that, does not.
        ("srs", "SRS0=abcdef=aa=b.example=a@example.com",
         "rewrite.secret is for root and group mail; others ask "
         "postern-milter, which has to run and to let them connect "
         "(milter.socketmap)"),
    ):
        done = subprocess.run(
            ["setpriv", "--reuid", UNPRIVILEGED, "--clear-groups",
             post.postern(), "-c", post.conf_file, verb, address],
            capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert f"{where}: Permission denied" in done.stderr
        assert done.stderr.endswith(f"postern {verb}: {cure}\n")


def rewriting_findings(post):
    _, out, _ = post.run("check", "--json", expect=None)
    return [f for f in json.loads(out)["findings"]
            if f["area"] == "Rewriting" and f["level"] != "ok"]


def test_postern_log_marks_who_was_rewritten(parts):
    post, ses = rewriting(parts)
    with post.client() as client:
        for sender in ("me@other.example", "x@srs.example", ""):
            deliver(client, "From: me@other.example\r\n", sender)
    other, srs, null = ses.messages()
    table, err = read_log(post)
    assert re.search(r"sent +me@other\.example +b@example\.com", table)
    assert re.search(r"sent +x@srs\.example \* +b@example\.com", table)
    assert re.search(r"sent +<> \* +b@example\.com", table)
    assert srs["sender"] not in table
    assert "--wide shows" in err
    table, err = read_log(post, "--wide")
    assert err == ""
    for sender, sent in (("me@other.example", other), ("x@srs.example", srs),
                         ("<>", null)):
        assert re.search(rf"sent +{re.escape(sender)} +b@example\.com .* "
                         rf"{re.escape(sent['sender'])} +250 ", table)
    rows = [json.loads(line)
            for line in post.run("log", "--json").splitlines()]
    assert {(r["original_sender"], r["sender"]) for r in rows} == {
        ("me@other.example", "me@other.example"),
        ("x@srs.example", srs["sender"]), ("", null["sender"])}


def read_log(post, *args):
    status, out, err = post.run("log", *args, expect=None)
    assert status == 0
    return out, err
