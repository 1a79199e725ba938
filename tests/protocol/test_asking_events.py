"""What SES has reported, in log, report and metrics."""

import json
import re

import pytest

from lib.page import Page
from lib.rig import relay, send

SIMULATOR = "simulator.amazonses.com"
LOCALS = ("success", "bounce", "complaint", "suppressionlist", "ooto")


@pytest.fixture
def post(parts):
    """A posternd that knows the fate of a message to each mailbox simulator."""
    post, ses = relay(parts, conf={"ses": {"configuration-set": "events"}},
                      configuration_set=["events"])
    send(post, *(f"{local}@{SIMULATOR}" for local in LOCALS))
    post.run("events", "ingest", ses.events_file)
    return post


def found(post, *args):
    status, out, _ = post.run("log", "--json", *args, expect=None)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == (0 if rows else 1)
    return sorted(row["recipient"].partition("@")[0] for row in rows)


def test_log(post):
    assert found(post, "--feedback", "bounced") == ["bounce", "suppressionlist"]
    assert found(post, "--feedback", "complained") == ["complaint"]
    assert found(post, "--feedback", "delivered") == ["ooto", "success"]
    assert found(post, "--feedback", "delayed") == []
    assert "bounce" in found(post, "--reply", "UNKNOWN user 5.1.1")
    assert found(post, "--reply", "unknown", "--feedback", "complained") == []
    # Whoever reads the table is not to take a bounce for a success.
    rows = post.run("log").splitlines()[1:]
    for row in rows:
        assert ("  sent, bounced  " in row) == ("bounce@" in row or "list@" in row)
    # Good news is no reply to be found by.
    assert found(post, "--reply", "Delivery") == []
    # A question that was asked before the news came still finds it.
    [day] = [json.loads(line) for line in post.run(
        "log", "--count", "--by", "day", "--json").splitlines()]
    assert {k: day[k] for k in ("sent", "delivered", "bounced", "complained")} == {
        "sent": 5, "delivered": 2, "bounced": 2, "complained": 1}


def test_news_that_comes_late_is_found(post):
    assert found(post, "--reply", "late words") == []
    [row] = post.log("--recipient", f"success@{SIMULATOR}")
    post.run("events", "ingest", "-", stdin=json.dumps({
        "eventType": "Bounce",
        "mail": {"messageId": row["ses_id"], "timestamp": "2026-11-22T10:00:00.000Z",
                 "destination": [row["recipient"]]},
        "bounce": {
            "bounceType": "Transient", "bounceSubType": "MailboxFull",
            "timestamp": "2026-11-22T10:00:05.000Z", "feedbackId": "late",
            "bouncedRecipients": [{"emailAddress": row["recipient"],
                                   "diagnosticCode": "late words of it"}]}}))
    assert found(post, "--reply", "words late") == ["success"]
    assert "success" in found(post, "--feedback", "bounced")
    assert found(post, "--feedback", "delivered") == ["ooto"]
    assert "late words of it" in " ".join(post.run("show", row["ses_id"]).split())


def test_report(post):
    page = Page(post.run("report", "--html", "-"))
    tables = page.tables()
    [days] = [rows for caption, rows in tables.items() if "over time" in caption]
    assert days[-1][6:] == ["2", "1", "40.00 %", "20.000 %"]
    [phases] = [rows for caption, rows in tables.items() if "by phase" in caption]
    [delivered] = [row for row in phases if row[0] == "SES's delivery"]
    assert int(delivered[1]) >= 3
    assert re.search(r"bounced +2 +40\.00 %", post.run("report"))


def test_metrics(post):
    [row] = post.log("--recipient", f"success@{SIMULATOR}")
    for ses_id in ("0100-unknown", row["ses_id"]):
        post.run("events", "ingest", "-", stdin=json.dumps({
            "eventType": "Complaint",
            "mail": {"messageId": ses_id, "timestamp": "2026-11-22T10:00:00.000Z",
                     "destination": ["a@example.net"]},
            "complaint": {"feedbackId": "f", "timestamp": "2026-11-22T10:00:00.000Z",
                          "complaintFeedbackType": "not-spam",
                          "complainedRecipients": [
                              {"emailAddress": "a@example.net"}]}}))
    text = post.run("metrics")
    for line in (r'ses_events_total\{type="Bounce",kind="Permanent"\} 2',
                 r'ses_events_total\{type="Complaint",kind="abuse"\} 1',
                 r'ses_events_total\{type="Complaint",kind="not-spam"\} 1',
                 r'ses_events_total\{type="Send",kind=""\} 5',
                 r'events_total\{event="unmatched"\} 1'):
        assert re.search(f"^postern_{line}$", text, re.M), (line, text)
