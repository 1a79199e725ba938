"""A real Sendmail 8.17 hands its mail to posternd by contrib/sendmail/postern.m4."""

import pytest

from lib.relay import Relay
from lib.sendmail import Sendmail, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

MESSAGE = (
    "From: sender@example.com\r\nTo: many@example.net\r\n"
    "Subject: through Sendmail\r\n\r\n.a line with a dot\r\n"
)


@pytest.fixture(params=["unix", "tcp"])
def site(request, safe_parts):
    relay = safe_parts.add(Relay(safe_parts.dir("r")))
    if request.param == "tcp":
        args = f"TCP 127.0.0.1 {relay.posternd.port}"
    else:
        args = f"FILE {relay.posternd.socket}"
    sendmail = safe_parts.add(Sendmail(safe_parts.dir("sendmail"), args))
    return sendmail.start(), relay


def test_every_recipient_once(site):
    """Three recipients of a message are three messages to SES, in one
    transaction, and its queue id finds them."""
    sendmail, relay = site
    recipients = ["a@example.net", "b@example.net", "c@example.org"]
    queue_ids = [
        sendmail.smtp("sender@example.com", recipients, MESSAGE)
        for _ in range(5)
    ]
    sendmail.wait_empty()

    accepted = relay.sandbox.messages()
    assert sorted(r for m in accepted for r in m["recipients"]) == sorted(
        recipients * 5
    )
    ids = {m["id"] for m in accepted}
    assert len(ids) == 15
    replies = sendmail.replies()
    for ses_id in ids:
        assert replies.count(f"250 2.0.0 Ok {ses_id}") == 1
        assert b"\r\n.a line with a dot\r\n" in relay.accepted(ses_id)

    for queue_id in queue_ids:
        rows = relay.posternd.log("--queue-id", queue_id)
        assert sorted(row["recipient"] for row in rows) == recipients
        assert {row["ses_id"] for row in rows} <= ids
    assert relay.sandbox.violations() == []


def test_bounces_what_can_never_be_sent(site):
    """An unverified sender's mail bounces, and the bounce goes out by a
    verified address in place of the null sender that SES refuses."""
    sendmail, relay = site
    sendmail.smtp("someone@unverified.example", ["a@example.net"], MESSAGE)
    relay.sandbox.wait_for("messages", 1)
    sendmail.wait_empty()
    (notice,) = relay.sandbox.messages()
    assert notice["recipients"] == ["someone@unverified.example"]
    assert notice["sender"] == "mailer-daemon@example.com"
    assert b"is not a verified identity" in relay.accepted(notice["id"])
