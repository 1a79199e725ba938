"""postern-milter as a daemon: its sockets, signals and start."""

import contextlib
import grp
import os
import select
import signal
import stat
import subprocess

import pytest

from lib.build import program
from lib.host import free_port
from lib.milter import Milter, configure, rewrite_conf, write
from lib.miltertalk import WAITS, Gone, Socketmap, Talk
from lib.proc import PATIENCE

FROM = [("From", "x@foreign.example")]


@pytest.fixture
def site(parts):
    """Directory and configuration of a milter that is not yet started."""

    def make(**kw):
        rundir = parts.dir("milter")
        rewrite = kw.pop("rewrite", {"default": "fixed:all@example.com"})
        conf = configure(rundir, rewrite=rewrite_conf(rundir, **rewrite), **kw)
        return parts.add(Milter(rundir, conf))

    return make


def change_conf(milter, old, new):
    with open(milter.daemon.argv[-1], "r+", encoding="utf-8") as f:
        text = f.read()
        assert old in text
        f.seek(0)
        f.write(text.replace(old, new))
        f.truncate()


def sender_now(milter):
    with Talk(milter.address).connect() as mta:
        [new] = [c[1] for c in mta.message("<x@foreign.example>", FROM)
                 if c[0] == "sender"]
    return new


def test_sockets_have_mode_and_group(site, parts):
    run = parts.dir("sockets")
    os.chmod(run, 0o777)
    group = "daemon" if os.geteuid() == 0 else ""
    milter = site(
        listen=f"unix:{run}/m:0666:{group}".rstrip(":"),
        socketmap=f"unix:{run}/s:0600",
    ).start()
    assert milter.address == f"unix:{run}/m"
    m, s = os.stat(f"{run}/m"), os.stat(f"{run}/s")
    assert stat.S_IMODE(m.st_mode) == 0o666
    assert stat.S_IMODE(s.st_mode) == 0o600
    if group:
        assert m.st_gid == grp.getgrnam(group).gr_gid
    milter.stop()
    assert os.listdir(run) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_listens_on_tcp(site, host):
    # libmilter does not tell which port the kernel has given it.
    port = free_port()
    if host == "[::1]" and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    milter = site(
        listen=f"inet:{host}:{port}", socketmap="inet:127.0.0.1:0"
    ).start()
    assert milter.address == f"inet:{host}:{port}"
    assert sender_now(milter) == "<all@example.com>"
    with Socketmap(milter.socketmap) as ask:
        assert ask.ask("user@example.com") == "NOTFOUND "


def test_replaces_sockets_that_nobody_answers(site):
    milter = site().start()
    milter.kill()
    milter.start()
    assert sender_now(milter) == "<all@example.com>"


def test_leaves_sockets_to_who_answers(site):
    milter = site().start()
    done = subprocess.run(
        milter.daemon.argv, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "milter.listen" in done.stderr
    assert "somebody listens there" in done.stderr
    assert sender_now(milter) == "<all@example.com>"


def test_says_what_it_cannot_listen_on(site):
    milter = site(listen="inet:192.0.2.1:4711")
    done = subprocess.run(
        milter.daemon.argv, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "milter.listen: inet:192.0.2.1:4711" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root")
def test_gives_up_root(site):
    milter = site().start()
    with open(f"/proc/{milter.daemon.pid}/status", encoding="ascii") as f:
        ids = [line.split()[1:] for line in f if line.startswith(("Uid", "Gid"))]
    assert all(i != "0" for line in ids for i in line)


def test_needs_files_that_its_user_can_read(site):
    """Found at the start, not at the first message."""
    milter = site()
    os.chmod(os.path.join(milter.rundir, "secret"), 0)
    done = subprocess.run(
        milter.daemon.argv, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "secret" in done.stderr
    # Nothing is left behind that would stop the next start.
    os.chmod(os.path.join(milter.rundir, "secret"), 0o640)
    milter.start()


@pytest.mark.parametrize("args,status,words", [
    (["-t"], 0, "good"), (["-t", "extra"], 2, "usage"), (["-x"], 2, "usage"),
])
def test_options(site, args, status, words):
    conf = site().daemon.argv[-1]
    done = subprocess.run(
        [program("postern-milter"), "-c", conf, *args],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )
    assert done.returncode == status
    assert words in done.stdout + done.stderr


def test_checks_what_a_start_reads(site):
    milter = site()

    def check():
        return subprocess.run(
            [*milter.daemon.argv, "-t"], capture_output=True, text=True,
            timeout=PATIENCE, check=False)

    assert check().returncode == 0
    for name, text, words in [
        ("identities", "no identity\n", "identities:1: "),
        ("secret", "short\n", "secret:1: "),
    ]:
        path = os.path.join(milter.rundir, name)
        with open(path, "r+", encoding="utf-8") as f:
            good = f.read()
        write(path, text)
        done = check()
        assert (done.returncode, done.stdout) == (1, ""), name
        assert words in done.stderr
        write(path, good)
    assert check().returncode == 0


def test_reads_everything_again_at_sighup(site):
    milter = site().start()
    change_conf(milter, "all@example.com", "new@example.com")
    assert sender_now(milter) == "<all@example.com>"
    milter.sighup()
    milter.daemon.wait_event("reload")
    assert sender_now(milter) == "<new@example.com>"


def test_keeps_the_old_when_the_new_is_bad(site):
    milter = site().start()
    change_conf(milter, "all@example.com", "all")
    milter.sighup()
    reason = milter.daemon.wait_event("reload-failed")["reason"]
    assert not milter.daemon.events("reload")
    assert "rewrite.default" in reason
    assert sender_now(milter) == "<all@example.com>"


def test_names_keys_that_need_a_restart(site):
    milter = site().start()
    change_conf(milter, "milter.sock:0660", "other.sock")
    milter.sighup()
    event = milter.daemon.wait_event("reload", **{
        "needs-restart": "milter.listen"
    })
    assert event["cure"] == "restart postern-milter"


def test_bears_sighup_after_sighup(site):
    """libmilter would end at it, if it came to it."""
    milter = site().start()
    for n in range(1, 51):
        milter.sighup()
        # Several that are pending are one.
        if n % 10 == 0:
            milter.daemon.wait_events("reload", n // 10)
    assert sender_now(milter) == "<all@example.com>"
    assert milter.daemon.events("stopping") == []


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_sees_messages_to_their_end(site, sig):
    """Those that have begun are judged; others find nobody."""
    milter = site().start()
    with Talk(milter.address, protocol=WAITS).connect() as mta:
        mta.mail("<x@foreign.example>")
        milter.daemon.signal(sig)
        milter.daemon.wait_event("stopping")
        with pytest.raises((ConnectionError, FileNotFoundError, Gone)):
            # The socket file goes a moment after the line in the log.
            while True:
                Talk(milter.address).close()
        mta.field("From", "x@foreign.example")
        changes = mta.end()
        assert ("sender", "<all@example.com>") in changes
    assert milter.daemon.wait() == 0
    assert "messages-left=0" in milter.daemon.tail(1)


def test_does_not_wait_for_ever(site):
    milter = site().start()
    with Talk(milter.address, protocol=WAITS).connect() as mta:
        mta.mail("<x@foreign.example>")
        milter.daemon.signal(signal.SIGTERM)
        assert milter.daemon.wait() == 0
    assert "messages-left=1" in milter.daemon.tail(1)


# The socketmap


def srs_of(milter, sender="Some.One@foreign.example"):
    with Talk(milter.address).connect() as mta:
        [new] = [c[1] for c in mta.message(f"<{sender}>", FROM)
                 if c[0] == "sender"]
    return new.strip("<>")


def test_socketmap_knows_the_way_back(site):
    milter = site(rewrite={"default": "srs"}).start()
    srs = srs_of(milter)
    with Socketmap(milter.socketmap) as ask:
        assert ask.ask(srs) == "OK Some.One@foreign.example"
        assert ask.ask(srs.lower()) == "OK some.one@foreign.example"
        assert ask.ask("user@example.com") == "NOTFOUND "
        assert ask.ask("@example.com") == "NOTFOUND "
        assert ask.ask(srs, name="other").startswith("PERM ")


def test_socketmap_tells_the_log_of_forgeries(site):
    milter = site(rewrite={"default": "srs"}).start()
    srs = srs_of(milter)
    forged = srs.replace("=Some.One@", "=other@")
    with Socketmap(milter.socketmap) as ask:
        assert ask.ask(forged) == "NOTFOUND "
    event = milter.daemon.wait_event("srs-refused")
    assert event["address"] == forged


def test_socketmap_takes_requests_as_they_come(site):
    """Several in one piece, and one in single bytes."""
    milter = site().start()
    with Socketmap(milter.socketmap) as ask:
        for _ in range(200):
            ask.send("user@example.com")
        for _ in range(200):
            assert ask.receive() == "NOTFOUND "
        for byte in b"20:srs user@example.com,":
            ask.sock.sendall(bytes([byte]))
        assert ask.receive() == "NOTFOUND "


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.0\r\n\r\n", b"99999999999:", b"3:srs,", b"5:srs a;",
])
def test_socketmap_hangs_up_on_garbage(site, garbage):
    milter = site().start()
    with Socketmap(milter.socketmap) as ask:
        ask.sock.sendall(garbage)
        assert ask.receive() is None
    milter.daemon.wait_event("socketmap")
    with Socketmap(milter.socketmap) as ask:
        assert ask.ask("user@example.com") == "NOTFOUND "


def test_socketmap_serves_many_at_once(site):
    """More than it has threads for: who has asked nothing for longest makes
    room for the others."""
    milter = site().start()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Socketmap(milter.socketmap))
                   for _ in range(500)]
        for client in clients:
            assert client.ask("user@example.com") == "NOTFOUND "
        for _ in range(20):
            clients.append(stack.enter_context(Socketmap(milter.socketmap)))
            assert clients[-1].ask("user@example.com") == "NOTFOUND "
        gone = [n for n, client in enumerate(clients)
                if select.select([client.sock], [], [], 0)[0]]
        assert len(gone) == 20 and max(gone) < 100
        assert all(clients[n].receive() is None for n in gone)
        for n, client in enumerate(clients):
            if n not in gone:
                assert client.ask("user@example.com") == "NOTFOUND "


def test_accepts_what_an_older_key_made(site):
    """A new key is put in front of the old one, and the file is watched."""
    milter = site(rewrite={"default": "srs"}).start()
    secret = os.path.join(milter.rundir, "secret")
    old = srs_of(milter)
    with open(secret, encoding="ascii") as f:
        key = f.read()
    write(secret, "another secret of tests\n" + key)
    with Socketmap(milter.socketmap) as ask:
        assert ask.ask(old) == "OK Some.One@foreign.example"
        assert srs_of(milter) != old
        write(secret, "another secret of tests\n")
        assert ask.ask(old) == "NOTFOUND "
