"""Each recipient of a transaction gets its own answer, and its mail once."""

import pytest

from lib.lmtp import Lmtp, message
from lib.rig import SENDER, accepted, ask, journal, relay, send, states


def test_every_kind_of_recipient_in_one_transaction(parts):
    post, ses = relay(parts)
    assert ask(
        post, "suppress-add", address="gone@example.com", reason="bounced"
    )["ok"]
    with post.client() as client:
        assert client.mail(SENDER).code == 250
        asked = [
            ("one@example.com", 250, "2.1.5"),
            ("stranger@elsewhere.example", 550, "5.7.1"),
            ("gone@example.com", 550, "5.7.1"),
            ("no at sign", 501, "5.1.3"),
            ("one@example.com", 250, "2.1.5"),
            ("two@Sub.Example.COM", 250, "2.1.5"),
            ("two@sub.example.com", 250, "2.1.5"),
            ("success@simulator.amazonses.com", 250, "2.1.5"),
        ]
        for recipient, code, enhanced in asked:
            reply = client.rcpt(recipient)
            assert (reply.code, reply.enhanced) == (code, enhanced), reply
        one, one_again, two, two_again, simulator = client.data(
            message(SENDER, "one@example.com")
        )
        client.quit()
    assert str(one) == str(one_again)
    assert str(two) == str(two_again)
    sent = [accepted(ses, r)["recipients"] for r in (one, two, simulator)]
    assert sent == [
        ["one@example.com"], ["two@Sub.Example.COM"],
        ["success@simulator.amazonses.com"],
    ]
    assert ses.counters()["messages"] == 3
    assert ses.counters()["refusals"] == 0
    assert ses.violations() == []
    assert states(post) == [
        "sent", "refused", "refused", "refused", "sent", "sent",
    ]


def test_refusals_say_why_and_what_mends_them(parts):
    post, _ = relay(parts)
    ask(post, "suppress-add", address="gone@example.com", reason="bounced")
    stranger, gone = send(post, "x@elsewhere.example", "gone@example.com")
    assert "x@elsewhere.example" in stranger.text
    assert "postern identities" in stranger.text
    assert gone.text == ("5.7.1 <gone@example.com> is suppressed (bounced);"
                         " postern suppress remove gone@example.com")
    ask(post, "suppress-add", address="gone@example.com")
    [gone] = send(post, "gone@example.com")
    assert gone.text == ("5.7.1 <gone@example.com> is suppressed;"
                         " postern suppress remove gone@example.com")
    assert "<gone@example.com> is suppressed;" in post.run("log", "--wide")
    refused = journal(post, "refused")
    assert [row["code"] for row in refused] == [550, 550, 550]


def test_words_that_are_cut_leave_no_part_of_an_address(parts):
    """Postern's words and SES's: half an address could not be erased."""
    post, ses = relay(parts, conf={"identities": {"sandbox": True}})
    local, listed = "jane" * 15, "Jane Doe <jane.doe@example.org>"
    with post.client() as client:
        assert client.mail(SENDER).code == 250
        for n in range(5, 60, 5):
            assert client.rcpt(f"{local}@{'x' * n}.example").code == 550
        client.rset()
    for n in range(1, len(listed), 5):
        ses.clear("fault")
        ses.fault(
            "dot reply text=554 Message rejected: Email address is not "
            "verified. The following identities failed the check in region "
            f"{'X' * n}: {', '.join(60 * [listed])}"
        )
        [reply] = send(post, "b@example.com")
        assert reply.code == 550, reply
    told = post.sql(
        "SELECT detail FROM journal WHERE event = 'refused' "
        "UNION ALL SELECT reply FROM delivery"
    )
    assert len(told) == 2 * (11 + 6)
    for row in told:
        assert "{" in row["detail"], row
        assert "jane" not in row["detail"].lower(), row
        assert "Doe" not in row["detail"], row


def test_refusals_without_data_are_journalled(parts):
    post, ses = relay(parts)
    with post.client() as client:
        client.mail(SENDER)
        assert client.rcpt("x@elsewhere.example").code == 550
        client.rset()
        client.quit()
    assert states(post) == ["refused"]
    assert ses.counters()["messages"] == 0


@pytest.mark.parametrize("tcp", [False, True])
def test_pipelined(parts, tcp):
    post, ses = relay(parts)
    with post.client(tcp) as client:
        replies = client.deliver_pipelined(
            SENDER,
            ["one@example.com", "x@elsewhere.example", "two@example.com"],
            message(SENDER, "one@example.com"),
        )
    assert [r.code for r in replies] == [250, 550, 250]
    assert accepted(ses, replies[0])["recipients"] == ["one@example.com"]
    assert accepted(ses, replies[2])["recipients"] == ["two@example.com"]


def test_pipelined_with_quit_behind_the_dot(parts):
    """Input that waits must not be taken for a client that has gone."""
    post, ses = relay(parts)
    with Lmtp(post.socket) as client:
        client.send(
            b"LHLO c\r\nMAIL FROM:<a@example.com>\r\n"
            b"RCPT TO:<b@example.com>\r\nDATA\r\n"
        )
        assert [r.code for r in client.replies(4)] == [250, 250, 250, 354]
        client.send(
            b"From: <a@example.com>\r\n\r\nHello.\r\n.\r\n"
            b"NOOP\r\nQUIT\r\n"
        )
        assert [r.code for r in client.replies(3)] == [250, 250, 221]
    assert ses.counters()["messages"] == 1


def test_an_answer_as_soon_as_it_is_known(parts):
    """The first recipient's answer does not wait for the second's."""
    post, ses = relay(parts)
    ses.fault("dot stall rcpt=two@example.com")
    with post.client() as client:
        client.mail(SENDER)
        client.rcpt("one@example.com")
        client.rcpt("two@example.com")
        client.cmd("DATA", 354)
        client.body(message(SENDER, "one@example.com"))
        assert client.reply().code == 250
        ses.wait_for("faults", 1)
        ses.clear("fault")
        ses.disconnect()
        doubtful = client.reply()
    assert (doubtful.code, doubtful.enhanced) == (451, "4.4.2")
    assert states(post) == ["sent", "doubtful"]


def test_several_messages_in_one_session(parts):
    post, ses = relay(parts)
    with post.client() as client:
        for _ in range(5):
            [reply] = client.deliver(
                SENDER, ["b@example.com"], message(SENDER, "b@example.com")
            )
            assert reply.code == 250
    assert ses.counters()["messages"] == 5


def test_without_identities_nothing_is_refused_for_being_unverified(parts):
    post, ses = relay(parts, identities=(), identity=["*"])
    [reply] = send(post, "b@elsewhere.example", sender="who@knows.example")
    assert accepted(ses, reply)["sender"] == "who@knows.example"


def test_out_of_the_sandbox_anyone_may_be_written_to(parts):
    post, ses = relay(
        parts, conf={"identities": {"sandbox": False}}, sandbox="no"
    )
    [reply] = send(post, "b@elsewhere.example")
    assert accepted(ses, reply)["recipients"] == ["b@elsewhere.example"]


def test_one_message_after_another_takes_one_connection(parts):
    """A sender that is about to look for work leaves no need for another."""
    post, ses = relay(parts)
    for _ in range(10):
        assert send(post, "b@example.com")[0].code == 250
    assert ses.counters()["connections"] <= 2
