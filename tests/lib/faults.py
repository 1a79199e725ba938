"""The table of faults of SES, tests/protocol/faults.txt.

	table = faults.load()
	table.cell("drop", "mail")	# an Answer
"""

import collections
import pathlib

FILE = pathlib.Path(__file__).parents[1] / "protocol" / "faults.txt"

# reply: "451 4.4.1". breaker and once are "" where the table has "-".
Answer = collections.namedtuple("Answer", "word reply state breaker once")


class Table:
    """phases: name to (heading, description). kinds: name to what happens.
    answers: word to Answer. cells: (kind, phase) to the answer's word.
    """

    def __init__(self, sections):
        self.phases = {
            name: (heading, text) for name, heading, text in
            (line.split(None, 2) for line in sections["phases"])
        }
        self.kinds = dict(line.split(None, 1) for line in sections["kinds"])
        self.answers = {}
        for line in sections["answers"]:
            word, code, enhanced, *rest = line.split()
            self.answers[word] = Answer(
                word, f"{code} {enhanced}",
                *("" if field == "-" else field for field in rest),
            )
        self.matrix = sections["cells"]
        headings, *rows = (line.split() for line in self.matrix)
        assert headings == [h for h, _ in self.phases.values()]
        self.cells = {
            (kind, phase): word
            for kind, *words in rows
            for phase, word in zip(self.phases, words, strict=True)
        }

    def cell(self, kind, phase):
        return self.answers[self.cells[kind, phase]]

    def happens(self, kind):
        """In words: SES's own, or what it does."""
        text = self.kinds[kind]
        return text if text[0].isdigit() else text.partition(": ")[2]

    def action(self, kind):
        """For postern-sandbox: what stands behind the phase, and the text."""
        text = self.kinds[kind]
        if text[0].isdigit():
            return "reply", f" text={text}"
        return text.partition(":")[0], ""


def load():
    sections = collections.defaultdict(list)
    name = None
    for line in FILE.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line.strip() and not line.startswith("#"):
            sections[name].append(line)
    return Table(sections)
