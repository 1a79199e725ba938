"""What the README names is there: tests, contributed files, verbs, manual pages."""

import re

import pytest

from lib import build

README = (build.SOURCE / "README").read_text(encoding="utf-8")


def named(pattern):
    found = sorted(set(re.findall(pattern, README)))
    assert found
    return found


@pytest.mark.parametrize("test", named(r"\b(?:protocol|integration)/\w+\.py"))
def test_tests(test):
    text = (build.SOURCE / "tests" / test).read_text(encoding="utf-8")
    assert "\ndef test_" in text


@pytest.mark.parametrize("file", named(r"\b(?:contrib|schema)/[\w./-]*\w"))
def test_files(file):
    assert (build.SOURCE / file).exists()


@pytest.mark.parametrize("page", named(r"\b(post[\w.-]+)\((\d)\)"), ids=".".join)
def test_manual_pages(page):
    assert (build.SOURCE / "man" / ".".join(page)).exists()


@pytest.mark.parametrize("verb", named(r'(?m)^    postern ([\w-]+) +|"postern ([\w-]+)'))
def test_verbs(verb):
    text = (build.SOURCE / "man" / "postern.1").read_text(encoding="utf-8")
    name = "".join(verb)
    assert re.search(rf"^\.It Cm {name}\b", text, re.M), name
