"""A journal of days long past, as posternd would have left it.

Written in Python from what schema/README promises and nothing else, so that
what reads it is held to the same words.

	old = OldJournal(path)
	old.days(400, 3)	# three messages a day, the first 400 days ago
	old.close()
"""

import base64
import hashlib
import json
import os
import random
import sqlite3
import time

from lib import build

DAY = 86400 * 1_000_000
PEOPLE = ["ann@example.org", "bob@example.org", "joann@example.org"]


def midnight(days_ago):
    now = time.time_ns() // 1000
    return now - now % DAY - days_ago * DAY


def day(days_ago):
    return time.strftime("%Y-%m-%d", time.gmtime(midnight(days_ago) / 1e6))


def field(v):
    if isinstance(v, int):
        v = v.to_bytes(8, "big", signed=True)
    elif isinstance(v, str):
        v = v.encode()
    return len(v or b"").to_bytes(4, "big") + (v or b"")


class OldJournal:
    """Rows, and what they mean for the other tables."""

    def __init__(self, path, seed=1):
        open(path, "xb").close()
        os.chmod(path, 0o640)
        self.random = random.Random(seed)
        self.db = sqlite3.connect(path, isolation_level=None)
        for step in sorted((build.SOURCE / "schema").glob("0*.sql")):
            self.db.executescript(step.read_text(encoding="utf-8"))
            self.db.execute(f"PRAGMA user_version = {int(step.name[:3])}")
        self.db.execute("BEGIN")
        self.seq, self.chain, self.n = 0, bytes(32), 0

    def close(self):
        self.db.execute("COMMIT")
        self.db.close()

    def bytes(self, n):
        return self.random.getrandbits(8 * n).to_bytes(n, "big")

    def row(self, at, event, message=None, n=0, **detail):
        self.seq += 1
        row = [self.seq, at, 7, self.seq, event, message, n,
               json.dumps(detail, separators=(",", ":"))]
        self.chain = hashlib.sha256(
            self.chain + b"".join(map(field, row))).digest()
        self.db.execute("INSERT INTO journal VALUES (?,?,?,?,?,?,?,?,?)",
                        [*row, self.chain])
        return self.seq

    def commit_to(self, value):
        salt = self.bytes(16)
        return salt, base64.b64encode(
            hashlib.sha256(salt + value.encode()).digest()).decode()

    def party(self, message, n, role, value):
        salt, commitment = self.commit_to(value)
        self.db.execute("INSERT INTO party VALUES (?,?,?,?,?)",
                        [message, n, role, value, salt])
        return commitment

    def message(self, at, recipients, sender="bob@example.org", message_id=None,
                **people):
        """One that arrived; people: rewritten, original, from_, client, user."""
        self.n += 1
        ident = ((at // 1000) << 80 | 7 << 76 | 2 << 62 | self.n).to_bytes(16, "big")
        people = {"sender": sender, **people}
        people = {role.strip("_"): value for role, value in people.items()}
        id_field = message_id or f"<{self.n}@client.example>"
        salt, message_id = self.commit_to(id_field)
        digest = self.bytes(32)
        detail = {"digest": base64.b64encode(digest).decode(), "size": 1000 + self.n,
                  "queue_ids": f"4Q{self.n:x}", "message_id": message_id}
        detail |= {role: self.party(ident, 0, role, value)
                   for role, value in people.items()}
        detail["recipient"] = {str(i): self.party(ident, i, "recipient", value)
                               for i, value in enumerate(recipients, 1)}
        self.row(at, "received", ident, 0, **detail)
        self.db.execute(
            "INSERT INTO message VALUES (?,?,?,?,?,?,?,NULL)",
            [ident, at, digest, detail["size"], detail["queue_ids"],
             id_field, salt])
        for n in range(1, len(recipients) + 1):
            self.db.execute(
                "INSERT INTO delivery (message, n, state, attempts, updated_at)"
                " VALUES (?,?,'waiting',0,?)", [ident, n, at])
        return ident

    def sending(self, at, ident, n, attempt=1):
        self.row(at, "sending", ident, n, attempt=attempt)
        self.db.execute("UPDATE delivery SET state = 'sending', attempts = ?,"
                        " updated_at = ? WHERE message = ? AND n = ?",
                        [attempt, at, ident, n])

    def outcome(self, at, ident, n, state, attempt=1):
        words = {"code": 250, "dsn": "2.0.0", "reply": "Ok {ses-id}"}
        ses_id = None
        if state == "sent":
            ses_id = f"0101-{ident.hex()}-{n}"
            words["ses_id"] = ses_id
        else:
            words |= {"code": 454, "dsn": "4.3.0", "reply": "later"}
        self.row(at, state, ident, n, attempt=attempt, **words)
        self.db.execute(
            "UPDATE delivery SET state = ?, code = ?, dsn = ?, reply = ?, ses_id = ?,"
            " sent_at = ?, updated_at = ? WHERE message = ? AND n = ?",
            [state, words["code"], words["dsn"], words["reply"], ses_id,
             at if state == "sent" else None, at, ident, n])

    def deliver(self, at, ident, n, state="sent", attempt=1):
        self.sending(at, ident, n, attempt)
        self.outcome(at + 1000, ident, n, state, attempt)

    def report(self, at, ses_id, what, feedback=None, ident=None, n=0,
               attempt=None, feedback_id=None, unmatched=None):
        """An event of SES's; without ident it belongs to nothing.

        unmatched: the row that it had when it belonged to nothing. Its row's seq.
        """
        stated = {"type": what, "feedback": feedback, "attempt": attempt,
                  "ses_id": ses_id, "feedback_id": feedback_id, "time": at,
                  "unmatched": unmatched}
        seq = self.row(at, "event", ident, n,
                       **{k: v for k, v in stated.items() if v is not None})
        digest = hashlib.sha256("\0".join(
            (what, ses_id, feedback_id or str(at))).encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        if ident is None:
            self.db.execute("INSERT INTO unmatched VALUES (?,?,?)",
                            [ses_id, key, seq])
            return seq
        self.db.execute("INSERT OR IGNORE INTO event VALUES (?,?,?,?,?)",
                        [ident, n, key, seq, attempt])
        self.db.execute("DELETE FROM unmatched WHERE seq = ?", [unmatched])
        if feedback is not None:
            self.db.execute("UPDATE delivery SET feedback = ?, updated_at = ?"
                            " WHERE message = ? AND n = ? AND feedback IS NOT ?",
                            [feedback, at, ident, n, feedback])
        return seq

    def suppress(self, at, address, until=None):
        salt, commitment = self.commit_to(address)
        detail = {"address": commitment, "reason": "bounced", "who": "test"}
        if until is not None:
            detail["until"] = until
        seq = self.row(at, "suppressed", **detail)
        self.db.execute("INSERT INTO suppression"
                        " (seq, address, salt, reason, since, until)"
                        " VALUES (?,?,?,'bounced',?,?)",
                        [seq, address, salt, at, until])
        return seq

    def days(self, first, each, last=0, people=PEOPLE, reports=False):
        """Messages on each day; the last of a day is done on the next one.

        reports: what SES had to say of those that were sent, and of others.
        """
        late = None
        for ago in range(first, last, -1):
            start = midnight(ago)
            if late is not None:
                self.deliver(start + 5000, late, 1, attempt=2)
            for i in range(each):
                at = start + (i + 1) * (DAY // (each + 2))
                late = self.message(
                    at, self.random.sample(people, self.random.randint(1, len(people))),
                    self.random.choice(people), client="host[192.0.2.1]")
                count, = self.db.execute("SELECT count(*) FROM delivery WHERE"
                                         " message = ?", [late]).fetchone()
                for n in range(1, count + 1):
                    last_one = i == each - 1 and n == 1
                    self.deliver(at + n * 10000, late, n,
                                 "deferred" if last_one else "sent")
                    if reports and not last_one:
                        self.report(at + n * 10000 + 2000, f"0101-{late.hex()}-{n}",
                                    "Delivery", "delivered", late, n, 1)
                if reports:
                    self.report(at + count * 10000 + 5000, f"0101-{self.n}",
                                "Bounce", "bounced", feedback_id=f"F{self.n}")
