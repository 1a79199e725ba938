"""postern srs: the way back from SRS addresses, by the secret or by asking."""

import json
import os
import re
import socket
import threading

import pytest

from lib import build
from test_cli import Place, only, run

pytestmark = pytest.mark.skipif(
    build.program("postern") is None, reason="postern is not built")

KEY = "a key for the tests of postern srs\n"


@pytest.fixture
def place(rundir):
    place = Place(rundir)
    place.write("secret", KEY, 0o640)
    configure(place)
    return place


def configure(place, secret="secret", **rewrite):
    keys = dict({"default": "srs", "secret": place.file(secret)}, **rewrite)
    place.configure(
        more="rewrite { " + " ".join(f"{k} = {v}" for k, v in keys.items())
        + f" }} milter {{ socketmap = unix:{place.file('map.sock')} }}")


def forward(place, address):
    [row] = json.loads(place.run("rewrite", "--json", address).stdout)
    return row["becomes"]


def test_there_and_back(place):
    srs = forward(place, "who+x=y@Elsewhere.example")
    assert re.fullmatch(
        r"SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=Elsewhere\.example=who\+x=y@example\.com",
        srs)
    done = place.run("srs", srs, srs.lower())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "who+x=y@Elsewhere.example\nwho+x=y@elsewhere.example\n")


def test_what_has_no_original(place):
    srs = forward(place, "who@elsewhere.example")
    for address, words in [
        (srs.replace("=who@", "=whom@"), "not one of ours"),
        ("me@example.com", "no SRS address at example.com"),
        (srs.replace("example.com", "example.org"), "no SRS address"),
        ("SRS0=@example.com", "no hash"),
        ("nobody", "without @"),
    ]:
        done = place.run("srs", address)
        assert (done.returncode, done.stdout) == (1, ""), address
        assert words in done.stderr
        done = place.run("srs", "--map", address)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
        done = place.run("srs", "--json", srs, address)
        good, bad = json.loads(done.stdout)
        assert done.returncode == 1
        assert good["original"] == "who@elsewhere.example"
        assert bad["original"] is None and words in bad["why"]


def test_an_old_key(place):
    srs = forward(place, "who@elsewhere.example")
    place.write("secret", "the key that came after it\n" + KEY, 0o640)
    assert place.run("srs", srs).stdout == "who@elsewhere.example\n"
    assert forward(place, "who@elsewhere.example") != srs
    place.write("secret", "the key that came after it\n", 0o640)
    assert place.run("srs", srs).returncode == 1


def test_the_list_in_another_order(place):
    """What was made under one verified domain comes back under all that are;
    check says when the order of a list decides which that is."""
    assert not only(place.check(), "Rewriting", "warn")
    place.write("identities", "example.net\nexample.com\n")
    [found] = only(place.check(), "Rewriting", "warn")
    assert "at example.net only because it is the first of 2" in found["text"]
    assert "rewrite.srs-domain" in found["cure"]
    srs = forward(place, "who@elsewhere.example")
    assert srs.endswith("@example.net")
    place.write("identities", "example.com\nexample.net\n")
    assert forward(place, "who@elsewhere.example").endswith("@example.com")
    assert place.run("srs", srs).stdout == "who@elsewhere.example\n"
    configure(place, **{"srs-domain": "example.com"})
    assert not only(place.check(), "Rewriting", "warn")
    assert place.run("srs", srs).stdout == "who@elsewhere.example\n"
    place.write("identities", "example.com\n")
    assert place.run("srs", srs).returncode == 1


def test_what_cannot_be_told_makes_a_map_try_again(place):
    """A bounce must not be refused for that."""
    srs = forward(place, "who@elsewhere.example")
    place.write("secret", KEY, 0o644)
    done = place.run("srs", srs)
    assert done.returncode == 1 and "chmod 640" in done.stderr
    assert place.run("srs", "--map", srs).returncode == 75
    configure(place, secret="none")
    done = place.run("srs", srs)
    assert done.returncode == 3
    assert "none: No such file" in done.stderr
    assert "and postern-milter, who would know, does not" in done.stderr
    assert place.run("srs", "--map", srs).returncode == 75
    place.configure()
    done = place.run("srs", srs)
    assert done.returncode == 1 and "rewrite.secret is not set" in done.stderr
    assert place.run("srs", "--map", srs).returncode == 75
    done = run("-c", place.file("nothing"), "srs", "--map", srs)
    assert done.returncode == 75


class Socketmap:
    """Answers one connection with bytes, in pieces, and keeps the question."""

    def __init__(self, place, *pieces):
        path = place.file("map.sock")
        if os.path.exists(path):
            os.unlink(path)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen()
        self.question = None
        self.thread = threading.Thread(target=self._serve, args=pieces)

    def _serve(self, *pieces):
        with self.sock.accept()[0] as conn:
            self.question = conn.recv(4096)
            for piece in pieces:
                conn.sendall(piece)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()
        self.sock.close()


SRS = "SRS0=AAAAAA=AA=elsewhere.example=who@example.com"


@pytest.mark.parametrize("pieces, stdout, status, words", [
    ([b"24:OK who@elsewhere.example,"], "who@elsewhere.example\n", 0, ""),
    ([b"2", b"4:OK who@elsew", b"here.example,"], "who@elsewhere.example\n",
     0, ""),
    ([b"9:NOTFOUND ,"], "", 1, "no SRS address of ours"),
    ([b"12:TEMP not now,"], "", 3, "TEMP not now"),
    ([b"9:PERM what,"], "", 3, "PERM what"),
    ([b""], "", 3, "hung up"),
    ([b"24:OK who@"], "", 3, "hung up"),
    ([b"9999:OK x,"], "", 3, "no socketmap"),
    ([b"SSH-2.0-OpenSSH: hello\r\n"], "", 3, "no socketmap"),
    ([b"x" * 4000], "", 3, "no socketmap"),
    ([b"24:OK who@elsewhere.example;"], "", 3, "no socketmap"),
])
def test_without_the_secret_the_milter_is_asked(place, pieces, stdout, status,
                                                words):
    configure(place, secret="none")
    with Socketmap(place, *pieces) as server:
        done = place.run("srs", SRS)
    assert server.question == f"{4 + len(SRS)}:srs {SRS},".encode()
    assert (done.returncode, done.stdout) == (status, stdout)
    assert words in done.stderr
    with Socketmap(place, *pieces):
        done = place.run("srs", "--map", SRS)
    assert done.returncode == (75 if status == 3 else status)
    assert done.stdout == stdout
