"""Holds what cargo-mutants' tests missed against the reviewed list, mutants.txt: `mutants.py unlisted MISSED`, `mutants.py judge MISSED [whole]`.
`mutants.py stale` fails where a line that is listed isn't in its file any more.

A mutant is known by its file, what was changed in which function, the text of the line, and the column in that text: line numbers change with every
edit. `whole` says that all mutants were tried, so that what is listed and was not missed is out of date.
"""

import pathlib
import re
import sys

LIST = pathlib.Path("tests/mutants.txt")


def main():
    listed = read_list()
    if sys.argv[1:] == ["stale"]:
        return stale(listed)
    what, missed, *whole = sys.argv[1:]
    names = {}
    for name in pathlib.Path(missed).read_text().splitlines():
        names.setdefault(key(name), []).append(name)
    unlisted = [name for known, those in names.items() if known not in listed for name in those]
    if what == "unlisted":
        print("\n".join(unlisted), end="\n" if unlisted else "")
        return 0
    print(f"{sum(map(len, names.values()))} missed, of which {len(unlisted)} are not in {LIST}")
    for name in unlisted:
        print(f"not listed: {key(name)}")
    gone = sorted(listed - names.keys()) if whole else []
    for known in gone:
        print(f"listed, but not missed any more: {known}")
    return 1 if unlisted or gone else 0


def key(name):
    path, line, column, change = re.fullmatch(r"([^:]+):(\d+):(\d+): (.*)", name).groups()
    text = pathlib.Path(path).read_text().splitlines()[int(line) - 1]
    indent = len(text) - len(text.lstrip())
    return f"{path}: {change} | {text.strip()} @{int(column) - indent}"


def stale(listed):
    gone = []
    for known in sorted(listed):
        path, rest = re.fullmatch(r"([^:]+): (.*) @\d+", known).groups()
        lines = pathlib.Path(path).read_text().splitlines() if pathlib.Path(path).exists() else []
        texts = {line.strip() for line in lines}
        # What was changed may have a bar in it, and the line too.
        if not any(rest[bar.end() :] in texts for bar in re.finditer(r" \| ", rest)):
            gone.append(known)
    for known in gone:
        print(f"listed, but its line isn't there any more: {known}")
    print(f"{len(listed)} are listed, {len(gone)} of them stale")
    return 1 if gone or not listed else 0


def read_list():
    """The mutants of the list; each block of them stands below the reason, a paragraph of lines that begin with #."""
    listed, has_reason = set(), False
    for line in LIST.read_text().splitlines():
        if not line:
            has_reason = False
        elif line.startswith("#"):
            has_reason = True
        elif not has_reason:
            sys.exit(f"{LIST}: without a reason: {line}")
        else:
            listed.add(line)
    return listed


sys.exit(main())
