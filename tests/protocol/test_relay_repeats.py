"""The same message again: answered from the journal, never sent twice."""

import pytest

from lib.lmtp import message
from lib.rig import SENDER, accepted, ask, journal, relay, send, states

TO = "b@example.com"


def offer(post, text, *recipients):
    with post.client() as client:
        return client.deliver(SENDER, recipients or [TO], text)


def test_again_in_another_session(parts):
    post, ses = relay(parts)
    text = message(SENDER, TO)
    [first] = offer(post, text)
    [again] = offer(post, text)
    entry = accepted(ses, first)
    assert again.code == 250 and again.ses_id == first.ses_id
    [row] = post.sql("SELECT updated FROM audit")
    # To the second: the reply has no more.
    assert f"(sent before, at {row['updated'][:19]}" in again.text
    assert ses.counters()["messages"] == 1
    assert entry["recipients"] == [TO]
    assert post.daemon.wait_event("repeat")["ses-id"] == first.ses_id
    assert len(journal(post, "repeat")) == 1
    [row] = post.sql("SELECT count(*) AS n FROM message")
    assert row["n"] == 1


def test_again_after_a_restart_and_after_sigkill(parts):
    post, ses = relay(parts)
    text = message(SENDER, TO)
    [first] = offer(post, text)
    for end in (post.stop, post.kill):
        end()
        post.start()
        [again] = offer(post, text)
        assert again.ses_id == first.ses_id and "sent before" in again.text
    assert ses.counters()["messages"] == 1


def test_new_recipients_of_a_known_message_get_theirs(parts):
    post, ses = relay(parts)
    text = message(SENDER, TO)
    [first] = offer(post, text)
    known, new = offer(post, text, TO, "new@example.com")
    assert "sent before" in known.text and known.ses_id == first.ses_id
    assert accepted(ses, new)["recipients"] == ["new@example.com"]
    assert ses.counters()["messages"] == 2


def test_another_sender_or_another_byte_is_another_message(parts):
    post, ses = relay(parts)
    text = message(SENDER, TO)
    offer(post, text)
    offer(post, text + "\n")
    with post.client() as client:
        client.deliver("other@example.com", [TO], text)
    assert ses.counters()["messages"] == 3


def test_without_a_received_field_nothing_is_known_again(parts):
    """A cron job may well mail the same words twice."""
    post, ses = relay(parts)
    text = f"From: <{SENDER}>\nSubject: backup\n\nDone.\n"
    [first] = offer(post, text)
    [second] = offer(post, text)
    assert first.ses_id != second.ses_id
    assert ses.counters()["messages"] == 2


def test_after_the_repeat_window_it_is_sent_again(parts):
    post, ses = relay(parts, conf={"store": {"repeat-window": "1s"}})
    text = message(SENDER, TO)
    [first] = offer(post, text)
    [later] = offer(post, text)
    assert "sent before" in later.text
    while "sent before" in later.text:
        [later] = offer(post, text)
    assert later.ses_id != first.ses_id
    assert ses.counters()["messages"] == 2


def test_in_two_sessions_at_once(parts):
    """The second waits for the first one's outcome."""
    post, ses = relay(parts)
    text = message(SENDER, TO)
    ses.fault("dot delay ms=1000 nth=1")
    one, two = post.connect(), post.connect()
    for client in (one, two):
        client.mail(SENDER)
        client.rcpt(TO)
        client.cmd("DATA", 354)
    one.body(text)
    ses.wait_for("faults", 1)
    two.body(text)
    first, second = one.reply(), two.reply()
    assert first.code == second.code == 250
    assert first.ses_id == second.ses_id
    assert ses.counters()["messages"] == 1
    assert states(post) == ["sent"]
    one.close()
    two.close()


def test_the_one_who_waits_hears_the_refusal_too(parts):
    post, ses = relay(parts)
    ses.remove("identity", "example.com")
    ses.fault("dot delay ms=500 nth=1")
    text = message(SENDER, TO)
    one, two = post.connect(), post.connect()
    for client in (one, two):
        client.mail(SENDER)
        client.rcpt(TO)
        client.cmd("DATA", 354)
    one.body(text)
    ses.wait_for("faults", 1)
    two.body(text)
    first, second = one.reply(), two.reply()
    assert (first.code, first.enhanced) == (550, "5.7.1")
    assert str(first) == str(second)
    assert ses.counters()["refusals"] == 1
    one.close()
    two.close()


@pytest.mark.parametrize("leave", ["cut", "close"])
def test_connection_lost_after_ses_accepted(parts, leave):
    """The MTA never heard of it, and comes again."""
    post, ses = relay(parts)
    text = message(SENDER, TO)
    client = post.connect()
    client.mail(SENDER)
    client.rcpt(TO)
    client.cmd("DATA", 354)
    ses.set(latency="200ms")
    client.body(text)
    ses.wait_for("messages", 1)
    getattr(client, leave)()
    sent = post.daemon.wait_event("sent")
    ses.set(latency="0")
    [again] = offer(post, text)
    assert again.code == 250 and again.ses_id in sent["reply"]
    assert ses.counters()["messages"] == 1
    assert states(post) == ["sent"]


def test_client_gone_before_its_dot(parts):
    """Its turn had not come: nothing is sent, and nothing is spent."""
    post, ses = relay(parts, conf={"quota": {"rate": "0.5"}})
    assert send(post, TO)[0].code == 250
    text = message(SENDER, TO)
    client = post.connect()
    client.mail(SENDER)
    client.rcpt(TO)
    client.cmd("DATA", 354)
    client.body(text)
    [_, mine] = post.daemon.wait_events("received", 2)
    client.close()
    assert post.daemon.wait_event("deferred")["id"] == mine["id"]
    [again] = offer(post, text)
    assert accepted(ses, again)
    assert len(journal(post, "deferred")) == 1
    assert ses.counters()["messages"] == 2
    assert ask(post, "quota")["waiting"] == 0


def test_half_a_message_is_no_message(parts):
    post, ses = relay(parts)
    client = post.connect()
    client.mail(SENDER)
    client.rcpt(TO)
    client.cmd("DATA", 354)
    client.send(b"From: <a@example.com>\r\n\r\nHello.\r\n")
    client.close()
    with post.client() as other:
        other.cmd("NOOP", 250)
    post.stop()
    assert ses.counters()["transactions"] == 0
    assert post.sql("SELECT * FROM message") == []


def test_doubtful_is_sent_again_and_marked(parts):
    """SES took it and the reply was lost: the MTA's next try may be a duplicate."""
    post, ses = relay(parts)
    ses.fault("dot lose nth=1")
    text = message(SENDER, TO)
    [first] = offer(post, text)
    assert (first.code, first.enhanced) == (451, "4.4.2")
    assert "may have accepted" in first.text
    assert states(post) == ["doubtful"]
    [again] = offer(post, text)
    entry = accepted(ses, again)
    assert post.daemon.wait_event("resend")["reason"].startswith("in doubt")
    assert ses.counters()["messages"] == 2
    sent = post.daemon.wait_event("sent")
    assert entry["tags"]["postern"] == [f"{sent['id']}-1-2"]
    assert states(post) == ["sent"]


def test_doubtful_is_held(parts):
    post, ses = relay(parts, conf={"store": {"doubtful": "hold"}})
    ses.fault("dot lose nth=1")
    text = message(SENDER, TO)
    assert offer(post, text)[0].code == 451
    for _ in range(2):
        [held] = offer(post, text)
        assert (held.code, held.enhanced) == (451, "4.4.2")
        assert "held" in held.text
    post.restart()
    assert "held" in offer(post, text)[0].text
    assert ses.counters()["messages"] == 1
    assert states(post) == ["doubtful"]


def test_killed_past_the_dot_is_doubtful(parts):
    post, ses = relay(parts, conf={"store": {"doubtful": "hold"}})
    ses.fault("dot stall nth=1")
    text = message(SENDER, TO)
    client = post.connect()
    client.mail(SENDER)
    client.rcpt(TO)
    client.cmd("DATA", 354)
    client.body(text)
    ses.wait_for("faults", 1)
    post.kill()
    client.close()
    post.start()
    assert states(post) == ["doubtful"]
    assert "held" in offer(post, text)[0].text


def test_killed_before_the_dot_is_sent_once(parts):
    post, ses = relay(parts)
    ses.fault("data stall nth=1")
    text = message(SENDER, TO)
    client = post.connect()
    client.mail(SENDER)
    client.rcpt(TO)
    client.cmd("DATA", 354)
    client.body(text)
    ses.wait_for("faults", 1)
    post.kill()
    client.close()
    post.start()
    [again] = offer(post, text)
    assert accepted(ses, again)
    assert ses.counters()["messages"] == 1
