"""The gate: senders that SES has verified, and headers that it takes.

SES's own word on it is the sandbox's, which shares nothing with the gate.
"""

import email
import email.policy
import re

import pytest

from lib import build
from lib.rig import SENDER, accepted, content, fields, relay, states

TO = "b@example.com"
BASE = "From: <a@example.com>\r\nTo: <b@example.com>\r\nSubject: x\r\n"

# SES facts 3.4: a second one is refused.
ONCE_ONLY = """
Accept-Language acceptLanguage Archived-At Auto-Submitted Bounces-to Comments
Content-Alternative Content-Base Content-Class Content-Description
Content-Disposition Content-Duration Content-ID Content-Language Content-Length
Content-Location Content-MD5 Content-Transfer-Encoding Content-Type Date
Disposition-Notification-Options Disposition-Notification-To
DomainKey-Signature Errors-To From Importance In-Reply-To Keywords List-Archive
List-Help List-Id List-Owner List-Post List-Subscribe List-Unsubscribe
Message-Context Message-ID MIME-Version Organization Original-From
Original-Message-ID Original-Recipient Original-Subject Precedence Priority
References Reply-To Return-Receipt-To Sender Solicitation Sensitivity Subject
Thread-Index Thread-Topic User-Agent VBR-Info
""".split()
DROPPED = ["DKIM-Signature", "Delivered-To", "Return-Path", "Bcc", "Resent-Bcc",
           "X-SES-CONFIGURATION-SET", "X-SES-SOURCE-ARN", "x-ses-tenant"]
VALUES = {
    "From": "<a@example.com>", "Sender": "<a@example.com>",
    "Reply-To": "<a@example.com>", "Content-Type": "text/plain",
    "Content-Transfer-Encoding": "7bit", "MIME-Version": "1.0",
    "Date": "Mon, 02 Mar 2026 10:00:00 +0000",
    "Return-Path": "<who@elsewhere.example>",
    "Message-ID": "<1@example.com>",
}


def deliver(client, head, sender=SENDER, body="Hello.\r\n"):
    """head is the header section, str or bytes, without the empty line."""
    if isinstance(head, str):
        head = head.encode("utf-8")
    assert client.mail(sender).code == 250
    assert client.rcpt(TO).code == 250
    client.cmd("DATA", 354)
    client.sock.sendall(head + b"\r\n" + body.encode("utf-8") + b".\r\n")
    return client.reply()


def without(name):
    return "".join(
        line + "\r\n" for line in BASE.split("\r\n")[:-1]
        if not line.lower().startswith(name.lower() + ":")
    )


def test_headers_that_may_come_once(parts):
    """Identical ones collapse, others are refused by name, and SES sees one."""
    post, ses = relay(parts)
    with post.client() as client:
        for name in ONCE_ONLY:
            value = VALUES.get(name, "value")
            other = VALUES.get(name, "value")[::-1] if name not in VALUES else (
                "<other@example.com>" if "<" in value else value + " (other)"
            )
            same = deliver(
                client, without(name) + f"{name}: {value}\r\n"
                f"{name.swapcase()}:  {value}\r\n",
            )
            assert same.code == 250, (name, same)
            assert fields(content(ses, same)[0], name) == [value]
            refused = deliver(
                client, without(name) + f"{name}: {value}\r\n"
                f"{name}: {other}\r\n",
            )
            assert refused.code == 550 and refused.enhanced == "5.6.0", (
                name, refused,
            )
            assert name.lower() in refused.text.lower()
    assert ses.counters()["refusals"] == 0
    assert ses.violations() == []
    assert ses.counters()["messages"] == len(ONCE_ONLY)


def test_headers_that_are_dropped(parts):
    post, ses = relay(parts)
    with post.client() as client:
        for name in DROPPED:
            value = VALUES.get(name, "value")
            reply = deliver(
                client, BASE + f"{name}: {value}\r\n{name}: other\r\n"
            )
            assert reply.code == 250, (name, reply)
            head, body = content(ses, reply)
            assert fields(head, name) == []
            assert fields(head, "Subject") == ["x"] and body == b"Hello.\r\n"
    assert ses.counters()["refusals"] == 0
    for row, name in zip(
            post.sql("SELECT repairs FROM message ORDER BY id"), DROPPED):
        assert f"dropped={name}" in row["repairs"]


def test_dkim_signature_is_kept_where_ses_does_not_sign(parts):
    post, ses = relay(
        parts, conf={"ses": {"dkim-signature": "keep"}}, easy_dkim="no",
    )
    with post.client() as client:
        reply = deliver(client, BASE + "DKIM-Signature: v=1; a=b\r\n")
    assert fields(content(ses, reply)[0], "DKIM-Signature") == ["v=1; a=b"]


def test_x_ses_headers_that_users_may_set(parts):
    post, ses = relay(parts, conf={"ses": {
        "allow-headers": ["X-SES-CONFIGURATION-SET", "X-SES-MESSAGE-TAGS"],
    }})
    with post.client() as client:
        reply = deliver(
            client, BASE + "X-SES-Configuration-Set: mine\r\n"
            "X-SES-MESSAGE-TAGS: a=1, postern=forged, b=2\r\n"
            "X-SES-SOURCE-ARN: arn:aws:ses:x\r\n",
        )
    entry = accepted(ses, reply)
    assert entry["configuration_set"] == "mine"
    assert entry["tags"]["a"] == ["1"] and entry["tags"]["b"] == ["2"]
    assert "forged" not in entry["tags"]["postern"]
    assert fields(content(ses, reply)[0], "X-SES-SOURCE-ARN") == []


@pytest.mark.parametrize("name, raw, text", [
    ("Subject", "日本語の件名".encode("utf-8"), "日本語の件名"),
    ("Subject", ("とても長い件名" * 30).encode("utf-8"), "とても長い件名" * 30),
    ("Subject", "Größe: 5 €".encode("utf-8"), "Größe: 5 €"),
    ("From", '山田太郎 <a@example.com>'.encode("utf-8"),
     "山田太郎 <a@example.com>"),
    ("From", '"山田, 太郎" <a@example.com>'.encode("utf-8"),
     '"山田, 太郎" <a@example.com>'),
    ("To", '田中 <b@example.com>, Jörg <c@example.com>'.encode("utf-8"),
     "田中 <b@example.com>, Jörg <c@example.com>"),
    ("X-Note", "naïve".encode("utf-8"), "naïve"),
])
def test_raw_utf8_in_headers_is_encoded(parts, name, raw, text):
    post, ses = relay(parts)
    head = without(name).encode() + name.encode() + b": " + raw + b"\r\n"
    with post.client() as client:
        reply = deliver(client, head, body="本文\r\n")
    assert reply.code == 250, reply
    got, body = content(ses, reply)
    assert all(byte < 128 for byte in got)
    assert all(len(line) <= 998 for line in got.split(b"\r\n"))
    assert body.decode("utf-8") == "本文\r\n"
    parsed = email.message_from_bytes(got + b"\r\n", policy=email.policy.default)
    if name in ("From", "To"):
        wanted = email.message_from_string(
            f"{name}: {text}\n\n", policy=email.policy.default
        )
        assert [
            (a.display_name, a.addr_spec) for a in parsed[name].addresses
        ] == [(a.display_name, a.addr_spec) for a in wanted[name].addresses]
    else:
        assert str(parsed[name]) == text
    assert ses.violations() == []
    [row] = post.sql("SELECT repairs FROM message")
    assert f"encoded={name}" in row["repairs"]


def test_eight_bit_that_is_no_utf8(parts):
    post, ses = relay(parts)
    with post.client() as client:
        reply = deliver(
            client, b"From: <a@example.com>\r\n"
            b"Subject: \x8aG\x92o\x83\x65\x83\x58\x83\x67 sjis\r\n",
        )
    assert reply.code == 250, reply
    head, _ = content(ses, reply)
    assert b"unknown-8bit" in head.lower()
    assert all(byte < 128 for byte in head)


def test_overlong_lines_are_folded(parts):
    post, ses = relay(parts)
    long = ", ".join(f"<user{n}@example.com>" for n in range(200))
    with post.client() as client:
        reply = deliver(client, without("To") + f"To: {long}\r\n")
    head, _ = content(ses, reply)
    assert max(len(line) for line in head.split(b"\r\n")) <= 998
    assert "".join(fields(head, "To")[0].split()) == long.replace(" ", "")
    assert ses.violations() == []


@pytest.mark.parametrize("hops, code", [(50, 250), (51, 554)])
def test_a_mail_loop(parts, hops, code):
    post, ses = relay(parts)
    received = "".join(
        f"Received: from x by y with SMTP id id{n}; "
        "Mon, 02 Mar 2026 10:00:00 +0000\r\n" for n in range(hops)
    )
    with post.client() as client:
        reply = deliver(client, received + BASE)
    assert reply.code == code
    if code == 554:
        assert reply.enhanced == "5.4.6" and "51" in reply.text
        assert states(post) == ["refused"]
    assert ses.counters()["messages"] == (1 if code == 250 else 0)


@pytest.mark.parametrize("sender, head", [
    ("who@elsewhere.example", BASE),
    (SENDER, "From: <who@elsewhere.example>\r\n"),
    (SENDER, BASE + "Sender: <who@elsewhere.example>\r\n"),
    (SENDER, "From: <a@example.com>, Who <who@elsewhere.example>\r\n"),
    # A subdomain is covered, what only ends like it is not.
    ("who@elsewhere.example-example.com", BASE),
])
@pytest.mark.parametrize("default, answer", [
    ("reject", "550 5.7.1"), ("defer", "451 4.7.1"),
])
def test_unverified_senders(parts, sender, head, default, answer):
    post, ses = relay(parts, conf={"rewrite": {"default": default}})
    with post.client() as client:
        reply = deliver(client, head, sender)
    assert str(reply).startswith(answer), reply
    assert "who@elsewhere.example" in reply.text
    assert "postern identities" in reply.text
    assert ses.counters()["transactions"] == 0


@pytest.mark.parametrize("head, words", [
    ("To: <b@example.com>\r\n", "no From"),
    ("From: not an address at all <\r\n", "From"),
    (BASE + "this is no field\r\n", "no header field"),
])
def test_malformed_headers(parts, head, words):
    post, ses = relay(parts)
    with post.client() as client:
        reply = deliver(client, head)
    assert (reply.code, reply.enhanced) == (550, "5.6.0")
    assert words in reply.text
    assert states(post) == ["refused"]
    assert ses.counters()["transactions"] == 0


@pytest.mark.parametrize("set_to, got", [
    (None, "mailer-daemon@example.com"),
    ("bounces@mail.example.com", "bounces@mail.example.com"),
])
def test_a_null_sender_with_an_unverified_from(parts, set_to, got):
    """An MTA's own bounce: written by MAILER-DAEMON at some inner host."""
    post, ses = relay(
        parts, conf={"rewrite": {"null-sender": set_to}} if set_to else {}
    )
    with post.client() as client:
        reply = deliver(
            client,
            "From: Mail Delivery System <MAILER-DAEMON@host.internal>\r\n"
            "To: <b@example.com>\r\nSubject: Undelivered\r\n"
            "Auto-Submitted: auto-replied\r\n",
            sender="",
        )
    entry = accepted(ses, reply)
    assert entry["sender"] == got
    head, _ = content(ses, reply)
    assert fields(head, "From") == [f"Mail Delivery System <{got}>"]
    assert "MAILER-DAEMON@host.internal" in fields(head, "X-Original-From")[0]
    assert "MAILER-DAEMON@host.internal" in fields(head, "Reply-To")[0]
    [row] = post.sql("SELECT sender, original_sender FROM audit")
    assert row["sender"] == got and row["original_sender"] in (None, "", "<>")


def test_a_null_sender_that_nothing_stands_in_for_is_the_operators_to_mend(parts):
    post, ses = relay(
        parts, conf={"rewrite": {"null-sender": "x@elsewhere.example"}}
    )
    with post.client() as client:
        reply = deliver(client, BASE, sender="")
    assert (reply.code, reply.enhanced) == (451, "4.3.5")
    assert "null-sender" in reply.text


def test_a_display_name_that_looks_like_an_address(parts):
    """SES would check it as one more identity."""
    post, ses = relay(parts)
    with post.client() as client:
        reply = deliver(
            client, "From: who@elsewhere.example <a@example.com>\r\n"
        )
    assert reply.code == 250, reply
    assert fields(content(ses, reply)[0], "From") == [
        '"who@elsewhere.example" <a@example.com>'
    ]


def test_only_the_envelope_decides_who_gets_mail(parts):
    post, ses = relay(parts)
    with post.client() as client:
        reply = deliver(
            client, without("To") + "To: <other@example.com>\r\n"
            "Cc: <third@example.com>\r\nBcc: <hidden@example.com>\r\n",
        )
    assert accepted(ses, reply)["recipients"] == [TO]
    head, _ = content(ses, reply)
    assert b"hidden" not in head


def test_the_manual_knows_every_repair():
    header = (build.SOURCE / "lmtp" / "gate.h").read_text(encoding="utf-8")
    table = header.split("Repairs, as", 1)[1].split("*/", 1)[0]
    words = re.findall(r"^ \*\t([a-z][a-z-]*)", table, re.M)
    page = (build.SOURCE / "man" / "postern-journal.5").read_text(
        encoding="utf-8").split("\n.Ss Repairs\n", 1)[1].split("\n.Ss ", 1)[0]
    assert len(words) > 10
    for word in words:
        assert re.search(rf"Li {word}\b", page), word
