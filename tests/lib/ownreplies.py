"""Every reply of Postern's own, read from the sources that write them.

Not what passes on SES's words (verdict_from_ses), which faults.txt has.
"""

import re

from lib.build import SOURCE
from lib.manual import PAGE

FILES = [*sorted(SOURCE.glob("lmtp/*.c")), *sorted(SOURCE.glob("milter/*.c")),
         SOURCE / "identity" / "rewrite.c", SOURCE / "identity" / "senders.c"]
CALL = re.compile(
    r"\b(session_reply|fault|gate_answer|set|refuse_with|refuse|decide|"
    r"turn_away)\(")
LITERAL = r'"((?:[^"\\]|\\.)*)"'
STATUS = re.compile(r'"([45]\.\d\.\d)"')


def _arguments(text, start):
    """Of a call whose opening bracket is before start."""
    found, depth, quoted, begin, i = [], 0, False, start, start
    while depth >= 0:
        c = text[i]
        if quoted:
            i += c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        if not quoted and (depth < 0 or (c == "," and depth == 0)):
            found.append(text[begin:i].strip())
            begin = i + 1
        i += 1
    return found


def _words(arguments, before):
    """The texts that the arguments after code and status make, as patterns."""
    text = " ".join(arguments[:1])
    if re.fullmatch(r'"%s"', text):
        text = " ".join(arguments[1:2])
    if '"' not in text and re.search(r"\b(reply\.)?text$", text):
        written = list(re.finditer(
            r"snprintf\([\w.]+, sizeof\([\w.]+\),\s*(" + LITERAL + r"\s*)+",
            before))
        text = written[-1].group() if written else ""
    texts = []
    for part in re.split(r"\s[?:]\s", text):
        literals = re.findall(LITERAL, re.sub(r'"\s*PRI\w+\s*"', "d", part))
        if literals:
            texts.append("".join(literals).replace("\\r\\n", ""))
    return texts or ["%s"]


def _pattern(words):
    return ".*".join(
        re.escape(part)
        for part in re.split(r"%(?:[.*0-9]*)(?:ll|z)?[a-z]", words))


def _of_call(name, arguments, before):
    if name == "turn_away":
        for literal in re.findall(LITERAL, " ".join(arguments[1:])):
            yield literal[:3], literal[4:9], _pattern(literal[10:-4])
        return
    for i, argument in enumerate(arguments):
        status = STATUS.findall(argument)
        if status:
            break
    else:
        return
    codes = re.findall(r"\b[45]\d\d\b", arguments[i - 1])
    codes += ["451" if code == "DEFER" else "550" for code in
              re.findall(r"\bREWRITE_(DEFER|REJECT)\b", arguments[i - 1])]
    # What follows the sender in a reply.
    prefix = r".*sender <.*> " if name == "decide" else ""
    for words in _words(arguments[i + 1:], before):
        yield from ((c, s, prefix + _pattern(words))
                    for c, s in zip(codes, status, strict=True))


def in_sources():
    """(code, status, pattern of the words, where), each once."""
    found = {}
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\nverdict_from_ses\(.*?\n}\n", "\n", text, flags=re.S)
        replies = []
        for call in CALL.finditer(text):
            replies += _of_call(call[1], _arguments(text, call.end()),
                                text[max(0, call.start() - 600):call.start()])
        # Tables and initialisers.
        replies += [(c, s, ".*") for c, s in
                    re.findall(r'\{ (\d{3}), "([45]\.\d\.\d)" \}', text)]
        replies += [(c, s, _pattern(w)) for c, s, w in re.findall(
            r'\.code = (\d+),\s*\.dsn = "([\d.]+)",\s*\.text = ' + LITERAL,
            text)]
        for reply in replies:
            found.setdefault(reply, path.name)
    return [(*reply, where) for reply, where in found.items()]


def in_page():
    """(code, status, words) of postern-replies(7)."""
    part = PAGE.read_text(encoding="ascii")
    part = part.split('.\\" begin own\n')[1].split('.\\" end own\n')[0]
    return [(m[1], m[2], m[3].replace('""', '"')) for m in re.finditer(
        r'^\.(?:It )?Li "(\d{3}) ([45]\.\d\.\d) ?(.*)"$', part, re.M)]
