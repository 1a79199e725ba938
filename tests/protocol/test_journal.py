"""What the command line reads from the journal, with posternd up and down."""

import csv
import io
import json
import re
import sqlite3
import threading

from lib.lmtp import Closed
from lib.rig import SENDER, accepted, relay, send


def rows(post, *args):
    return post.log(*args)


def ids(post, *args):
    return [row["recipient"] for row in rows(post, *args)]


def test_from_any_name_to_the_story(parts):
    post, ses = relay(parts)
    (reply,) = send(post, "one@example.com")
    send(post, "two@example.com", "x@elsewhere.example")
    ses_id = accepted(ses, reply)["id"]
    assert ids(post, "--ses-id", ses_id) == ["one@example.com"]
    assert set(ids(post, "--sender", SENDER)) == {
        "one@example.com", "two@example.com", "x@elsewhere.example"}
    assert ids(post, "--domain", "elsewhere.example") == ["x@elsewhere.example"]
    assert ids(post, "--state", "refused") == ["x@elsewhere.example"]
    assert ids(post, "--recipient", "TWO@example.com") == ["two@example.com"]
    (row,) = rows(post, "--ses-id", ses_id)
    assert ses_id in row["reply"]
    for name in (ses_id, row["message"], *(row["queue_ids"] or "").split()):
        story = post.run("show", name)
        assert "one@example.com: sent: 250 2.0.0 Ok " in re.sub(r"\s+", " ", story)
        assert re.search(r"Z  sending one@example.com", story)
    assert post.run("show", "nonsense", expect=1) == ""


def test_people_read_names_in_replies(parts):
    post, ses = relay(parts)
    ses.fault("dot reply text=554 Message rejected: <one@example.com> is odd")
    send(post, "one@example.com")
    assert "one@example.com is odd" in re.sub(r"\s+", " ", post.run("log"))
    (row,) = rows(post)
    assert "{recipient:1} is odd" in row["reply"]


def test_pages_are_stable(parts):
    post, _ = relay(parts)
    for i in range(5):
        send(post, f"r{i}@example.com")
    first = rows(post, "-n", "2")
    send(post, "late@example.com")
    second = rows(post, "-n", "2", "--after", str(first[-1]["cursor"]))
    third = rows(post, "-n", "2", "--after", str(second[-1]["cursor"]))
    assert [r["recipient"] for r in first + second + third] == [
        f"r{i}@example.com" for i in (4, 3, 2, 1, 0)]


def test_counts(parts):
    post, ses = relay(parts)
    for i in range(3):
        send(post, f"r{i}@one.example.com", "last@two.example.com")
    ses.fault("dot reply text=554 Message rejected: bad \"words\", really")
    send(post, "never@two.example.com")
    [row] = counts(post)
    assert (row["all"], row["deliveries"], row["sent"], row["refused"]) == (
        "all", 7, 6, 1)
    assert [(r["domain"], r["deliveries"]) for r in counts(post, "--by", "domain")
            ] == [("two.example.com", 4), ("one.example.com", 3)]
    assert [r["state"] for r in counts(post, "--by", "state")] == ["sent", "refused"]
    assert [r["sender"] for r in counts(post, "--by", "sender")] == [SENDER]
    [day] = counts(post, "--by", "day", "--domain", "one.example.com")
    assert day["deliveries"] == 3 and re.fullmatch(r"\d{4}-\d\d-\d\d", day["day"])
    for by in ("hour", "month", "recipient", "client", "user", "feedback"):
        assert sum(r["deliveries"] for r in counts(post, "--by", by)) == 7, by
    table = post.run("log", "--count", "--by", "domain", "-n", "1")
    assert "two.example.com" in table and "one.example.com" not in table
    for text in (post.run("log", "--count", "--by", "reply", "--csv"),
                 post.run("log", "--csv")):
        records = list(csv.reader(io.StringIO(text, newline="")))
        assert len({len(r) for r in records}) == 1
        assert any('bad "words", really' in cell for r in records for cell in r)
    post.run("log", "--count", "--recipient", "nobody@one.example.com", expect=1)
    post.run("log", "--count", "--by", "colour", expect=2)
    post.run("log", "--by", "day", expect=2)
    post.run("log", "--state", "snet", expect=2)
    post.run("log", "--feedback", "bouncy", expect=2)


def counts(post, *args):
    return [json.loads(line) for line in
            post.run("log", "--count", "--json", *args).splitlines()]


def test_posternd_down(parts):
    post, _ = relay(parts)
    send(post, "one@example.com")
    post.stop()
    assert ids(post) == ["one@example.com"]
    post.run("suppress", "add", "gone@example.com", "--reason", "bounced")
    assert "gone@example.com" in post.run("suppress", "list")
    post.run("suppress", "remove", "gone@example.com")
    post.run("suppress", "remove", "gone@example.com", expect=1)
    assert post.json("quota")["rate"] is None
    post.run("verify", "--projections")
    post.start()
    post.run("suppress", "add", "gone@example.com", "--reason", "bounced")
    (reply,) = send(post, "gone@example.com")
    assert reply.code == 550
    post.run("suppress", "remove", "gone@example.com")
    (reply,) = send(post, "gone@example.com")
    assert reply.code == 250
    post.run("verify", "--projections")


def test_quota_for_people(parts):
    post, _ = relay(parts, conf={"quota": {"rate": "0.123456"}})
    for verb in ("quota", "status"):
        told = post.run(verb)
        assert re.search(r"^Rate +0\.123456 recipients a second$", told, re.M)
        assert re.search(r"^Pace now +0\.123 a second$", told, re.M)
        assert "from the journal" not in told
    post.stop()
    told = post.run("quota")
    assert "Pace" not in told
    assert (f"from the journal: posternd: {post.control}: "
            "connect: No such file or directory") in re.sub(r"\s+", " ", told)
    # That it may not be asked is another reason.
    post.configure({"daemon": {"control": f"{post.conf_file}/sock"}})
    assert "connect: Not a directory" in post.run("quota")


def test_quota_counts_the_same_up_and_down(parts):
    post, _ = relay(parts, conf={"quota": {"rate": 200, "daily": 100}})
    send(post, "one@example.com", "two@example.com")
    send(post, "success@simulator.amazonses.com")
    up = post.json("quota")
    assert (up["daily"], up["spent"]) == (100, 2)
    post.stop()
    down = post.json("quota")
    assert (down["daily"], down["spent"]) == (100, 2)
    post.start()
    assert post.json("quota")["spent"] == 2


def test_killed_under_load_the_journal_verifies(parts):
    post, ses = relay(parts)

    def feed():
        try:
            for i in range(200):
                send(post, f"r{i}@example.com")
        except (OSError, Closed):
            pass  # posternd is gone

    for _ in range(3):
        feeder = threading.Thread(target=feed)
        feeder.start()
        threading.Event().wait(0.5)
        post.kill()
        feeder.join()
        post.run("verify", "--projections")
        post.start()
        post.run("verify", "--projections")
    count = "SELECT count(*) AS n FROM delivery WHERE state = ?"
    sent, doubtful = (
        post.sql(count, state)[0]["n"] for state in ("sent", "doubtful"))
    assert sent <= ses.counters()["messages"] <= sent + doubtful


def test_auditors_read_while_mail_flows(parts):
    post, _ = relay(parts)
    stop = threading.Event()
    trouble = []

    def read():
        while not stop.is_set():
            try:
                db = sqlite3.connect(f"file:{post.store}?mode=ro", uri=True)
                db.execute("SELECT * FROM audit").fetchall()
                db.execute("SELECT * FROM audit_daily").fetchall()
                db.execute("SELECT * FROM quota_now").fetchall()
                db.close()
            except sqlite3.Error as e:
                trouble.append(e)

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(50):
        send(post, f"r{i}@example.com")
    stop.set()
    reader.join()
    assert trouble == []


def test_heads_in_the_log_are_in_the_journal(parts):
    post, _ = relay(parts)
    send(post, "one@example.com")
    post.stop()
    seq, chain = re.findall(
        r"event=journal-head seq=(\d+) chain=(\w+)", post.daemon.tail())[-1]
    post.run("verify", "--since-head", f"{seq}:{chain}")
    post.run("verify", "--since-head", f"{int(seq) + 1}:{chain}", expect=1)
