"""Directories are those that configure was given: in the programs, in what is
installed."""

import fcntl
import json
import os
import re
import subprocess

import pytest

from lib import build

GIVEN = {"prefix": "/opt/p", "sysconfdir": "/opt/conf",
         "localstatedir": "/opt/var", "runstatedir": "/opt/run"}


def test_defaults_are_those_of_the_build():
    done = subprocess.run(
        [build.program("postern"), "-c", "/dev/null", "check", "--dump",
         "--json"], capture_output=True, text=True, check=True)
    dump = json.loads(done.stdout)
    run = build.directory("runstatedir") + "/postern"
    assert dump["daemon.control"] == f"{run}/control.sock"
    assert dump["lmtp.listen"] == f"{{unix:{run}/lmtp.sock:0660}}"
    assert dump["milter.listen"] == f"unix:{run}/milter.sock"
    assert dump["milter.socketmap"] == f"unix:{run}/socketmap.sock"
    assert dump["store.path"] == (
        build.directory("localstatedir") + "/lib/postern/postern.db")
    usage = subprocess.run([build.program("postern"), "--help"],
                           capture_output=True, text=True, check=True).stdout
    assert f"({build.directory('sysconfdir')}/postern/postern.conf)" in usage


@pytest.mark.parametrize("option, refused", [
    ("--program-prefix=x", True), ("--program-suffix=x", True),
    ("--program-transform-name=s/postern/x/", True),
    # As rpm's %configure has it.
    ("--program-prefix=", False), (None, False),
])
def test_programs_have_their_own_names(tmp_path, option, refused):
    """Pages, units and what programs say of each other name no others."""
    options = [option] if option else []
    done = subprocess.run(
        [build.SOURCE / "configure", *options, "CC=false"], cwd=tmp_path,
        capture_output=True, text=True, check=False)
    assert done.returncode != 0
    words = ("programs can't be renamed" if refused
             else "C compiler cannot create executables")
    assert words in done.stderr


def install(where, given):
    """What is installed there, by its path: all but programs."""
    with open(build.BUILD / "Makefile", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            ["make", "-s", "-C", build.BUILD, "install-data",
             f"DESTDIR={where}", *(f"{k}={v}" for k, v in given.items())],
            check=True, capture_output=True)
    texts = {}
    for folder, _, names in os.walk(where):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                texts["/" + os.path.relpath(path, where)] = f.read()
    return texts


def test_pages_and_files_name_them(tmp_path):
    paths = install(tmp_path, GIVEN)
    docs = f"{GIVEN['prefix']}/share/doc/postern"
    assert {f"{docs}/README", f"{docs}/NEWS",
            f"{docs}/schema/README"} <= set(paths)
    texts = {os.path.basename(path): text for path, text in paths.items()}
    assert {"posternd.8", "posternd.service", "postern.m4"} <= set(texts)
    for name, text in paths.items():
        text = re.sub("/var/spool/postfix/postern|/etc/mail/postern|"
                      "/etc/tmpfiles.d/postern", "", text)
        for path in re.findall(r"[\w/.]+/postern(?:/|\b)", text):
            assert not path.startswith(
                ("/etc/", "/run/", "/var/", "/usr/")), (name, path)
    unit = texts["posternd.service"]
    assert "ExecStart=/opt/p/sbin/posternd -c /opt/conf/postern/p" in unit
    assert "ReadWritePaths=/opt/var/lib/postern -/opt/run/postern" in unit
    rc = texts["posternd"]
    assert ': ${posternd_config:="/opt/conf/postern/postern.conf"}' in rc
    assert ': ${posternd_rundir:="/opt/run/postern"}' in rc
    assert 'procname="/opt/p/sbin/posternd"' in rc
    assert ".Ql /opt/var/lib/postern/postern.db ." in texts["postern.conf.5"]
    assert f".Pa {docs}/schema/README\n" in texts["postern-journal.5"]
    assert f"{docs}" in paths[f"{docs}/README"]
    assert "/opt/p/share/postern/contrib/rc.d/*" in paths[f"{docs}/README"]


def test_directories_that_look_like_those_they_replace(tmp_path):
    given = {"prefix": "/opt/usr", "sysconfdir": "/opt/usr/local/etc",
             "localstatedir": "/opt/var", "runstatedir": "/opt/var/run"}
    for path, text in install(tmp_path, given).items():
        assert "/opt/opt" not in text and "/local/local" not in text, path
        if path.endswith("rc.d/posternd"):
            assert 'procname="/opt/usr/sbin/posternd"' in text
            assert '_config="/opt/usr/local/etc/postern/postern.' in text


def test_readme_names_the_packages_of_the_quickstart():
    readme, quickstart = (
        re.search(start + r" ((?:.*\\\n)*.*)\n",
                  (build.SOURCE / name).read_text(encoding="utf-8"))[1]
        for name, start in (("README", "apt-get install"),
                            ("contrib/quickstart.sh", "install-missing.sh")))
    wanted = set(quickstart.replace("\\", "").split()) - {"swaks"}
    assert set(readme.replace("\\", "").split()) == wanted
