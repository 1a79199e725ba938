"""What postern-replies(7) says, for the test that holds it to its table."""

from lib.build import SOURCE

PAGE = SOURCE / "man" / "postern-replies.7"


def _part(name):
    """The lines between the comments that mark a table in the page."""
    lines = PAGE.read_text(encoding="ascii").splitlines()
    begin = lines.index(f'.\\" begin {name}')
    return lines[begin + 1:lines.index(f'.\\" end {name}')]


def listing(name):
    """A literal display, line by line."""
    return [line for line in _part(name) if not line.startswith(".")]


def items(name):
    """A list's items: what stands in each .It to its text, in one line."""
    found, head = {}, None
    for line in _part(name):
        words = line.split(" ")
        if words[0] == ".It":
            head = " ".join(w for w in words[1:] if w != "Cm")
            found[head] = ""
        elif not line.startswith("."):
            text = line.removeprefix("\\&")
            found[head] = f"{found[head]} {text}".strip()
    return found
