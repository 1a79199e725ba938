"""A real Postfix 3.7 hands its mail to posternd, as an administrator sets it up."""

import collections

import pytest

from lib.postfix import why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

MESSAGES = 500
IN_TRANSIT = 20


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_every_message_once(postfix_site, tcp):
    """All arrive, each once, and can be followed by either id, there and back."""
    postfix, relay = postfix_site(tcp)

    # -N makes each recipient another: 1rcpt@..., 2rcpt@...
    postfix.smtp_source(
        "-N", "-s", str(IN_TRANSIT), "-m", str(MESSAGES), "-l", "2048",
        "-f", "sender@example.com", "-t", "rcpt@example.net",
    )
    postfix.wait_deliveries(MESSAGES)
    postfix.wait_empty()

    accepted = relay.sandbox.messages()
    got = collections.Counter(rcpt for m in accepted for rcpt in m["recipients"])
    assert len(got) == MESSAGES
    assert set(got.values()) == {1}, "a recipient got a message twice"

    by_recipient = {m["recipients"][0]: m["id"] for m in accepted}
    deliveries = postfix.deliveries()
    assert len(deliveries) == MESSAGES
    for delivery in deliveries:
        assert delivery["status"] == "sent"
        assert delivery["dsn"] == "2.0.0"
        ses_id = by_recipient[delivery["to"]]
        assert delivery["reply"] == f"250 2.0.0 Ok {ses_id}"

    # From a line of the mail log to the SES id, and from that to the line.
    one = deliveries[MESSAGES // 2]
    ses_id = by_recipient[one["to"]]
    for option, value in (("--queue-id", one["queue_id"]), ("--ses-id", ses_id)):
        found = relay.posternd.log(option, value)
        assert [row["ses_id"] for row in found] == [ses_id]
        assert found[0]["recipient"] == one["to"]
        assert one["queue_id"] in found[0]["queue_ids"]
        assert found[0]["state"] == "sent"

    assert relay.sandbox.violations() == []
    relay.posternd.run("verify")


def test_bounces_only_what_can_never_be_sent(postfix_site):
    """An unverified sender's mail bounces with the reason, and the bounce, which
    has a null sender, goes out by a verified one, since SES refuses null."""
    postfix, relay = postfix_site()
    postfix.sendmail(
        "From: someone@unverified.example\nTo: a@example.net\n"
        "Subject: no\n\nbody\n",
        "-t", "-f", "someone@unverified.example",
    )
    (refused,) = postfix.wait_deliveries(1, "bounced")
    assert refused["dsn"] == "5.7.1"
    assert "550 5.7.1" in refused["reply"]
    (notice,) = postfix.wait_deliveries(1, "sent")
    assert notice["to"] == "someone@unverified.example"
    postfix.wait_empty()
    (message,) = relay.sandbox.messages()
    assert message["sender"] == "mailer-daemon@example.com"


def test_keeps_mail_while_posternd_is_down(postfix_site):
    """No posternd, no loss: Postfix waits, and the mail goes out after."""
    postfix, relay = postfix_site()
    relay.posternd.stop()
    postfix.sendmail(
        "From: a@example.com\nTo: b@example.net\nSubject: late\n\nbody\n",
        "-t", "-f", "a@example.com",
    )
    postfix.wait_deliveries(1, "deferred")
    assert relay.sandbox.messages() == []
    relay.posternd.start()
    postfix.flush()
    postfix.wait_deliveries(1, "sent")
    postfix.wait_empty()
    assert len(relay.sandbox.messages()) == 1
