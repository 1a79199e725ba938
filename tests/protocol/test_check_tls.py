"""`postern check` against an SES whose certificate is not what it should be."""

import pytest

from lib.rig import posternd, relay, sandbox, send

KINDS = {
    "wrong-name": "name",
    "expired": "expired",
    "self-signed": "ca-file",
    "untrusted": "ca-file",
}


def findings(post, expect):
    return " ".join(post.run("check", expect=expect).split())


@pytest.mark.parametrize("wrapper", [False, True], ids=["starttls", "wrapper"])
@pytest.mark.parametrize("kind", KINDS)
def test_cause_and_cure(parts, kind, wrapper):
    """Mail is put off, and check says what is wrong and where it is mended."""
    ses = sandbox(parts, certificate=kind)
    endpoint = f"localhost:{ses.wrapper_port if wrapper else ses.port}"
    conf = {
        "ses": {"tls": "wrapper" if wrapper else "starttls"},
        "lmtp": {"answer-within": "2s"},
    }
    post = posternd(parts, ses, endpoint=endpoint, conf=conf)
    [reply] = send(post, "b@example.com")
    assert (reply.code, reply.enhanced) == (451, "4.7.5")
    said = findings(post, expect=1)
    assert "certificate" in said and KINDS[kind] in said, said



