"""Where posternd listens, and to whom."""

import subprocess

import pytest

from lib.lmtp import Lmtp, message
from lib.rig import SENDER, accepted, posternd, relay, sandbox


def deliver(client):
    [reply] = client.deliver(
        SENDER, ["b@example.com"], message(SENDER, "b@example.com")
    )
    return reply


def test_unix_and_both_families_of_tcp(parts):
    ses = sandbox(parts)
    post = posternd(parts, ses, start=False)
    post.configure({
        "lmtp": {
            "listen": [
                f"unix:{post.socket}:0666", "inet:127.0.0.1:0", "inet:[::1]:0",
            ]
        }
    })
    post.start()
    v4, v6 = post.ports
    for address in (post.socket, ("127.0.0.1", v4), ("::1", v6)):
        with Lmtp(address) as client:
            client.lhlo()
            assert ("XFORWARD" in client.extensions) == (address == post.socket)
            accepted(ses, deliver(client))
    clients = [row["value"] for row in post.sql(
        "SELECT value FROM party WHERE role = 'client' ORDER BY message"
    )]
    assert clients == ["[127.0.0.1]", "[::1]"]


@pytest.mark.parametrize("allow, welcome", [
    (["192.0.2.0/24"], False),
    (["127.0.0.2"], False),
    (["127.0.0.0/8"], True),
    (["192.0.2.0/24", "127.0.0.1"], True),
])
def test_allow(parts, allow, welcome):
    post, _ = relay(parts, conf={"lmtp": {"allow": allow}})
    with Lmtp(("127.0.0.1", post.port), greeting=False) as client:
        reply = client.reply()
    if welcome:
        assert reply.code == 220
    else:
        assert str(reply) == "554 5.7.1 Not in lmtp.allow"
        assert post.daemon.wait_event("not-allowed")["peer"] == "127.0.0.1"
    # The unix socket has its mode for that.
    with post.client() as client:
        assert deliver(client).code == 250


def test_xforward_is_journalled(parts):
    post, _ = relay(parts)
    with post.client() as client:
        assert client.cmd(
            "XFORWARD NAME=mail.example.net ADDR=198.51.100.7 PORT=[UNAVAILABLE]"
        ).code == 250
        assert client.cmd(
            "XFORWARD PROTO=ESMTP HELO=x IDENT=4Abc+2Dd SOURCE=REMOTE"
        ).code == 250
        assert deliver(client).code == 250
    [row] = post.sql("SELECT value FROM party WHERE role = 'client'")
    assert row["value"] == "mail.example.net[198.51.100.7]"
    [row] = post.sql("SELECT queue_ids FROM message")
    assert row["queue_ids"].split()[0] == "4Abc-d"


def test_a_queue_id_is_told_once(parts):
    """XFORWARD has the one that the last Received field has, too."""
    post, _ = relay(parts)
    content = message(SENDER, "b@example.com").replace(
        "id ", "id 4Abc;\n\tMon, 02 Mar 2026 10:00:00 +0000\n"
        "Received: by inner.example with ESMTP id ", 1)
    with post.client() as client:
        client.cmd("XFORWARD IDENT=4Abc", 250)
        [reply] = client.deliver(SENDER, ["b@example.com"], content)
    assert reply.code == 250
    [row] = post.sql("SELECT queue_ids FROM message")
    ids = row["queue_ids"].split()
    assert ids[0] == "4Abc" and len(ids) == len(set(ids)) == 2, ids


def test_xforward_is_for_the_unix_socket(parts):
    post, _ = relay(parts)
    with post.client(tcp=True) as client:
        assert "XFORWARD" not in client.extensions
        assert client.cmd("XFORWARD NAME=spoofed").code == 550
    with post.client() as client:
        client.mail(SENDER)
        assert client.cmd("XFORWARD NAME=late").code == 503


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(parts):
    post, ses = relay(parts)
    post.kill()
    post.start()
    with post.client() as client:
        assert deliver(client).code == 250
    twin = subprocess.run(
        post.daemon.argv, capture_output=True, text=True, timeout=60,
        check=False,
    )
    assert twin.returncode == 1
    assert "somebody listens there" in twin.stderr
    with post.client() as client:
        accepted(ses, deliver(client))
