"""A journal of many days and what SES reported of some of its messages."""

import contextlib
import datetime
import json
import os
import shutil
import sqlite3
import subprocess
import uuid

from lib.build import tool

DAYS = 400


def fill(journal, deliveries):
    """Deliveries over DAYS, up to now, written as posternd writes them."""
    subprocess.run([tool("journalfill"), journal, str(deliveries), str(DAYS)],
                   check=True, capture_output=True, start_new_session=True)


SEARCH = "-search.db"


def move(journal, to):
    """A journal, and what belongs to it."""
    for which in ("", SEARCH):
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(journal + which + suffix):
                shutil.move(journal + which + suffix, to + which + suffix)


def adopt(post, journal):
    """Make it the journal of a posternd that does not run yet."""
    move(journal, post.store)
    if os.geteuid() == 0:
        for name in os.listdir(post.store_dir):
            shutil.chown(os.path.join(post.store_dir, name), post.user)


def _stamp(us):
    at = datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(row):
    """What SES would publish of a message: mostly bounces, some of its other
    news, by the last bytes of the message's random id."""
    which = row["id"][14] % 16
    recipient = {"emailAddress": row["recipient"]}
    after = _stamp(row["sent_at"] + 3_000_000)
    mail = {
        "messageId": row["ses_id"], "timestamp": _stamp(row["sent_at"]),
        "destination": [row["recipient"]],
        "tags": {"postern": [f"{uuid.UUID(bytes=row['id'])}-{row['n']}-1"]},
    }
    if which == 0:
        return {"eventType": "Complaint", "mail": mail, "complaint": {
            "complainedRecipients": [recipient], "timestamp": after,
            "feedbackId": row["ses_id"] + "-c", "complaintFeedbackType": "abuse"}}
    if which < 4:
        return {"eventType": "DeliveryDelay", "mail": mail, "deliveryDelay": {
            "delayedRecipients": [dict(recipient, status="4.2.2",
                                       diagnosticCode="smtp; 452 mailbox full")],
            "timestamp": after, "delayType": "MailboxFull"}}
    if which < 10:
        return {"eventType": "Delivery", "mail": mail, "delivery": {
            "recipients": [row["recipient"]], "timestamp": after,
            "processingTimeMillis": 3000, "smtpResponse": "250 ok",
            "reportingMTA": "a.smtp-out.amazonses.com"}}
    permanent = which < 13
    return {"eventType": "Bounce", "mail": mail, "bounce": {
        "bounceType": "Permanent" if permanent else "Transient",
        "bounceSubType": "General", "timestamp": after,
        "feedbackId": row["ses_id"] + "-b",
        "bouncedRecipients": [dict(
            recipient, action="failed",
            status="5.1.1" if permanent else "4.4.7",
            diagnosticCode="smtp; 550 5.1.1 user unknown" if permanent
            else "smtp; 450 4.4.7 message expired")]}}


def feedback(post, path, share):
    """Write SES's events of so large a share of what was sent to a file;
    returns how many."""
    n = 0
    with contextlib.closing(
            sqlite3.connect(f"file:{post.store}?mode=ro", uri=True)) as db, \
            open(path, "w", encoding="utf-8") as out:
        db.row_factory = sqlite3.Row
        for row in db.execute(
                "SELECT d.message AS id, d.n, d.ses_id, d.sent_at,"
                " p.value AS recipient FROM delivery d JOIN party p"
                " ON p.message = d.message AND p.n = d.n AND p.role = 'recipient'"
                " WHERE d.state = 'sent' AND substr(d.message, 16) < ?",
                (bytes([int(256 * share)]),)):
            out.write(json.dumps(_record(row)) + "\n")
            n += 1
    return n


def some_delivery(post, event="sent"):
    """One from the middle with such a row, to ask for, as in the audit view."""
    [row] = post.sql(
        "SELECT * FROM audit WHERE message = (SELECT lower(substr(hex(id), 1, 8)"
        " || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-'"
        " || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)) FROM message"
        " WHERE id = (SELECT message FROM journal WHERE event = ? AND"
        " seq > (SELECT max(seq) / 2 FROM journal) LIMIT 1))", event)
    return row
