"""TLS to SES: both modes, and no certificate but the right one."""

import os
import subprocess
import time

import pytest

from lib.build import SANITIZER
from lib.rig import SENDER, accepted, ask, journal, posternd, sandbox, send, states

TO = "b@example.com"
VPCE = "vpce-0a1b-2c3d.email-smtp.us-east-1.vpce.amazonaws.com"


def named(parts, *names, address="127.0.0.1"):
    """An environment in which these names mean an address here."""
    hosts = os.path.join(parts.rundir, "hosts")
    with open(hosts, "a", encoding="ascii") as f:
        f.write(f"{address} {' '.join(names)}\n")
    # Sanitizers know nothing of what that library does.
    quiet = os.path.join(parts.rundir, "suppressions")
    with open(quiet, "w", encoding="ascii") as f:
        f.write("called_from_lib:libnss_wrapper.so\n")
    return {
        "LD_PRELOAD": "libnss_wrapper.so",
        "NSS_WRAPPER_HOSTS": hosts,
        "NSS_WRAPPER_DISABLE_DEEPBIND": "1",
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")
        + ":verify_asan_link_order=0",
        "TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "")
        + f":suppressions={quiet}",
    }


def deferred(post, certificate_words):
    """All mail is deferred, with one alarm and one row in the journal."""
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.7.5"), reply
    assert any(w in reply.text.lower() for w in certificate_words), reply
    # Now the breaker is open, and the sender hears it at once.
    with post.client() as client:
        again = client.mail(SENDER)
    assert (again.code, again.enhanced) == (451, "4.7.5"), again
    assert states(post) == ["deferred"]
    rows = journal(post, "breaker")
    assert len(rows) == 1 and rows[0]["open"] is True
    assert rows[0]["what"].startswith("endpoint ")
    post.daemon.wait_event("alarm")
    assert len(post.daemon.events("alarm")) == 1
    assert len(ask(post, "status")["breakers"]) == 1


@pytest.mark.parametrize("wrapper", [False, True])
def test_starttls_and_wrapper(parts, wrapper):
    ses = sandbox(parts)
    post = posternd(
        parts, ses, ses.wrapper_endpoint if wrapper else ses.endpoint,
        conf={"ses": {"tls": "wrapper"}} if wrapper else {},
    )
    [reply] = send(post, TO)
    assert accepted(ses, reply)
    connected = post.daemon.wait_event("connected")
    assert connected["tls"].startswith("TLSv1.3") or "TLS1.3" in connected["tls"]
    assert ses.violations() == []


@pytest.mark.parametrize("wrapper", [False, True])
def test_a_vpc_endpoint_has_a_wildcard(parts, wrapper):
    ses = sandbox(parts, no_local_names=True)
    port = ses.wrapper_port if wrapper else ses.port
    post = posternd(
        parts, ses, f"{VPCE}:{port}", env=named(parts, VPCE),
        conf={"ses": {"tls": "wrapper"}} if wrapper else {},
    )
    [reply] = send(post, TO)
    assert accepted(ses, reply)
    assert post.daemon.wait_event("connected")["to"].startswith(VPCE)


def test_the_public_name(parts):
    ses = sandbox(parts, no_local_names=True)
    name = "email-smtp.us-east-1.amazonaws.com"
    post = posternd(parts, ses, f"{name}:{ses.port}", env=named(parts, name))
    assert accepted(ses, send(post, TO)[0])


@pytest.mark.parametrize("name, region", [
    # A wildcard stands for one label, and for no more than it says.
    ("a.b.email-smtp.us-east-1.vpce.amazonaws.com", "us-east-1"),
    ("email-smtp.us-east-1.vpce.amazonaws.com", "us-east-1"),
    ("vpce-1.email-smtp.us-west-2.vpce.amazonaws.com", "us-west-2"),
    ("email-smtp.us-east-1.amazonaws.com.evil.example", "us-east-1"),
])
def test_a_name_that_the_certificate_does_not_have(parts, name, region):
    ses = sandbox(parts, no_local_names=True)
    post = posternd(
        parts, ses, f"{name}:{ses.port}", env=named(parts, name),
        conf={"ses": {"region": region}},
    )
    deferred(post, ["name", "hostname"])
    assert ses.counters()["auth"] == 0


@pytest.mark.parametrize("kind, words", [
    ("wrong-name", ["name"]),
    ("expired", ["expired"]),
    ("not-yet-valid", ["not valid before"]),
    ("self-signed", ["self-signed", "self signed", "issuer", "not trusted"]),
    ("untrusted", ["issuer", "unable to get", "not trusted"]),
])
@pytest.mark.parametrize("wrapper", [False, True])
def test_bad_certificates(parts, kind, words, wrapper):
    ses = sandbox(parts)
    ses.set(certificate=kind)
    post = posternd(
        parts, ses, ses.wrapper_endpoint if wrapper else ses.endpoint,
        conf={"ses": {"tls": "wrapper"}} if wrapper else {},
    )
    deferred(post, words)
    # No secret was told to whoever that was.
    assert ses.counters()["auth"] == ses.counters()["auth_failed"] == 0
    assert ses.counters()["messages"] == 0


def test_an_authority_that_nobody_named(parts):
    """Without ca-file the system's authorities count, and ours is none."""
    ses = sandbox(parts)
    post = posternd(parts, ses, conf={"ses": {"ca-file": None}})
    deferred(post, ["issuer", "self-signed", "self signed", "unable", "trusted"])


def test_no_starttls_no_mail(parts):
    """Somebody in the middle takes the offer away."""
    ses = sandbox(parts)
    ses.fault(
        "ehlo reply "
        r"text=250-email-smtp.amazonaws.com\n250-AUTH PLAIN LOGIN\n250 Ok"
    )
    post = posternd(parts, ses)
    deferred(post, ["starttls"])
    assert ses.counters()["auth"] == 0


def test_bytes_before_tls_count_for_nothing(parts):
    """Injected behind the answer to STARTTLS, they must not be read in TLS."""
    ses = sandbox(parts)
    ses.fault(r"starttls reply text=220 Ready to start TLS\n250 injected")
    post = posternd(parts, ses)
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.7.5")
    assert ses.counters()["auth"] == 0


def test_an_unreachable_address_costs_milliseconds(parts):
    """Of a name's addresses the first that answers is taken (RFC 8305)."""
    ses = sandbox(parts)
    name = "vpce-2.email-smtp.us-east-1.vpce.amazonaws.com"
    env = named(parts, name, address="2001:db8::1")
    named(parts, name, address="203.0.113.1")
    named(parts, name)
    post = posternd(parts, ses, f"{name}:{ses.port}", env=env)
    began = time.monotonic()
    assert accepted(ses, send(post, TO)[0])
    assert time.monotonic() - began < 5


@pytest.mark.skipif(
    SANITIZER == "tsan",
    reason="the thread sanitizer minds nss_wrapper's locks across fork",
)
def test_check_knows_that_one_address_is_enough(parts):
    """Worth a word, and nothing wrong: posternd goes on to the next."""
    ses = sandbox(parts)
    name = "vpce-3.email-smtp.us-east-1.vpce.amazonaws.com"
    env = named(parts, name, address="127.0.0.2")
    named(parts, name)
    post = posternd(parts, ses, f"{name}:{ses.port}", env=env)
    done = subprocess.run(
        [post.postern(), "-c", post.conf_file, "check"], check=False,
        capture_output=True, text=True, env={**os.environ, **env},
    )
    said = " ".join(done.stdout.split())
    assert done.returncode == 0, said
    assert "127.0.0.2" in said and "another address answers" in said
