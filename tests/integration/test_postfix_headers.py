"""Mail as sites with other alphabets send it, raw UTF-8 in its headers, through
sendmail -t of a real Postfix. SES takes ASCII only.
"""

import email
import email.header
import email.policy

import pytest

from lib.postfix import why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

SUBJECT = "会議のお知らせ：来週の月曜日、第三会議室にて（資料は当日配布いたします）"
SENDER = "山田太郎"
RECIPIENT = "Jürgen Müßig"


def send(postfix, headers, body="本文です。\n"):
    text = "".join(f"{name}: {value}\n" for name, value in headers)
    postfix.sendmail(
        text + "Content-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n\n" + body,
        "-t", "-f", "yamada@example.com",
    )


def accepted(relay):
    relay.sandbox.wait_for("messages", 1)
    (message,) = relay.sandbox.messages()
    raw = relay.accepted(message["id"])
    head = raw.partition(b"\r\n\r\n")[0]
    assert head.isascii(), head
    assert all(len(line) <= 998 for line in head.split(b"\r\n"))
    return message, raw, email.message_from_bytes(
        raw, policy=email.policy.default
    )


def test_raw_utf8_in_subject_and_from(postfix_site):
    postfix, relay = postfix_site()
    send(postfix, [
        ("From", f"{SENDER} <yamada@example.com>"),
        ("To", f'"{RECIPIENT}" <jm@example.net>'),
        ("Subject", SUBJECT),
    ])
    message, raw, parsed = accepted(relay)
    postfix.wait_empty()

    assert str(parsed["Subject"]) == SUBJECT
    (author,) = parsed["From"].addresses
    assert author.display_name == SENDER
    assert author.addr_spec == "yamada@example.com"
    (to,) = parsed["To"].addresses
    assert to.display_name == RECIPIENT
    assert to.addr_spec == "jm@example.net"
    # The body goes through as it was written.
    assert raw.endswith("\r\n\r\n本文です。\r\n".encode())

    # What was mended is on record.
    (row,) = relay.posternd.log("--ses-id", message["id"])
    (mended,) = relay.posternd.sql("SELECT repairs FROM message")
    assert mended["repairs"], row


def test_display_name_with_comma_and_unquoted(postfix_site):
    """A comma within quotes does not become two mailboxes."""
    postfix, relay = postfix_site()
    send(postfix, [
        ("From", '"山田, 太郎" <yamada@example.com>'),
        ("To", "someone@example.net"),
        ("Subject", "x"),
    ])
    _, _, parsed = accepted(relay)
    (author,) = parsed["From"].addresses
    assert author.display_name == "山田, 太郎"


def test_not_utf8_either(postfix_site):
    """Bytes that are no UTF-8 are kept, under the name that says so."""
    postfix, relay = postfix_site()
    postfix.sendmail(
        b"From: yamada@example.com\nTo: a@example.net\n"
        b"Subject: caf\xe9 au lait\n\nbody\n",
        "-t", "-f", "yamada@example.com",
    )
    _, raw, _ = accepted(relay)
    subject = email.message_from_bytes(raw)["Subject"]
    words = email.header.decode_header(subject)
    assert any(charset == "unknown-8bit" for _, charset in words), subject
    joined = b"".join(
        w if isinstance(w, bytes) else w.encode() for w, _ in words
    )
    assert joined.replace(b" ", b"") == b"caf\xe9aulait"


def test_international_domain_of_a_recipient(postfix_site):
    """SES knows only the ASCII form of a domain."""
    postfix, relay = postfix_site(main={"smtputf8_enable": "yes"})
    send(postfix, [
        ("From", "yamada@example.com"),
        ("To", "info@bücher.example"),
        ("Subject", "IDN"),
    ])
    message, raw, _ = accepted(relay)
    assert message["recipients"] == ["info@xn--bcher-kva.example"]
    assert b"info@xn--bcher-kva.example" in raw


def test_non_ascii_local_part_bounces(postfix_site):
    """SES has no SMTPUTF8: an address that needs it can never be reached."""
    postfix, relay = postfix_site(main={"smtputf8_enable": "yes"})
    send(postfix, [
        ("From", "yamada@example.com"),
        ("To", "用户@example.net"),
        ("Subject", "EAI"),
    ])
    deliveries = postfix.wait_deliveries(1, "bounced")
    assert deliveries[0]["dsn"] == "5.6.7"
    # The notice to the sender is the only mail that goes out.
    relay.sandbox.wait_for("messages", 1)
    (notice,) = relay.sandbox.messages()
    assert notice["recipients"] == ["yamada@example.com"]
