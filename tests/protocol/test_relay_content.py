"""What SES gets is what was sent: byte for byte below the header section."""

import os
import random
import zlib

import pytest

from lib.rig import SENDER, accepted, content, fields, relay

HEAD = b"From: <a@example.com>\r\nTo: <b@example.com>\r\nSubject: x\r\n"


def deliver(post, raw):
    """raw is everything between DATA and the end, dots stuffed already."""
    with post.client() as client:
        client.mail(SENDER, "BODY=8BITMIME")
        client.rcpt("b@example.com")
        client.cmd("DATA", 354)
        client.sock.sendall(raw)
        return client.reply()


def stuffed(body):
    body = body.replace(b"\r\n.", b"\r\n..")
    return b"." + body if body.startswith(b".") else body


@pytest.mark.parametrize("body", [
    b"",
    b"Hello.\r\n",
    b"\r\n\r\n",
    b".\r\n..\r\n...\r\n.x\r\n",
    b"one\r\n.\r\ntwo\r\n",
    b"trailing space \t \r\n \r\n",
    bytes(range(1, 10)) + bytes([11, 12]) + bytes(range(14, 256)) + b"\r\n",
    b"x" * 998 + b"\r\n",
    "日本語のテキスト\r\n".encode("iso-2022-jp"),
    "日本語のテキスト\r\n".encode("utf-8") * 50,
    b"From here on\r\n>From there\r\n",
], ids=lambda body: f"{len(body)}-{body[:8]!r}")
def test_bodies_arrive_as_they_were_sent(parts, body):
    post, ses = relay(parts)
    reply = deliver(post, HEAD + b"\r\n" + stuffed(body) + b".\r\n")
    assert reply.code == 250, reply
    assert content(ses, reply)[1] == body
    assert ses.violations() == []


@pytest.mark.parametrize("sent, got", [
    (b"one\ntwo\n", b"one\r\ntwo\r\n"),
    (b"one\rtwo\r\n", b"onetwo\r\n"),
    (b"one\r\r\ntwo\r\n", b"one\r\ntwo\r\n"),
    (b"one\n.\ntwo\r\n", b"one\r\n.\r\ntwo\r\n"),
    (b"one\n.\r\ntwo\r\n", b"one\r\n.\r\ntwo\r\n"),
    # This dot stands at the start of a line, so it was put there to be removed.
    (b"one\r\n.\ntwo\r\n", b"one\r\n\r\ntwo\r\n"),
    (b"one\r\n.\rtwo\r\n", b"one\r\ntwo\r\n"),
    (b"one\r.\rtwo\r\n", b"one.two\r\n"),
    (b"one\n\n.\n", b"one\r\n\r\n.\r\n"),
])
def test_bare_cr_and_lf_are_mended_and_end_nothing(parts, sent, got):
    """What is a line or a dot after the mending must not become the end of data
    at the next hop."""
    post, ses = relay(parts)
    smuggled = b"MAIL FROM:<evil@example.com>\r\n"
    reply = deliver(post, HEAD + b"\r\n" + sent + smuggled + b".\r\n")
    assert reply.code == 250, reply
    _, body = content(ses, reply)
    assert body == got + smuggled
    assert ses.counters()["messages"] == 1
    assert ses.violations() == []
    [row] = post.sql("SELECT repairs FROM message")
    assert "bare=" in row["repairs"]


def test_header_fields_arrive_as_they_were_sent(parts):
    post, ses = relay(parts)
    head = HEAD + (
        b"X-Folded: one\r\n\ttwo\r\n  three\r\n"
        b"X-Empty:\r\nx-odd-Case : v\r\n"
        b"Received: from x by y with SMTP id z; Mon, 02 Mar 2026 10:00:00 +0000\r\n"
    )
    reply = deliver(post, head + b"\r\nHello.\r\n.\r\n")
    got, _ = content(ses, reply)
    assert got.endswith(head)


def test_one_received_field_is_added_with_our_id(parts):
    post, ses = relay(parts)
    reply = deliver(post, HEAD + b"\r\nHello.\r\n.\r\n")
    head, _ = content(ses, reply)
    [received] = fields(head, "Received")
    sent = post.daemon.wait_event("sent")
    assert f"(Postern) with LMTP id {sent['id']};" in received
    assert received.startswith("from client.example (local socket) by ")


@pytest.mark.parametrize("size", [100, 70_000, 10_000_000])
def test_a_message_of_any_size(parts, size):
    post, ses = relay(parts)
    rng = random.Random(size)
    lines = []
    while size > 0:
        line = rng.randbytes(min(size, rng.randrange(1, 900)))
        line = line.translate(None, b"\r\n\0")
        lines.append(line)
        size -= len(line) + 2
    body = b"\r\n".join(lines) + b"\r\n"
    reply = deliver(post, HEAD + b"\r\n" + stuffed(body) + b".\r\n")
    _, got = content(ses, reply)
    assert zlib.crc32(got) == zlib.crc32(body)
    assert got == body


def test_no_file_is_left_of_a_large_message(parts):
    post, _ = relay(parts)
    body = b"0123456789\r\n" * 100_000
    assert deliver(post, HEAD + b"\r\n" + body + b".\r\n").code == 250
    assert [n for n in os.listdir(post.store_dir) if ".db" not in n] == []


def test_tags_and_configuration_set(parts):
    post, ses = relay(parts, conf={"ses": {
        "configuration-set": "tracking",
        "message-tags": ["site=main", "kind=bulk_1"],
    }})
    reply = deliver(post, HEAD + b"\r\nHello.\r\n.\r\n")
    entry = accepted(ses, reply)
    sent = post.daemon.wait_event("sent")
    assert entry["configuration_set"] == "tracking"
    assert entry["tags"] == {
        "postern": [f"{sent['id']}-1-1"], "site": ["main"], "kind": ["bulk_1"],
    }
    published = ses.published("Send")
    assert published[0]["mail"]["messageId"] == reply.ses_id
