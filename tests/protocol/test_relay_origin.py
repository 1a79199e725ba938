"""What the milter sealed about a message, on its way through posternd."""

import os
import shutil
import subprocess

import pytest

from lib import build
from lib.posternd import UNPRIVILEGED
from lib.rig import accepted, content, fields, relay

SENDER = "SRS0=AAAAAA=AA=elsewhere.example=who@example.com"
FROM = "a@example.com"
MESSAGE_ID = "<1@pc.example>"
QUEUE_ID = "4XyZ12"
HEAD = (f"Received: from pc by mx (Postfix) with ESMTP id {QUEUE_ID};\r\n"
        "\tMon, 02 Mar 2026 10:00:00 +0000\r\n"
        f"From: <{FROM}>\r\nMessage-ID: {MESSAGE_ID}\r\nSubject: x\r\n")
KEYS = {"ours": "the key that we have in common\n",
        "theirs": "the key of somebody else\n"}


def write_key(parts, name):
    path = os.path.join(parts.rundir, f"{name}.secret")
    with open(path, "w", encoding="utf-8") as f:
        f.write(KEYS[name])
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        shutil.chown(path, UNPRIVILEGED)
    return path


def seal(parts, key="ours", age=0, queue_id=QUEUE_ID, user="alice",
         original="who@elsewhere.example", client="pc.example[192.0.2.1]",
         sender=SENDER, from_=FROM, message_id=MESSAGE_ID):
    done = subprocess.run(
        [build.tool("sealorigin"), write_key(parts, key), str(age), queue_id,
         original, user, client, sender, from_, message_id],
        capture_output=True, text=True, check=True)
    return "X-Postern-Origin: " + done.stdout.replace("\n", "\r\n")


@pytest.fixture
def pair(parts):
    return relay(parts, conf={
        "rewrite": {"secret": write_key(parts, "ours")},
        "store": {"repeat-window": "1h"}})


def deliver(post, *parts, sender=SENDER, head=HEAD):
    with post.client() as client:
        [reply] = client.deliver(
            sender, ["b@example.com"], "".join(parts) + head + "\r\nbody\r\n")
    return reply


def row(post):
    [row] = post.sql(
        "SELECT a.sender, a.original_sender, a.client, a.user, m.repairs "
        "FROM audit a JOIN message m ON lower(hex(m.id)) = "
        "replace(a.message, '-', '')")
    return dict(row)


def reached_ses(ses, reply):
    assert reply.code == 250, reply
    head, _ = content(ses, reply)
    assert fields(head, "X-Postern-Origin") == []
    assert fields(head, "Message-ID") == [MESSAGE_ID]
    assert accepted(ses, reply)["sender"] == SENDER


def test_a_site_without_received_fields(parts, pair):
    """The mail server says itself what it calls the message."""
    post, ses = pair
    head = HEAD[HEAD.index("From:"):]
    for ident, repairs in [(QUEUE_ID, "origin=sealed"),
                           ("4Other", "origin=replayed")]:
        with post.client() as client:
            client.cmd(f"XFORWARD IDENT={ident}", 250)
            [reply] = client.deliver(
                SENDER, ["b@example.com"], seal(parts) + head + "\r\nbody\r\n")
        assert reply.code == 250
        [found] = post.sql("SELECT queue_ids, repairs FROM message "
                           f"WHERE queue_ids = '{ident}'")
        assert found["repairs"] == repairs


def test_what_the_milter_knew_is_in_the_journal(parts, pair):
    post, ses = pair
    reply = deliver(post, seal(parts))
    reached_ses(ses, reply)
    assert row(post) == {
        "sender": SENDER, "original_sender": "who@elsewhere.example",
        "client": "pc.example[192.0.2.1]", "user": "alice",
        "repairs": "origin=sealed"}
    # found by any of these
    for who in ["who@elsewhere.example", "alice", SENDER]:
        [hit] = post.log("--sender", who)
        assert hit["original_sender"] == "who@elsewhere.example"
        assert hit["user"] == "alice"
    [line] = [line for line in post.run("log").splitlines() if " sent " in line]
    assert " who@elsewhere.example " in line and SENDER not in line
    assert line.endswith(f"250 2.0.0 Ok {reply.ses_id}")
    story = post.json("show", QUEUE_ID)
    assert {p["role"]: p["value"] for p in story["parties"]} == {
        "sender": SENDER, "original": "who@elsewhere.example", "from": FROM,
        "client": "pc.example[192.0.2.1]", "user": "alice",
        "recipient": "b@example.com"}
    post.run("verify", "--projections")


def test_a_null_sender_stays_one(parts, pair):
    post, ses = pair
    reply = deliver(
        post, seal(parts, original="", user="", sender=""), sender="")
    assert reply.code == 250
    got = row(post)
    assert (got["original_sender"], got["user"]) == ("", None)
    assert got["repairs"] == "origin=sealed null-sender"


def test_none(pair):
    post, ses = pair
    reached_ses(ses, deliver(post))
    assert row(post) == {
        "sender": SENDER, "original_sender": SENDER, "client": None,
        "user": None, "repairs": None}


@pytest.mark.parametrize("made, word", [
    ({"key": "theirs"}, "forged"),
    ({"queue_id": "4XyZ13"}, "replayed"),
    ({"age": 3700}, "stale"),
    ({"age": -90000}, "stale"),
])
def test_one_that_does_not_count(parts, pair, made, word):
    post, ses = pair
    reached_ses(ses, deliver(post, seal(parts, **made)))
    assert row(post) == {
        "sender": SENDER, "original_sender": SENDER, "client": None,
        "user": None, "repairs": f"origin={word}"}


@pytest.mark.parametrize("value", ["", "v=1", "v=1; q=4XyZ12; s=AAAA",
                                   "alice", "v=1; q=4XyZ12; s=" + "A" * 9000])
def test_a_malformed_one(pair, value):
    post, ses = pair
    reached_ses(ses, deliver(post, f"x-postern-origin: {value}\r\n"))
    assert row(post)["repairs"].endswith("origin=malformed")
    assert row(post)["user"] is None


def test_the_topmost_good_one_counts(parts, pair):
    post, ses = pair
    reached_ses(ses, deliver(
        post, seal(parts, key="theirs", user="mallory"), seal(parts),
        seal(parts, user="second"), "X-Postern-Origin: x\r\n"))
    got = row(post)
    assert got["user"] == "alice"
    assert got["repairs"] == "origin=forged,sealed,duplicated,malformed"


def test_what_the_mta_rewrote_since_is_noted(parts, pair):
    post, ses = pair
    reached_ses(ses, deliver(post, seal(
        parts, sender="b@example.com", from_="b@example.com",
        message_id="<2@x>")))
    got = row(post)
    assert got["user"] == "alice"
    assert got["repairs"] == "origin=sealed differ=sender,from,message-id"


def test_a_message_that_is_refused_has_its_origin_as_well(parts, pair):
    post, ses = pair
    reply = deliver(post, seal(parts), sender="who@elsewhere.example")
    assert reply.code == 550
    got = row(post)
    assert got["user"] == "alice"
    assert got["repairs"].startswith("origin=sealed")


def test_without_a_secret_it_goes_unread(parts):
    post, ses = relay(parts)
    reached_ses(ses, deliver(post, seal(parts)))
    assert row(post)["repairs"] == "origin=unread"
    assert row(post)["user"] is None


def test_a_new_key_is_read_while_posternd_runs(parts, pair):
    post, ses = pair
    path, theirs = write_key(parts, "ours"), write_key(parts, "theirs")
    with open(theirs, "a", encoding="utf-8") as f:
        f.write(KEYS["ours"])
    os.rename(theirs, path)
    reached_ses(ses, deliver(post, seal(parts, key="theirs")))
    assert row(post)["repairs"] == "origin=sealed"
