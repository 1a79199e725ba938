"""The first thing that a newcomer does, as the README says it."""

import glob
import os
import re
import shutil
import subprocess

import pytest

from lib.build import SOURCE


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed")
def test_quickstart_shows_it_all():
    before = set(glob.glob("/tmp/postern.??????"))
    done = subprocess.run(
        ["sh", "contrib/quickstart.sh"],
        cwd=SOURCE,
        env={k: v for k, v in os.environ.items() if k != "POSTERN_BUILD"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    out = done.stdout
    assert done.returncode == 0, out + done.stderr

    # swaks shows what posternd answered: each recipient his own.
    assert len(re.findall(r"^<-  250 2\.0\.0 Ok \S+$", out, re.M)) == 3
    assert "<** 550 5.7.1 <stranger@example.org> is not verified" in out
    # The log, the quota, the story, the chain.
    log = out.partition("postern.conf log\n")[2].partition("\n== ")[0]
    assert len(re.findall(r" sent  ", log)) == 3
    assert len(re.findall(r" refused  ", log)) == 1
    assert re.search(r"^Day +3 of 200 recipients", out, re.M)
    assert re.search(r"^To 2 +stranger@example\.org: refused", out, re.M)
    assert re.search(r"^good +\d+ rows", out, re.M)
    assert "email-smtp.REGION.amazonaws.com:587" in out
    assert 'README from "Install" on' in out
    assert re.search(r"rate = 14 }\n +identities { ... sandbox = no }", out)
    # Nothing is left behind.
    assert set(glob.glob("/tmp/postern.??????")) <= before
