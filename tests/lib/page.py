"""An HTML page read strictly, and looked at in a browser."""

import html
import html.parser
import json
import os
import re
import shutil
import subprocess

from lib import build

VOID = {"meta", "link", "br", "hr", "img", "input"}
AXE = os.path.join(
    os.environ.get("POSTERN_AXE") or build.SOURCE / "build" / "axe",
    "node_modules", "axe-core", "axe.min.js")
SCHEMES = {"light": 1, "dark": 0}


class Page(html.parser.HTMLParser):
    """Raises where tags are not closed in their order. elements are (tag,
    attributes, text) in the order of their ends."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        self.close()
        assert self._open == [], self._open

    def handle_starttag(self, tag, attrs):
        entry = (tag, dict(attrs), [])
        assert len(attrs) == len(entry[1]), attrs
        if tag in VOID:
            self.elements.append((tag, entry[1], ""))
        else:
            self._open.append(entry)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag):
        name, attrs, text = self._open.pop()
        assert name == tag, (name, tag, self.getpos())
        self.elements.append((tag, attrs, "".join(text)))
        if self._open:
            self._open[-1][2].extend(text)

    def handle_data(self, data):
        if self._open:
            self._open[-1][2].append(data)

    def all(self, tag):
        return [(attrs, text) for t, attrs, text in self.elements if t == tag]

    def tables(self):
        """{caption: rows as lists of texts}, from the source of it all."""
        found, rows, cells = {}, [], []
        for tag, _, text in self.elements:
            if tag in ("th", "td"):
                cells.append(text)
            elif tag == "tr":
                rows.append(cells)
                cells = []
            elif tag == "caption":
                caption = text
            elif tag == "table":
                found[caption] = rows
                rows = []
        return found


def chromium():
    return shutil.which("chromium") or shutil.which("google-chrome")


def why_no_browser():
    if chromium() is None:
        return "Chromium is not installed (Debian: chromium)"
    if not os.path.exists(AXE):
        return "axe-core is not there (sh tests/lib/axe.sh build/axe)"
    return None


def browse(path, profile, *args, scheme="light"):
    """What Chromium prints of a page and says on its console."""
    done = subprocess.run(
        [chromium(), "--headless", "--no-sandbox", "--disable-gpu",
         "--disable-dev-shm-usage", "--disable-background-networking",
         "--disable-component-update", "--no-first-run",
         f"--user-data-dir={profile}", "--enable-logging=stderr",
         f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
         "--virtual-time-budget=60000", *args, f"file://{path}"],
        capture_output=True, text=True, timeout=240, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console


def axe(path, profile, scheme):
    """The violations that axe-core finds. It needs a script in the page, so a
    copy without the policy that forbids scripts is judged."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    text = re.sub(r"<meta http-equiv[^>]*>", "", text)
    with open(AXE, encoding="utf-8") as f:
        script = f.read()
    copy = f"{profile}-{scheme}.html"
    with open(copy, "w", encoding="utf-8") as f:
        f.write(text.replace("</body>", f"""<script>{script}</script><script>
            axe.run().then(function (found) {{
                document.body.innerHTML = '<pre id="axe"></pre>';
                document.getElementById("axe").textContent =
                    JSON.stringify({{ dark:
                        matchMedia("(prefers-color-scheme: dark)").matches,
                        passes: found.passes.length,
                        violations: found.violations }});
            }});
            </script></body>"""))
    out, _ = browse(copy, profile, "--dump-dom", scheme=scheme)
    found = re.search(r'<pre id="axe">(.*?)</pre>', out, re.S)
    assert found, out[-2000:]
    result = json.loads(html.unescape(found.group(1)))
    assert result["dark"] == (scheme == "dark") and result["passes"] > 10
    return result["violations"]
