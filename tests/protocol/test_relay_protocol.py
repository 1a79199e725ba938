"""LMTP as RFC 2033 and its extensions want it."""

import pytest

from lib.lmtp import Closed, Lmtp, message
from lib.rig import SENDER, accepted, relay, send


@pytest.fixture
def pair(parts):
    return relay(parts, identities=["example.com", "bücher.example"],
                 identity=["example.com", "xn--bcher-kva.example"])


def test_lhlo_offers_what_is_true(pair):
    post, _ = pair
    with post.client() as client:
        assert set(list(client.extensions)[:]) == {
            "PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "XFORWARD",
            "ENHANCEDSTATUSCODES",
        }
        assert client.extensions["SIZE"] == str(40 * 1024 * 1024)


@pytest.mark.parametrize("commands, last", [
    (["MAIL FROM:<a@example.com>"], "503 5.5.1"),
    (["RCPT TO:<b@example.com>"], "503 5.5.1"),
    (["DATA"], "503 5.5.1"),
    (["LHLO"], "501 5.5.4"),
    (["HELO c"], "500 5.5.1"),
    (["EHLO c"], "500 5.5.1"),
    (["NOOP"], "250 2.0.0"),
    (["RSET"], "250 2.0.0"),
    (["VRFY b"], "252 2.5.0"),
    (["BDAT 5 LAST"], "500 5.5.1"),
    ([""], "500 5.5"),
    (["NO\0OP"], "500 5.5.2"),
    (["LHLO c", "RCPT TO:<b@example.com>"], "503 5.5.1"),
    (["LHLO c", "DATA"], "503 5.5.1"),
    (["LHLO c", "MAIL a@example.com"], "501 5.5.4"),
    (["LHLO c", "MAIL FROM:<a@example.com> BODY=BINARYMIME"], "501 5.5.4"),
    (["LHLO c", "MAIL FROM:<a@example.com> RET=HDRS"], "555 5.5.4"),
    (["LHLO c", "MAIL FROM:<a@example.com> SIZE=41943041"], "552 5.3.4"),
    (["LHLO c", "MAIL FROM:<a@example.com> SIZE=41943040"], "250 2.1.0"),
    (["LHLO c", "mail from: <a@example.com> body=8bitmime"], "250 2.1.0"),
    (["LHLO c", "MAIL FROM:<no at sign>"], "501 5.1.7"),
    (["LHLO c", "MAIL FROM:<jörg@example.com> SMTPUTF8"], "553 5.6.7"),
    (["LHLO c", "MAIL FROM:<>"], "250 2.1.0"),
    (["LHLO c", "MAIL FROM:<a@example.com>",
      "MAIL FROM:<a@example.com>"], "503 5.5.1"),
    (["LHLO c", "MAIL FROM:<a@example.com>", "DATA"], "503 5.5.1"),
    (["LHLO c", "MAIL FROM:<a@example.com>",
      "RCPT TO:<b@elsewhere.example>", "DATA"], "503 5.5.1"),
    (["LHLO c", "MAIL FROM:<a@example.com>", "RCPT TO:<>"], "501 5.1.3"),
    (["LHLO c", "MAIL FROM:<a@example.com>", "RCPT TO:<b>"], "501 5.1.3"),
    (["LHLO c", "MAIL FROM:<a@example.com>",
      "RCPT TO:<b@[192.0.2.1]>"], "501 5.1.2"),
    (["LHLO c", "MAIL FROM:<a@example.com>",
      "RCPT TO:<b@example.com> NOTIFY=NEVER"], "555 5.5.4"),
    (["LHLO c", "MAIL FROM:<a@example.com>",
      "RCPT TO:<jörg@example.com>"], "553 5.6.7"),
    (["LHLO c", "MAIL FROM:<a@example.com>",
      f"RCPT TO:<{'x' * 65}@example.com>"], "501 5.1.3"),
    # A new LHLO ends the transaction (RFC 5321 section 4.1.4), and so does RSET.
    (["LHLO c", "MAIL FROM:<a@example.com>", "LHLO d",
      "RCPT TO:<b@example.com>"], "503 5.5.1"),
    (["LHLO c", "MAIL FROM:<a@example.com>", "RSET",
      "RCPT TO:<b@example.com>"], "503 5.5.1"),
], ids=lambda value: " ".join(value)[-50:] if isinstance(value, list) else "")
def test_replies(pair, commands, last):
    post, _ = pair
    with Lmtp(post.socket) as client:
        for command in commands:
            reply = client.cmd(command)
        assert str(reply).startswith(last), client.transcript
        assert client.quit().code == 221


def test_data_with_some_valid_recipient(pair):
    """One reply after the dot for each RCPT that was taken, and no other."""
    post, ses = pair
    with post.client() as client:
        client.mail(SENDER)
        assert client.rcpt("b@elsewhere.example").code == 550
        assert client.rcpt("b@example.com").code == 250
        [reply] = client.data(message(SENDER, "b@example.com"))
        accepted(ses, reply)
        assert client.cmd("NOOP").code == 250


def test_pipelining_clients_may_have_no_valid_recipients(pair):
    """DATA is on its way before they know (RFC 2920 section 3.1)."""
    post, _ = pair
    with post.client() as client:
        for _ in range(60):
            replies = client.deliver_pipelined(
                SENDER, ["b@elsewhere.example"], "")
            assert [r.code for r in replies] == [550]
            client.rset()


def test_pipelining_clients_may_have_no_valid_sender(pair):
    """Nor are RCPT and DATA behind a MAIL that is refused, for trouble with SES
    perhaps."""
    post, _ = pair
    with post.client() as client:
        replies = client.deliver_pipelined(
            "nobody", [f"{n}@example.com" for n in range(60)], "")
        assert [(r.code, r.enhanced) for r in replies] == [(501, "5.1.7")] * 60
        client.rset()
        assert client.mail(SENDER).code == 250


def test_an_international_domain_becomes_punycode(pair):
    post, ses = pair
    [reply] = send(post, "leser@bücher.example")
    assert accepted(ses, reply)["recipients"] == ["leser@xn--bcher-kva.example"]
    assert ses.violations() == []


def test_too_large_whatever_size_said(parts):
    post, ses = relay(parts, conf={"lmtp": {"max-message-size": "10K"}})
    with post.client() as client:
        assert client.extensions["SIZE"] == "10240"
        client.mail(SENDER, "SIZE=100")
        client.rcpt("b@example.com")
        client.rcpt("c@example.com")
        replies = client.data(
            message(SENDER, "b@example.com", body="0123456789\n" * 1000)
        )
        assert [(r.code, r.enhanced) for r in replies] == [(552, "5.3.4")] * 2
        # The session goes on.
        [reply] = client.deliver(
            SENDER, ["b@example.com"], message(SENDER, "b@example.com")
        )
        assert reply.code == 250
    assert ses.counters()["messages"] == 1


def test_more_recipients_than_allowed(parts):
    post, ses = relay(parts, conf={"lmtp": {"max-recipients": 3}})
    names = [f"{n}@example.com" for n in range(5)]
    replies = send(post, *names)
    assert [r.code for r in replies] == [250, 250, 250, 452, 452]
    assert replies[3].enhanced == "4.5.3"
    assert ses.counters()["messages"] == 3


def test_too_many_errors(pair):
    post, _ = pair
    with post.client() as client:
        client.send(b"NONSENSE\r\n" * 100)
        codes = []
        with pytest.raises((Closed, ConnectionError)):
            while True:
                codes.append(client.reply().code)
    assert codes == [500] * 49 + [421]


def test_eight_bit_mail(pair):
    post, ses = pair
    with post.client() as client:
        client.mail(SENDER, "BODY=8BITMIME", "SMTPUTF8")
        client.rcpt("b@example.com")
        [reply] = client.data(
            message(SENDER, "b@example.com", body="Grüße aus 東京\n")
        )
    accepted(ses, reply)
    assert ses.violations() == []
