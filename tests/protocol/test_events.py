"""What SES reports, from postern-sandbox's event file into the journal.

Each message goes out under a configuration set, so that the sandbox publishes
what becomes of it, in one line a record.
"""

import itertools
import json
import os
import random
import re
import sqlite3
import subprocess
import uuid

import pytest

from lib import build
from lib.lmtp import message
from lib.oldjournal import OldJournal, midnight
from lib.rig import SENDER, journal, relay, send, states
from lib.store import Store, remains

TO = "b@example.com"
SIMULATOR = "simulator.amazonses.com"
SET = {"configuration-set": "events"}


def publishing(parts, conf=None, **options):
    conf = dict(conf or {})
    conf["ses"] = dict(SET, **conf.get("ses", {}))
    return relay(parts, conf=conf, configuration_set=["events"], **options)


def ingest(post, *files, stdin=None, expect=0):
    return post.json("events", "ingest", *files, stdin=stdin, expect=expect)


def counts(answer):
    """Without what is zero."""
    return {k: v for k, v in answer.items() if v not in (0, [])}


def feedback(post):
    return [row["feedback"] for row in
            post.sql("SELECT feedback FROM delivery ORDER BY message, n")]


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_mailbox_simulator(parts, running):
    """Every address of it, the record complete, and nobody suppressed."""
    post, ses = publishing(parts)
    fates = {"success": "delivered", "ooto": "delivered",
             "bounce": "bounced", "suppressionlist": "bounced",
             "complaint": "complained"}
    names = [f"{local}@{SIMULATOR}" for local in fates]
    replies = send(post, *names)
    assert [r.code for r in replies] == [250] * len(names)
    if not running:
        post.stop()
    n = len(ses.published())
    assert counts(ingest(post, ses.events_file)) == {"taken": n}
    assert feedback(post) == list(fates.values())
    assert counts(ingest(post, ses.events_file)) == {"repeated": n}
    assert post.sql("SELECT * FROM suppression") == []
    post.run("verify", "--projections")
    if running:
        assert all(r.code == 250 for r in send(post, *names))

    # The story of one, to the remote server's last words.
    story = " ".join(post.run("show", replies[3].ses_id).split())
    for words in (" sent ", "event bounce@", "type=Send", "type=Bounce",
                  "kind=Permanent", "subtype=General", "dsn=5.1.1",
                  "text=smtp; 550 5.1.1 user unknown", "; bounced",
                  "; complained"):
        assert words in story, (words, story)


def bounce_of(ses, ses_id, **changes):
    """A bounce as SES would report it of an ordinary mailbox."""
    [record] = [r for r in ses.published("Delivery")
                if r["mail"]["messageId"] == ses_id]
    [to] = record["mail"]["destination"]
    record["eventType"] = "Bounce"
    del record["delivery"]
    record["bounce"] = {
        "bounceType": "Permanent", "bounceSubType": "NoEmail",
        "bouncedRecipients": [{
            "emailAddress": to, "action": "failed", "status": "5.1.1",
            "diagnosticCode": f"smtp; 550 5.1.1 <{to}>: User unknown"}],
        "timestamp": "2026-11-22T10:00:02.000Z",
        "feedbackId": f"0100-feedback-of-{ses_id[-12:]}", **changes}
    return record


def test_who_bounced_gets_no_more(parts):
    post, ses = publishing(parts)
    [first] = send(post, TO)
    answer = ingest(post, "-", stdin=json.dumps(bounce_of(ses, first.ses_id)))
    assert counts(answer) == {"taken": 1, "suppressed": 1}
    for _ in range(2):
        with post.client() as client:
            client.mail(SENDER)
            refused = client.rcpt("B@example.com")
            other = client.rcpt("other@example.com")
        assert (refused.code, refused.enhanced) == (550, "5.7.1")
        assert "bounced for good (NoEmail)" in refused.text
        assert "550 5.1.1 this address: User unknown" in refused.text
        assert other.code == 250
        # From the journal as from memory.
        post.restart()
    [entry] = post.json("suppress", "list")
    assert (entry["address"], entry["who"]) == (TO, "event")
    assert "this address: User unknown" in entry["reason"]
    assert "suppressed b@example.com" in post.run("show", first.ses_id)
    post.run("verify", "--projections")


def test_complaint_as_configured(parts):
    """events.suppress is read anew with the rest."""
    post, ses = publishing(parts, conf={"events": {"suppress": []}})
    [first] = send(post, TO)
    record = bounce_of(ses, first.ses_id)
    answer = ingest(post, stdin=json.dumps(record))
    assert counts(answer) == {"taken": 1}
    post.configure({"events": {"suppress": ["complaint"]}})
    post.sighup()
    record["eventType"] = "Complaint"
    record["complaint"] = {"timestamp": "2026-11-23T10:00:00.000Z",
                           "feedbackId": "0100-complaint",
                           "complaintFeedbackType": "abuse"}
    answer = ingest(post, stdin=json.dumps(record))
    assert counts(answer) == {"taken": 1, "suppressed": 1}
    assert feedback(post) == ["complained"]


def in_doubt(post, ses):
    """SES took it, and the reply was lost."""
    ses.fault("dot lose nth=1")
    text = message(SENDER, TO)
    with post.client() as client:
        [reply] = client.deliver(SENDER, [TO], text)
    assert (reply.code, reply.enhanced) == (451, "4.4.2")
    assert states(post) == ["doubtful"]
    return text


@pytest.mark.parametrize("doubtful", ["hold", "resend"])
def test_doubtful_settled(parts, doubtful):
    """By the tag: SES's id was never learnt from its reply."""
    post, ses = publishing(parts, conf={"store": {"doubtful": doubtful}})
    text = in_doubt(post, ses)
    answer = counts(ingest(post, ses.events_file))
    assert answer == {"taken": 2, "settled": 1}
    [entry] = ses.messages()
    [row] = post.sql("SELECT * FROM delivery")
    assert (row["state"], row["ses_id"]) == ("sent", entry["id"])
    assert row["feedback"] == "delivered"
    with post.client() as client:
        [again] = client.deliver(SENDER, [TO], text)
    assert again.code == 250 and again.ses_id == entry["id"]
    assert "sent before" in again.text
    assert ses.counters()["messages"] == 1
    assert "settled" in post.run("show", entry["id"])
    post.run("verify", "--projections")


def sns(record):
    return json.dumps({
        "Type": "Notification", "MessageId": "6f0e", "Message":
        json.dumps(record) + "\n", "SignatureVersion": "1"})


def bridge(record):
    return json.dumps({"version": "0", "source": "aws.ses",
                       "detail-type": "x", "detail": record})


def sqs(*records):
    bodies = [{"MessageId": "1", "Body": r} for r in records]
    return json.dumps({"Messages": bodies}, indent=4)


def test_all_in_one_stream(parts):
    """Every wrapping, in disorder, with broken, foreign and hostile records
    between: the good ones are taken once, the bad ones named by their place."""
    post, ses = publishing(parts)
    send(post, *(f"r{i}@example.com" for i in range(4)))
    records = ses.published()
    bare = [json.dumps(r) for r in records]
    foreign = json.loads(bare[0])
    foreign["mail"]["messageId"] = "0100-of-others"
    del foreign["mail"]["tags"]
    deep = '{"a":' * 500 + "1" + "}" * 500
    parts_ = [
        "Successfully validated SNS topic for Amazon SES event publishing.\n",
        bare[7] + bare[6] + "\n",
        sns(records[5]), sqs(sns(records[4]), bare[3], "rubbish"), "\n",
        bridge(records[2]), "\n",
        bare[1][:200], "\n",
        bare[1], "\n", bare[0][:-30], "\n",
        deep, "\n",
        json.dumps(foreign), "\n",
        '{"eventType":"Send","mail":{"messageId":"x\xff"}}\n',
        '{"eventType":"Send","mail":{"messageId":["x"]}}\n',
        '{"version":"0","source":"aws.ec2","detail":{}}\n',
        '{"eventType":"Send","pad":"' + "x" * (1 << 20) + '"}\n',
        bare[0],
    ]
    stream = "".join(parts_)
    path = f"{parts.rundir}/stream"
    with open(path, "w", encoding="latin-1") as f:
        f.write(stream)
    answer = ingest(post, path, expect=1)
    assert answer["taken"] == 8 and answer["unmatched"] == 1
    assert answer["ignored"] == 1 and answer["repeated"] == 0
    reasons = [f["reason"] for f in answer["faults"]]
    assert reasons == [
        "it is no JSON",  # third of the list
        "it breaks off or is no JSON",
        "it breaks off or is no JSON",
        "it is nested too deep",
        "it is no UTF-8",
        "mail.messageId is no id of SES's",
        "it is no event of SES's",
        "it is longer than 1 MB",
    ]
    assert answer["faults"][0]["element"] == 3
    assert [f["offset"] for f in answer["faults"][1:3]] == [
        stream.index(bare[1][:200] + "\n"), stream.index(bare[0][:-30] + "\n")]
    assert feedback(post) == ["delivered"] * 4
    answer = ingest(post, path, expect=1)
    assert answer["repeated"] == 9 and answer["taken"] == 0
    status, out, err = post.run("events", "ingest", path, expect=None)
    assert status == 1 and "taken before" in out
    assert f"{path}: line 3, byte " in err and "record 3 of its list" in err
    post.run("verify", "--projections")


def test_without_tags_by_the_ses_id(parts):
    """The older notifications have none."""
    post, ses = publishing(parts)
    send(post, "r1@example.com", "r2@example.com")
    lines = []
    for record in ses.published("Delivery"):
        record["notificationType"] = record.pop("eventType")
        del record["mail"]["tags"]
        lines.append(json.dumps(record))
    answer = ingest(post, stdin="".join(lines))
    assert counts(answer) == {"taken": 2}
    assert feedback(post) == ["delivered"] * 2


def test_a_stream_that_goes_on(parts):
    """What is there is taken, whenever more may come; in little memory."""
    post, ses = publishing(parts)
    send(post, *(f"r{i}@example.com" for i in range(3)))
    records = [json.dumps(r) for r in ses.published("Delivery")]
    with subprocess.Popen(
            [post.postern(), "-c", post.conf_file, "events", "ingest", "--json"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proc:
        for n, record in enumerate(records, 1):
            proc.stdin.write(record + "\n")
            proc.stdin.flush()
            event = post.daemon.wait_events("events", n)[-1]
            assert event["taken"] == "1"
        junk = '{"eventType":"Send","pad":"' + "x" * 900_000 + '"}\n'
        for _ in range(40):
            proc.stdin.write(junk)
        with open(f"/proc/{proc.pid}/status", encoding="ascii") as f:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1))
        answer = json.loads(proc.communicate()[0])
    assert proc.returncode == 1
    assert (answer["taken"], answer["bad"]) == (3, 40)
    assert peak < 64 * 1024 or build.SANITIZER


def test_nothing_of_others_is_kept(parts):
    """An address that a report names, but we did not write to."""
    post, ses = publishing(parts)
    [first] = send(post, TO)
    record = bounce_of(ses, first.ses_id)
    [bounced] = record["bounce"]["bouncedRecipients"]
    bounced["emailAddress"] = "forwarded@example.net"
    bounced["diagnosticCode"] = "smtp; 550 forwarded@example.net is unknown"
    ingest(post, stdin=json.dumps(record))
    [detail] = [d for d in journal(post, "event") if d["type"] == "Bounce"]
    assert detail["text"] == "smtp; 550 {address} is unknown"
    post.stop()
    for name in (post.store, post.store + "-wal"):
        with open(name, "rb") as f:
            assert b"forwarded@" not in f.read()


def test_reports_of_old_days_are_pruned(rundir):
    """With their messages; what is reported again then belongs to nothing."""
    store = Store(rundir)
    store.fill(40, 3, reports=True).close()
    store.run("verify", "--projections")
    store.prune(20)
    store.verify("a")
    store.verify()
    for table in ("event", "unmatched"):
        [(n,)] = store.get(f"SELECT count(*) FROM {table}", store.archive())
        assert n == 0
    [(first,)] = store.get("SELECT min(seq) FROM journal")
    [(least,)] = store.get("SELECT min(seq) FROM unmatched")
    assert least >= first
    [(n, lost)] = store.get(
        "SELECT count(*), count(*) FILTER (WHERE message NOT IN"
        " (SELECT id FROM message)) FROM event")
    assert n > 0 and lost == 0
    [(gone,)] = store.get("SELECT json_extract(detail, '$.ses_id') FROM journal"
                          " WHERE event = 'sent' LIMIT 1", store.archive())
    record = {"eventType": "Open", "mail": {
        "messageId": gone, "timestamp": "2026-01-01T00:00:00Z"}}
    path = f"{rundir}/record"
    with open(path, "w", encoding="ascii") as f:
        json.dump(record, f)
    assert "1 kept, of no delivery" in store.run("events", "ingest", path)
    store.verify("a")


def test_who_may_not_and_what_is_not_there(parts):
    post, _ = publishing(parts)
    assert post.run("events", expect=None)[0] == 2
    status, _, err = post.run("events", "ingest", "/nowhere", expect=None)
    assert status == 3 and "/nowhere" in err
    assert counts(ingest(post, stdin="")) == {}


def test_journal_in_trouble(parts):
    """Nothing counts as taken that is not; the next run takes it."""
    post, ses = publishing(parts)
    send(post, TO)
    blocker = sqlite3.connect(post.store, isolation_level=None)
    blocker.execute("DROP TABLE unmatched")
    status, out, err = post.run(
        "events", "ingest", "--json", ses.events_file, expect=None)
    assert status == 3 and json.loads(out)["taken"] == 0
    assert "unmatched" in err
    assert feedback(post) == [None]
    blocker.execute("CREATE TABLE unmatched (ses_id TEXT NOT NULL, "
                    "key INTEGER NOT NULL, seq INTEGER NOT NULL, "
                    "PRIMARY KEY (ses_id, key)) STRICT, WITHOUT ROWID")
    blocker.close()
    assert counts(ingest(post, ses.events_file)) == {"taken": 2}


T = "2026-11-22T10:00:%02d.000Z"


def report(what, ses_id, second, tag=None):
    """As SES would tell it: with the tag of an attempt, or in the older format."""
    mail = {"messageId": ses_id, "timestamp": T % 0}
    if tag:
        mail["tags"] = {"postern": [tag]}
    told = {"timestamp": T % second, "feedbackId": f"{what}-{second}"}
    kind = "abuse"
    if what == "Bounce":
        told |= {"bounceType": "Permanent", "bounceSubType": "General",
                 "bouncedRecipients": [{"emailAddress": "x", "action": "failed"}]}
    elif what in ("Complaint", "not-spam"):
        what, kind = "Complaint", what if what == "not-spam" else kind
        told |= {"complaintFeedbackType": kind, "complainedRecipients": []}
    name = what[0].lower() + what[1:]
    return {"eventType" if tag else "notificationType": what, "mail": mail, name: told}


def attempts(store, number, rng):
    """Deliveries that took some attempts, and what SES tells of each of these."""
    old, at, records = OldJournal(store.path), midnight(3), []
    for i in range(number):
        ident = old.message(at, [f"r{i}@example.org"])
        last = rng.choice([1, 2, 2, 3])
        for n in range(1, last + 1):
            state = rng.choice(["doubtful", "deferred", "sent"] if n == last
                               else ["doubtful", "deferred"])
            old.deliver(at + 10000 * n, ident, 1, state, n)
            ses_id = f"0100-{ident.hex()}-{n}"
            if state == "sent":
                [(ses_id,)] = old.db.execute(
                    "SELECT ses_id FROM delivery WHERE message = ?", [ident])
            for second in range(rng.randrange(5)):
                tag = f"{uuid.UUID(bytes=ident)}-1-{n}"
                records.append(report(
                    rng.choice(["Delivery", "Bounce", "Complaint", "not-spam"]),
                    ses_id, second, tag if rng.random() < .5 else None))
        at += 100000
    old.close()
    return records


def outcome(store, lots):
    """What there is after all of them have been taken."""
    for lot in lots:
        subprocess.run([*store.postern, "events", "ingest", "-"], check=True,
                       input="\n".join(map(json.dumps, lot)), text=True,
                       capture_output=True)
    store.verify()
    return [store.get(query) for query in (
        "SELECT hex(message), state, feedback FROM delivery ORDER BY message",
        "SELECT address FROM suppression ORDER BY address",
        "SELECT ses_id, key FROM unmatched ORDER BY ses_id, key")]


def start_again(store, content):
    for path in remains(store.path) + remains(f"{store.path}-search.db"):
        os.unlink(path)
    with open(store.path, "wb") as f:
        f.write(content)
    os.chmod(store.path, 0o640)


@pytest.mark.parametrize("state", ["doubtful", "sent"])
def test_an_earlier_attempts_id_in_any_order(rundir, state):
    store = Store(rundir)
    old, at = OldJournal(store.path), midnight(3)
    ident = old.message(at, ["r@example.org"])
    old.deliver(at + 10000, ident, 1, "doubtful", 1)
    old.deliver(at + 20000, ident, 1, state, 2)
    old.close()
    with open(store.path, "rb") as f:
        content = f.read()
    [(second,)] = store.get("SELECT coalesce(ses_id, 'B') FROM delivery")
    tag = str(uuid.UUID(bytes=ident))
    records = [report("Delivery", "A", 1, f"{tag}-1-1"),
               report("Delivery", second, 1, f"{tag}-1-2"),
               report("Complaint", "A", 3)]
    for order in itertools.permutations(records):
        for lots in ([order], [[record] for record in order]):
            start_again(store, content)
            [[(_, _, feedback_then)], suppressed, unmatched] = outcome(store, lots)
            assert (feedback_then, suppressed, unmatched) == (
                "complained", [("r@example.org",)], [])
    assert "r@example.org" in store.run("log", "--ses-id", "A")


def test_what_older_versions_left_unmatched(rundir):
    store = Store(rundir)
    old, at = OldJournal(store.path), midnight(3)
    ident = old.message(at, ["r@example.org"])
    old.deliver(at + 10000, ident, 1, "sent", 1)
    old.report(at + 20000, "A", "Delivery", "delivered", ident, 1, 1, "1")
    old.report(at + 30000, "A", "Delivery", "delivered", feedback_id="1")
    old.report(at + 40000, "A", "Bounce", "bounced", feedback_id="2")
    old.close()
    [[(_, _, then)], _, unmatched] = outcome(store, [[report("not-spam", "A", 3)]])
    assert (then, unmatched) == ("bounced", [])


@pytest.mark.parametrize("seed", range(3))
def test_any_order_comes_to_the_same(rundir, seed):
    rng = random.Random(seed)
    store = Store(rundir)
    records = attempts(store, 40, rng)
    with open(store.path, "rb") as f:
        content = f.read()
    seen = []
    for _ in range(5):
        start_again(store, content)
        stream = records * rng.choice([1, 2])
        rng.shuffle(stream)
        cut = rng.randrange(len(stream))
        seen.append(outcome(store, [stream[:cut], stream[cut:]]))
    assert seen[0][1] and seen[0][2]
    assert all(other == seen[0] for other in seen)
