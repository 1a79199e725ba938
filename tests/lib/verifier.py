"""The verifier that schema/README gives to auditors, run as they would run it."""

import re
import subprocess
import sys
import textwrap

from lib import build

README = (build.SOURCE / "schema" / "README").read_text(encoding="utf-8")


def verifier(rundir):
    found = re.search(r"^\t#!/usr/bin/env python3\n(?:\t.*\n|\n(?=\t|\n\t))+",
                      README, re.M)
    script = f"{rundir}/verify.py"
    with open(script, "w", encoding="utf-8") as f:
        f.write(textwrap.dedent(found.group()))

    def run(*args, status):
        done = subprocess.run([sys.executable, script, *args],
                              capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    return run
