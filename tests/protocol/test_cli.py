"""The command line: frame, configuration, check, identities, init, smtp-password."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import termios
import textwrap
import threading
import time

import pytest

from lib import build
from lib.proc import PATIENCE

POSTERN = build.program("postern")
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PASSWORD = "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk"  # eu-west-1

pytestmark = pytest.mark.skipif(POSTERN is None, reason="postern is not built")


def run(*args, stdin="", path=None, **kw):
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    return subprocess.run(
        [POSTERN, *map(str, args)], input=stdin, capture_output=True, text=True,
        env=env, timeout=60, check=False, **kw)


class Place:
    """A directory with a configuration that works as far as files go."""

    def __init__(self, path):
        self.path = path
        self.conf = self.file("postern.conf")
        self.write("ses-credentials", f"AKIAEXAMPLE:{PASSWORD}\n", 0o600)
        self.write("identities", "example.com\nme@example.org # a person\n")
        self.configure()

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text, mode=0o644):
        with open(self.file(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.file(name), mode)

    def configure(self, endpoint="localhost:1", more="", ses=""):
        user = "root" if os.geteuid() == 0 else "postern"
        self.write("postern.conf", f"""
            daemon {{ user = {user} control = {self.path}/control.sock }}
            ses {{ endpoint = "{endpoint}" region = eu-west-1
                credentials = {self.path}/ses-credentials {ses} }}
            identities {{ file = {self.path}/identities }}
            lmtp {{ listen = unix:{self.path}/lmtp.sock }}
            store {{ path = {self.path}/postern.db }}
            {more}""")

    def run(self, *args, **kw):
        return run("-c", self.conf, *args, **kw)

    def check(self, **kw):
        """Findings of an area: level and words."""
        done = self.run("check", "--json", **kw)
        assert done.returncode in (0, 1), done.stderr
        report = json.loads(done.stdout)
        assert done.returncode == (1 if report["wrong"] else 0)
        return report["findings"]


@pytest.fixture
def place(rundir):
    return Place(rundir)


def only(findings, area, level=None):
    return [f for f in findings
            if f["area"] == area and (level is None or f["level"] == level)]


# The frame


def test_help_names_every_verb_and_each_has_its_own():
    done = run("--help")
    assert done.returncode == 0
    verbs = re.findall(r"^  ([a-z][a-z-]+) ", done.stdout, re.M)
    assert {"init", "check", "identities", "smtp-password"} <= set(verbs)
    for verb in verbs:
        done = run(verb, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"Usage: postern [-c FILE] {verb}")
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_manual_knows_every_verb():
    page = (build.SOURCE / "man" / "postern.1").read_text(encoding="utf-8")
    verbs = re.findall(r"^  ([a-z][a-z-]+) ", run("--help").stdout, re.M)
    for verb in verbs:
        assert re.search(rf"^\.It Cm {verb}\b", page, re.M), verb


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc here")
@pytest.mark.parametrize(
    "page", [p.name for p in (build.SOURCE / "man").glob("*.[1-9]")])
def test_manual_is_sound(page):
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", build.SOURCE / "man" / page],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("args, words", [
    ([], "no verb"),
    (["frobnicate"], 'there is no verb "frobnicate"'),
    (["--frob"], "there is no option --frob"),
    (["check", "--frob"], "there is no option --frob"),
    (["check", "-x"], "there is no option -x"),
    (["check", "--dump=yes"], "takes no value"),
    (["check", "-c"], "needs a value"),
    (["check", "more"], "nothing may follow"),
    (["smtp-password", SECRET], "not taken from the command line"),
])
def test_usage(args, words):
    done = run(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert "--help" in done.stderr


def test_options_may_stand_anywhere(place):
    want = json.loads(place.run("identities", "--json").stdout)
    for args in (["--json", "-c", place.conf, "identities"],
                 ["identities", "--json", f"-c{place.conf}"],
                 ["identities", f"--config={place.conf}", "--json"]):
        assert json.loads(run(*args).stdout) == want


def test_full_disk_is_no_success(place):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [POSTERN, "-c", place.conf, "identities"], stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "can't be written" in done.stderr


def on_terminal(*args, env=None):
    """What it writes to a terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", **(env or {})})
        os.execv(POSTERN, [POSTERN, *args])
    out = b""
    try:
        while data := os.read(fd, 4096):
            out += data
    except OSError:  # Linux says so at the end of a terminal
        pass
    os.close(fd)
    os.waitpid(pid, 0)
    return out.decode()


def test_colour_only_on_a_terminal(place):
    args = ["-c", place.conf, "identities", "a@example.com", "b@example.net"]
    assert "\033[32m" in on_terminal(*args)
    assert "\033" not in on_terminal(*args, env={"NO_COLOR": "1"})
    assert "\033" not in on_terminal(*args, env={"TERM": "dumb"})
    assert "\033" not in run(*args).stdout


def test_no_configuration():
    done = run("-c", "/nonexistent", "identities")
    assert done.returncode == 3
    assert "/nonexistent" in done.stderr


def test_bad_configuration(place):
    place.configure(more="quota { dayly = 5 }")
    done = place.run("identities")
    assert done.returncode == 1
    assert "did you mean daily?" in done.stderr
    found = place.check()
    assert len(found) == 1 and found[0]["level"] == "wrong"
    assert re.search(r"postern\.conf:\d+: .*dayly", found[0]["text"])


@pytest.mark.parametrize("name", ["posternd", "postern-milter"])
def test_daemons_help(name):
    def say(*args):
        return subprocess.run([build.program(name), *args], check=False,
                              capture_output=True, text=True, timeout=60)
    done = say("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in ("-t ", "-c FILE", "SIGHUP", f"{name}(8)", "postern check",
                  build.directory("sysconfdir") + "/postern/postern.conf"):
        assert words in done.stdout
    assert re.fullmatch(rf"{name} \d[\d.]+\n", say("--version").stdout)
    done = say("--nonsense")
    assert done.returncode == 2 and f"Try {name} --help" in done.stderr


# identities


def test_identities(place):
    assert json.loads(place.run("identities", "--json").stdout) == [
        {"identity": "example.com", "kind": "domain"},
        {"identity": "me@example.org", "kind": "address"}]


@pytest.mark.parametrize("address, by", [
    ("a@example.com", "example.com"),
    ("a@Sub.Example.COM", "example.com"),
    ("me@example.org", "me@example.org"),
    ("me+label@example.org", "me@example.org"),
    ("you@example.org", None),
    ("a@notexample.com", None),
])
def test_covered(place, address, by):
    done = place.run("identities", "--json", address)
    assert done.returncode == (0 if by else 1)
    assert json.loads(done.stdout) == [
        {"address": address, "verified": "yes" if by else "no", "by": by}]


def test_terminal_is_safe_from_addresses(place):
    done = place.run("identities", "x\033[2J@example.com")
    assert "\033" not in done.stdout


# smtp-password


def test_password_from_standard_input():
    done = run("smtp-password", "-r", "eu-west-1", stdin=SECRET + "\n")
    assert (done.returncode, done.stdout) == (0, PASSWORD + "\n")


def test_password_region_of_the_configuration(place):
    done = place.run("smtp-password", "--json", stdin=SECRET)
    assert json.loads(done.stdout) == {
        "region": "eu-west-1", "password": PASSWORD}


def test_password_from_a_prompt_without_echo():
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(POSTERN, [POSTERN, "smtp-password", "-r", "eu-west-1"])
    out = b""
    while b"key: " not in out:
        out += os.read(fd, 4096)
    time.sleep(0.1)
    os.write(fd, SECRET.encode() + b"\n")
    try:
        while data := os.read(fd, 4096):
            out += data
    except OSError:
        pass
    os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0
    assert PASSWORD in out.decode()
    assert SECRET not in out.decode()


@pytest.mark.skipif(
    build.SANITIZER == "tsan",
    reason="the thread sanitizer keeps a signal back while read() waits")
def test_prompt_gives_the_echo_back_when_interrupted():
    master, slave = pty.openpty()
    with subprocess.Popen(
            [POSTERN, "smtp-password", "-r", "eu-west-1"], stdin=slave,
            stdout=slave, stderr=slave) as proc:
        out = b""
        while b"key: " not in out:
            assert select.select([master], [], [], 30)[0]
            out += os.read(master, 4096)
        deadline = time.monotonic() + 10
        while termios.tcgetattr(slave)[3] & termios.ECHO:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        proc.send_signal(signal.SIGTERM)
        try:
            assert proc.wait(30) == -signal.SIGTERM
        finally:
            proc.kill()
    assert termios.tcgetattr(slave)[3] & termios.ECHO
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("secret, words", [
    ("", "no secret access key"),
    ("AKIAIOSFODNN7EXAMPLE", "access key id"),
    (PASSWORD, "SMTP password already"),
    ("two words", "blank"),
])
def test_password_mistakes(secret, words):
    done = run("smtp-password", "-r", "eu-west-1", stdin=secret)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""


# check: configuration and host


def test_dump_can_be_read_again(place):
    lines = place.run("check", "--dump").stdout.splitlines()
    assert "quota.daily = 200" in lines
    assert "ses.region = eu-west-1" in lines
    assert "# ses.ca-file: the system's" in lines
    dumped = json.loads(place.run("check", "--dump", "--json").stdout)
    assert dumped["lmtp.answer-within"] == "4m"
    sections = {}
    for name, value in dumped.items():
        section, key = name.split(".", 1)
        sections.setdefault(section, []).append(f"{key} = {value}")
    place.write("again.conf", "\n".join(
        s + " {\n" + "\n".join(keys) + "\n}" for s, keys in sections.items()))
    again = run("-c", place.file("again.conf"), "check", "--dump", "--json")
    assert json.loads(again.stdout) == dumped


def test_check_finds_open_credentials(place):
    os.chmod(place.file("ses-credentials"), 0o644)
    found = only(place.check(), "Files", "wrong")
    assert "ses-credentials" in found[0]["text"]
    assert found[0]["cure"] == f"chmod 600 {place.file('ses-credentials')}"


@pytest.mark.parametrize("line, words", [
    (f"AKIAEXAMPLE:{SECRET}", "looks like an IAM secret access key"),
    (f"ASIAEXAMPLE:{PASSWORD}", "temporary credentials"),
])
def test_check_knows_wrong_kinds_of_credentials(place, line, words):
    place.write("ses-credentials", line + "\n", 0o600)
    assert any(words in f["text"] for f in only(place.check(), "Files", "wrong"))


def test_check_finds_what_is_missing(place):
    place.configure(ses="ca-file = /nonexistent/ca.pem")
    os.unlink(place.file("identities"))
    texts = [f["text"] for f in place.check() if f["level"] == "wrong"]
    assert any("/nonexistent/ca.pem" in t for t in texts)
    assert any("identities" in t for t in texts)


def test_check_warns_of_a_sandbox_that_may_be_left(place):
    place.configure(more="quota { daily = 50000 rate = 14 }")
    found = only(place.check(), "Configuration", "warn")
    assert "sandbox" in found[0]["text"] and "sandbox = no" in found[0]["cure"]


def listener(place, name, mode=0o666):
    """Somebody who listens at a unix socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(place.file(name))
    os.chmod(place.file(name), mode)
    sock.listen()
    return sock


def test_check_says_how_posternd_is_started(place):
    [found] = only(place.check(), "Sockets", "warn")
    assert "it is not running" in found["text"]
    assert found["cure"].startswith("systemctl start posternd")
    assert "root" not in found["cure"]


def test_status_says_that_posternd_does_not_run(place):
    done = place.run("status")
    assert done.returncode == 3
    assert "control.sock: connect: No such file" in done.stderr


def test_check_finds_a_posternd_that_listens_elsewhere(place):
    """As after lmtp.listen was changed, and posternd only reloaded."""
    with listener(place, "control.sock"):
        findings = place.check()
        [found] = only(findings, "Sockets", "wrong")
        assert "lmtp.sock" in found["text"]
        assert "restart posternd" in found["cure"]
        # One that says nothing is waited for, but not for long.
        [found] = only(findings, "Trouble", "wrong")
        assert "posternd does not tell" in found["text"]
        with listener(place, "lmtp.sock"):
            assert not only(place.check(), "Sockets", "wrong")
        [found] = only(place.check(), "Sockets", "wrong")
        assert "refused" in found["text"]
        assert "restart posternd" in found["cure"]


@pytest.mark.parametrize("spoil, words", [
    ("DROP VIEW audit", "but audit in it is not what this program has"),
    ("PRAGMA user_version = 99", "has schema 99"),
    ("PRAGMA application_id = 1", "no journal of Postern's"),
    ("", None),
])
def test_check_reads_the_journal(place, spoil, words):
    place.write("postern.db", "", 0o640)
    db = sqlite3.connect(place.file("postern.db"))
    for step in sorted((build.SOURCE / "schema").glob("0*.sql")):
        db.executescript(step.read_text(encoding="utf-8"))
        db.execute(f"PRAGMA user_version = {int(step.name[:3])}")
    db.executescript(spoil)
    db.close()
    found = only(place.check(), "Journal", "wrong")
    assert len(found) == (1 if words else 0)
    for f in found:
        assert words in f["text"] and f["cure"]
        assert "snapshot" not in f["cure"]


# check: Postfix, as far as its postconf tells


def postconf(place, **values):
    """A stand-in that answers as postconf -h does; returns its directory."""
    answers = {
        "queue_directory": place.path, "mail_owner": "mail", "relayhost": "",
        "relay_transport": "relay", "default_transport": "lmtp:unix:lmtp.sock",
        "lmtp_destination_concurrency_limit": "20",
        "lmtp_destination_recipient_limit": "12",
        "lmtp_data_done_timeout": "600s", "maximal_queue_lifetime": "5d",
        "lmtp/unix/chroot": "y", **values}
    directory = place.file("bin")
    os.makedirs(directory, exist_ok=True)
    cases = "\n".join(f"'{k}') echo '{v}';;" for k, v in answers.items())
    place.write("bin/postconf", "#!/bin/sh\nfor a; do :; done\n"
                f'case $a in\n{cases}\n*) exit 1;;\nesac\n', 0o755)
    return directory


def mta(place, **values):
    return only(place.check(path=postconf(place, **values)), "Mail server")


def test_postfix_that_suits(place):
    assert {f["level"] for f in mta(place)} == {"ok"}


@pytest.mark.parametrize("values, level, words", [
    ({"default_transport": "smtp"}, "warn", "hands us no mail"),
    ({"default_transport": "lmtp:unix:other.sock"}, "wrong", "no such socket"),
    ({"lmtp_destination_recipient_limit": "50"}, "warn", "only 240"),
    ({"lmtp_data_done_timeout": "4m"}, "wrong", "would give up"),
    ({"maximal_queue_lifetime": "3w"}, "warn", "sent twice"),
])
def test_postfix_that_does_not_suit(place, values, level, words):
    found = [f for f in mta(place, **values) if f["level"] == level]
    assert len(found) == 1
    assert words in found[0]["text"] and found[0]["cure"]


def test_postfix_chroot_hides_a_full_path(place):
    full = {"default_transport": f"lmtp:unix:{place.path}/lmtp.sock"}
    found = mta(place, **full)
    assert found[0]["level"] == "wrong" and "chroot" in found[0]["text"]
    found = mta(place, **full, **{"lmtp/unix/chroot": "n"})
    assert found[0]["level"] == "ok"


@pytest.mark.parametrize("mode, group, fine", [
    (0o660, "mail", True), (0o666, "daemon", True), (0o660, "daemon", False),
    (0o606, "mail", False),
])
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_postfix_may_connect(place, mode, group, fine):
    with listener(place, "lmtp.sock", mode):
        shutil.chown(place.file("lmtp.sock"), group=group)
        found = [f for f in mta(place) if f["level"] == "wrong"]
    assert len(found) == (0 if fine else 1)
    for f in found:
        assert "user mail can't connect" in f["text"]
        assert ":0660:mail after the path" in f["cure"]


def test_postfix_by_tcp(place):
    found = mta(place, default_transport="lmtp:inet:127.0.0.1:24")
    assert found[0]["level"] == "wrong" and "chroot" not in found[0]["text"]
    assert found[0]["cure"].startswith("add inet:ADDR:PORT to lmtp.listen")


def milter(place, answer, **values):
    """What is said of one on TCP that answers with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        sock.settimeout(PATIENCE)

        def serve():
            peer, _ = sock.accept()
            with peer:
                peer.settimeout(PATIENCE)
                asked.append(peer.recv(100))
                peer.sendall(answer)
                peer.recv(1)
        asked, thread = [], threading.Thread(target=serve, daemon=True)
        thread.start()
        place.configure(more=f"milter {{ listen = inet:127.0.0.1:{port} }}")
        values.setdefault("smtpd_milters", f"inet:localhost:{port}")
        found = place.check(path=postconf(
            place, milter_default_action="tempfail",
            non_smtpd_milters=f"inet:localhost:{port}", **values))
        thread.join(PATIENCE)
    # SMFIC_OPTNEG, version 6.
    assert asked[0].startswith(b"\0\0\0\x0dO\0\0\0\x06")
    assert len(asked) == 1
    return only(found, "Milter")


def test_postfix_asks_a_milter_by_tcp(place):
    found = milter(place, b"\0\0\0\x0dO\0\0\0\x06\0\0\1\1\0\0\0\0")
    assert {f["level"] for f in found} == {"ok"}
    assert "a milter answers" in found[0]["text"]
    found = milter(place, b"220 mx.example.com ESMTP\r\n")
    assert [f["level"] for f in found] == ["wrong", "ok"]
    assert "what answers there is no milter; so mail is put off" in (
        found[0]["text"])


def test_a_long_list_in_postfix(place):
    """The one that matters stands behind 50 kB of others."""
    others = "".join(f"inet:192.0.2.1:{n}, " for n in range(10000, 12500))
    [found, *_] = only(place.check(path=postconf(
        place, smtpd_milters=f"{others} unix:postern/milter.sock",
        milter_default_action="tempfail")), "Milter")
    assert f"{place.path}/postern/milter.sock" in found["text"]


def test_milters_of_unknown_clients(place):
    [found, *more] = only(place.check(path=postconf(
        place, smtpd_milter_maps="texthash:/nonexistent",
        milter_default_action="tempfail")), "Milter")
    assert found["level"] == "ok" and "is not looked at" in found["text"]
    assert not more


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_milter_that_only_root_may_see(place):
    """As in a chroot's directory that is closed to others."""
    os.chmod(place.path, 0o755)
    os.mkdir(place.file("closed"), 0o750)
    sock = f"unix:{place.path}/closed/milter.sock"
    place.configure(more=f"milter {{ listen = {sock} }}")
    path = postconf(place, smtpd_milters=sock, non_smtpd_milters=sock,
                    milter_default_action="tempfail")
    [found, _] = only(place.check(path=path), "Milter")
    assert "there is no such socket" in found["text"]
    with listener(place, "closed/milter.sock", 0o666):
        found = only(place.check(path=path, user="nobody", group="nogroup",
                                 extra_groups=[]), "Milter")
    assert [f["level"] for f in found] == ["warn", "ok"]
    assert "no permission to look whether a milter answers" in (
        found[0]["text"])
    assert found[0]["cure"] == "run this as root to see it"


# check: SES, against a server that knows just enough


class Ses:
    """TLS from the first byte, EHLO, AUTH PLAIN with one password."""

    def __init__(self, certs, leaf, accept=True):
        self.accept = accept
        self.commands = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{certs}/{leaf}.pem", f"{certs}/{leaf}.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(sock, server_side=True) as tls:
                    self._talk(tls)
            except OSError:
                pass

    def _talk(self, tls):
        tls.sendall(b"220 email-smtp.amazonaws.com ESMTP\r\n")
        for line in tls.makefile("rb"):
            verb = line.split()[0].upper()
            self.commands.append(verb)
            if verb == b"EHLO":
                tls.sendall(b"250-host\r\n250-AUTH PLAIN LOGIN\r\n250 Ok\r\n")
            elif verb == b"AUTH" and self.accept:
                tls.sendall(b"235 Authentication successful.\r\n")
            elif verb == b"AUTH":
                tls.sendall(b"535 Authentication Credentials Invalid\r\n")
            else:
                tls.sendall(b"221 Bye\r\n")
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    path = tmp_path_factory.mktemp("certs")
    subprocess.run(
        ["sh", build.SOURCE / "tests" / "unit" / "make-certs.sh", path],
        check=True)
    return path


def ses(place, certs, leaf, ca="ca.pem", accept=True):
    server = Ses(certs, leaf, accept)
    try:
        place.configure(
            f"127.0.0.1:{server.port}",
            ses=f"tls = wrapper ca-file = {certs}/{ca}")
        found = only(place.check(), "Amazon SES")
    finally:
        server.close()
    assert len(found) == 1
    assert set(server.commands) <= {b"EHLO", b"AUTH", b"QUIT"}
    return found[0]


def test_ses_is_well(place, certs):
    found = ses(place, certs, "good")
    assert found["level"] == "ok", found
    assert "127.0.0.1" in found["text"] and "TLSv1." in found["text"]
    assert "AUTH as AKIAEXAMPLE" in found["text"]


@pytest.mark.parametrize("leaf, words, cure", [
    ("client", "wrong name", "name that is in the certificate"),
    ("stranger", "unknown issuer", "ses.ca-file"),
])
def test_ses_certificate(place, certs, leaf, words, cure):
    found = ses(place, certs, leaf)
    assert found["level"] == "wrong"
    assert words in found["text"] and cure in found["cure"]


def test_ses_refuses_the_credentials(place, certs):
    found = ses(place, certs, "good", accept=False)
    assert found["level"] == "wrong"
    assert "AUTH as AKIAEXAMPLE" in found["text"]
    assert "Credentials Invalid" in found["text"]
    assert "smtp-password" in found["cure"]


def test_ses_is_not_there(place):
    place.configure("127.0.0.1:1")
    found = only(place.check(), "Amazon SES")
    assert found[0]["level"] == "wrong" and "refused" in found[0]["text"]
    place.configure("nowhere.invalid:587")
    found = only(place.check(), "Amazon SES")
    assert found[0]["level"] == "wrong" and "DNS" in found[0]["text"]


# init


def test_init_wants_root_or_a_dry_run():
    if os.geteuid() != 0:
        done = run("init")
        assert done.returncode == 3 and "--dry-run" in done.stderr


def test_init_dry_run_changes_nothing(rundir):
    conf = os.path.join(rundir, "postern", "postern.conf")
    done = run("-c", conf, "init", "--dry-run", "--json")
    assert done.returncode == 0
    steps = {s["step"]: s["state"] for s in json.loads(done.stdout)}
    assert steps[f"directory {rundir}/postern, 0755 root:postern"] == "to do"
    assert steps[f"file {conf}, 0644 root:postern"] == "to do"
    assert set(steps.values()) <= {"to do", "there"}
    assert os.listdir(rundir) == []


# In a mount namespace of its own, with copies of the places that init changes.
INIT = """
set -e
cp -a /etc {0}/etc
mkdir -p {0}/etc/tmpfiles.d
mount --bind {0}/etc /etc
for d in /var/lib /run /var/spool /usr/local; do mount -t tmpfs none $d; done
mkdir -p $(dirname {store}) $(dirname {run})
rm -rf /etc/postern /etc/tmpfiles.d/postern.conf
mkdir /var/spool/postfix
PATH={0}/bin:$PATH
{1} -c /etc/postern/postern.conf init --postfix
echo ---
{1} -c /etc/postern/postern.conf init --postfix --json
echo ---
chmod 777 {store}
{1} -c /etc/postern/postern.conf init --postfix --json
echo ---
stat -c '%a %U:%G %n' {store} {run} /etc/postern \
    /var/spool/postfix/postern /etc/postern/*
echo ---
cat /etc/postern/postern.conf
echo ---
{1} -c /etc/postern/postern.conf check --dump
echo ---
install -m 755 {1} /run/member
setpriv --reuid nobody --regid postern-audit --clear-groups \\
    /run/member -c /etc/postern/postern.conf check --dump
"""


def can_unshare():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/var/spool"],
        capture_output=True, check=False).returncode == 0


STORE = build.directory("localstatedir") + "/lib/postern"
RUN = build.directory("runstatedir") + "/postern"


@pytest.mark.skipif(not can_unshare(), reason="needs root and namespaces")
@pytest.mark.skipif(
    not all(d.startswith(("/var/lib/", "/run/", "/usr/local/"))
            for d in (STORE, RUN)),
    reason="the build's directories are not among those that are replaced")
def test_init_for_postfix(place):
    postconf(place, queue_directory="/var/spool/postfix")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", INIT.format(
            place.path, POSTERN, store=STORE, run=RUN)],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    first, again, mended, modes, conf, dump, audit = done.stdout.split("---\n")
    assert "default_transport = lmtp:unix:postern/lmtp.sock" in first
    assert "lmtp_destination_recipient_limit = 12" in first
    assert "smtpd_milters = unix:postern/milter.sock\n" in first
    assert "takes mail from the world as well, leave smtpd_milters" in first
    readme = (build.SOURCE / "README").read_text(encoding="utf-8")
    [srs] = re.findall(r"^    recipient_canonical_maps = .*\n(?:     .*\n)+",
                       readme, re.M)
    assert textwrap.dedent(srs) in first
    assert re.search(r"restart posternd .*\n\n +postfix reload\n$", first)
    assert {s["state"] for s in json.loads(again)} == {"there"}
    assert [s["step"].split()[1] for s in json.loads(mended)
            if s["state"] == "done"] == [f"{STORE},"]
    assert modes.splitlines() == [
        f"2750 postern:postern-audit {STORE}",
        f"755 postern:postern {RUN}",
        "755 root:postern /etc/postern",
        "750 postern:mail /var/spool/postfix/postern",
        "644 root:postern /etc/postern/identities",
        "644 root:postern /etc/postern/postern.conf",
        "640 root:postern /etc/postern/rewrite-secret",
        "600 postern:postern /etc/postern/ses-credentials"]
    assert "rewrite.secret = /etc/postern/rewrite-secret\n" in dump
    listen = "unix:/var/spool/postfix/postern/lmtp.sock:0660:mail"
    assert listen in conf
    assert f"lmtp.listen = {{{listen}}}" in dump
    assert "socketmap = " + listen.replace("lmtp", "socketmap") in dump
    assert audit == dump
