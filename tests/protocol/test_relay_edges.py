"""What a hostile reader found by looking for it."""

import time

import pytest

from lib.lmtp import message
from lib.rig import (SENDER, accepted, content, fields, journal, relay, send,
                     states)

def test_a_requeued_dot_does_not_outlast_the_deadline(parts):
    """The session waited for SES without end when the dot came back with a 454."""
    post, ses = relay(parts, conf={"lmtp": {"answer-within": "3s"}})
    ses.set(latency="200ms")
    ses.fault(
        "dot reply text=454 Throttling failure: Daily message quota exceeded."
    )
    began = time.monotonic()
    [reply] = send(post, "b@example.com")
    assert (reply.code, reply.enhanced) == (451, "4.4.5")
    assert time.monotonic() - began < 10
    assert "Daily message quota exceeded" in reply.text


def test_users_words_in_a_reply_are_no_account_trouble(parts):
    """SES quotes addresses and names; whoever writes them stops nobody."""
    post, ses = relay(parts)
    for words in (
        "554 Transaction failed: Address contains illegal characters in user "
        "name: '<\"sending paused\"@example.net>'.",
        "554 Message rejected: Email address is not verified. The following "
        "identities failed the check in region US-EAST-1: Access denied "
        "<x@example.net>",
        "553 <\"configuration set\"@example.net> address unknown",
    ):
        ses.fault(f"dot reply nth=1 text={words}")
        [reply] = send(post, "b@example.com")
        assert 550 <= reply.code < 560
        accepted(ses, send(post, "b@example.com")[0])
    assert journal(post, "breaker") == []


def test_a_delivered_message_does_not_bounce_when_it_comes_again(parts):
    """The journal is asked before the gate, whatever has changed since."""
    post, ses = relay(parts, conf={"identities": {"sandbox": False}})
    mail = message(SENDER, ["b@example.com"])
    with post.client() as client:
        [first] = client.deliver(SENDER, ["b@example.com"], mail)
    accepted(ses, first)
    post.write_identities(["example.org"])
    post.sighup()
    post.daemon.wait_event("reload")
    with post.client() as client:
        again, other = client.deliver(
            SENDER, ["b@example.com", "c@example.com"], mail
        )
    assert again.code == 250 and again.ses_id == first.ses_id
    assert "sent before" in again.text
    assert (other.code, other.enhanced) == (550, "5.7.1")
    assert len(ses.messages()) == 1
    assert states(post) == ["sent", "refused"]


def test_queue_ids_of_others_are_no_tampering(parts):
    """Anybody can write Received fields: their ids came to the table cut, and
    whole to the journal."""
    post, ses = relay(parts)
    hops = [
        f"Received: by mx{i}.example with ESMTP id {'x' * 60}{i};\n\tDATE"
        for i in range(30)
    ]
    with post.client() as client:
        assert client.cmd("XFORWARD IDENT=4X+01+FFz").code == 250
        [reply] = client.deliver(
            SENDER, ["b@example.com"],
            message(SENDER, ["b@example.com"], headers=hops),
        )
    accepted(ses, reply)
    assert len(journal(post, "received")[0]["queue_ids"]) > 900
    post.run("verify", "--projections")


def test_a_header_that_grows_by_encoding_arrives_whole(parts):
    post, ses = relay(parts)
    lines = [f"X-Long-{i}: " + "日本語" * 300 for i in range(80)]
    mail = message(SENDER, ["b@example.com"], headers=lines)
    with post.client() as client:
        [reply] = client.deliver(SENDER, ["b@example.com"], mail)
    accepted(ses, reply)
    head, _ = content(ses, reply)
    assert fields(head, "From") and fields(head, "X-Long-79")


def test_a_message_of_just_the_size_is_taken(parts):
    post, _ = relay(parts, conf={"lmtp": {"max-message-size": "8K"}})
    mail = message(SENDER, ["b@example.com"]).replace("\n", "\r\n").encode()
    fill = 8192 - len(mail)
    exact = mail + b"." * (fill - 2) + b"\r\n"
    assert len(exact) == 8192
    with post.client() as client:
        [reply] = client.deliver(SENDER, ["b@example.com"], exact)
        assert reply.code == 250
        [reply] = client.deliver(SENDER, ["b@example.com"], exact + b"x\r\n")
        assert (reply.code, reply.enhanced) == (552, "5.3.4")
    assert states(post) == ["sent", "refused"]


def test_what_xforward_said_ends_with_its_message(parts):
    post, _ = relay(parts)
    with post.client() as client:
        client.cmd("XFORWARD NAME=one.example ADDR=192.0.2.1 IDENT=4FIRST", 250)
        client.deliver(SENDER, ["b@example.com"],
                       message(SENDER, ["b@example.com"]))
        client.deliver(SENDER, ["c@example.com"],
                       message(SENDER, ["c@example.com"]))
    ids = [row["queue_ids"] for row in post.sql(
        "SELECT queue_ids FROM message ORDER BY received_at, id")]
    assert "4FIRST" in ids[0] and "4FIRST" not in (ids[1] or "")


def test_a_backoff_holds_up_nobody_behind_it(parts):
    """One recipient in service failure, the others of the session go on."""
    post, ses = relay(parts)
    ses.fault("dot reply rcpt=slow@example.com text=454 Temporary service failure")
    names = ["slow@example.com"] + [f"r{i}@example.com" for i in range(20)]
    with post.client() as client:
        client.mail(SENDER)
        for name in names:
            client.rcpt(name)
        client.cmd("DATA", 354)
        began = time.monotonic()
        client.body(message(SENDER, names))
        ses.wait_for("messages", 20)
        assert time.monotonic() - began < 4
        client.cut()


def test_one_stalled_connection_stops_nobody(parts):
    """An endpoint that serves us on other connections is not in trouble."""
    post, ses = relay(parts, conf={"ses": {"connect-timeout": "1s"}})
    accepted(ses, send(post, "b@example.com")[0])
    ses.fault("greeting stall nth=1")
    names = [f"r{i}@example.com" for i in range(30)]
    with post.client() as client:
        replies = client.deliver(SENDER, names, message(SENDER, names))
    assert [r.code for r in replies] == [250] * 30
    assert send(post, "b@example.com")[0].code == 250
    assert journal(post, "breaker") == []


@pytest.mark.parametrize("phase", ["auth", "mail", "dot"])
def test_stalled_dialogues_hold_up_nobody(parts, phase):
    """SES goes silent in as many as the pace keeps busy, and serves again: what
    comes then does not wait for their timeouts."""
    post, ses = relay(parts, conf={"quota": {"rate": 2}})
    ses.fault(f"{phase} stall last=2")
    text = message(SENDER, "b@example.com")
    with post.connect() as one, post.connect() as two:
        for n, client in enumerate((one, two), 1):
            client.mail(SENDER)
            client.rcpt(f"{n}@example.com")
            client.cmd("DATA", 354)
            client.body(text)
        ses.wait_for("faults", 2)
        began = time.monotonic()
        accepted(ses, send(post, "b@example.com")[0])
        assert time.monotonic() - began < 10
        ses.disconnect()


def test_stalls_after_a_refusal_hold_up_nobody(parts):
    """They have their answer; the connections are nobody's then."""
    post, ses = relay(parts, conf={"quota": {"rate": 2}})
    ses.fault("rcpt reply last=2 text=554 Transaction failed")
    ses.fault("rset stall last=2")
    for _ in range(2):
        assert send(post, "b@example.com")[0].code == 550
    began = time.monotonic()
    accepted(ses, send(post, "b@example.com")[0])
    assert time.monotonic() - began < 10
    ses.disconnect()


def test_refused_in_the_middle_of_a_large_message(parts):
    """What SES said before it closed is the answer, though we were not through."""
    post, ses = relay(parts)
    ses.fault("body reply after=100000 close=yes text=552 Message is too long.")
    text = message(SENDER, "b@example.com", body=("x" * 70 + "\n") * 100000)
    with post.client() as client:
        [reply] = client.deliver(SENDER, ["b@example.com"], text)
    assert str(reply).startswith("552 5.3.4"), reply
