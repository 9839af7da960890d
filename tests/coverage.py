"""What tests/coverage prints: `coverage.py table EXPORT` or `coverage.py missed EXPORT`, where EXPORT is what `llvm-cov export` wrote.

Code that is there for tests alone doesn't count: files called tests.rs or double.rs, and what follows `#[cfg(test)]` with `mod tests {` below it.
"""

import json
import pathlib
import re
import sys

# For each crate its folder, and the least share of its lines and of its regions, per cent.
BOUNDS = [
    ("midge", "engine/src", 95),
    ("midge-tcp", "adapters/tcp/src", 85),
    ("midge-lambda", "adapters/lambda/src", 85),
    ("midge-extension", "adapters/extension/src", 85),
    ("midge-workers", "adapters/workers/src", 85),
]


def main():
    what, export = sys.argv[1:]
    files = {}
    for file in json.loads(pathlib.Path(export).read_text())["data"][0]["files"]:
        path = pathlib.Path(file["filename"]).relative_to(pathlib.Path.cwd())
        if not is_for_tests(path):
            files[path] = counted(path, file["segments"])
    if what == "missed":
        for path, (lines, _) in sorted(files.items()):
            if missed := [line for line, count in sorted(lines.items()) if not count]:
                print(f"{path}: {ranges(missed)}")
        return 0
    return table(files)


def is_for_tests(path):
    return "tests" in path.parts or path.name in ("tests.rs", "double.rs")


def counted(path, segments):
    """How often each line that has code was reached, and each region."""
    segments = [segment for segment in segments if segment[0] < first_test_line(path)]
    lines, regions = {}, {}
    by_line = {}
    for segment in segments:
        by_line.setdefault(segment[0], []).append(segment)
        line, column, count, has_count, is_entry, is_gap = segment
        if has_count and is_entry and not is_gap:
            regions[line, column] = count
    # As LLVM's LineCoverageStats: a line's count is that of the region it begins in, or of one that begins on it, whichever is more.
    wrapped = None
    for line in range(1, (segments[-1][0] if segments else 0) + 1):
        here = by_line.get(line, [])
        entries = [s for s in here if s[3] and s[4] and not s[5]]
        skipped = bool(here) and not here[0][3] and here[0][4]
        if not skipped and (entries or (wrapped and wrapped[3])):
            lines[line] = max([s[2] for s in entries] + ([wrapped[2]] if wrapped and wrapped[3] else []))
        if here:
            wrapped = here[-1]
    return lines, regions


def first_test_line(path):
    text = path.read_text()
    found = re.search(r"^#\[cfg\((all\()?test.*\n(#\[.*\n)*(pub\(.*\) )?mod tests \{", text, re.M)
    return text.count("\n", 0, found.start()) + 1 if found else sys.maxsize


def table(files):
    print(f"{'crate':<18}{'lines':>16}{'':>10}{'regions':>16}{'':>10}{'bound':>10}")
    failed = False
    for crate, folder, bound in BOUNDS:
        shares = []
        row = f"{crate:<18}"
        for index in (0, 1):
            counts = [count for path, kinds in files.items() if path.is_relative_to(folder) for count in kinds[index].values()]
            reached = sum(count > 0 for count in counts)
            shares.append(100 * reached / len(counts) if counts else 0)
            row += f"{f'{reached} of {len(counts)}':>16}{shares[-1]:>8.1f} %"
        is_below = min(shares) < bound
        failed |= is_below
        print(f"{row}{bound:>8} %{'  below' if is_below else ''}")
    return 1 if failed else 0


def ranges(lines):
    runs = []
    for line in lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


sys.exit(main())
