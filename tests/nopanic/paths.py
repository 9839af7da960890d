#!/usr/bin/env python3
"""Which exported functions can reach a panic, by way of which, and where: paths.py ASSEMBLY PREFIX [LIST MET].

ASSEMBLY is what rustc wrote for a whole program, and PREFIX what the names of the functions begin with that are asked about. One line for
each way that is found. Places of LIST are passed over, and noted in the file MET. The status is 0 if nothing was printed.
"""

import codecs
import re
import sys

# The compiler may have put the panic handler into the one function that calls it.
HANDLER = re.compile(r"rust_begin_unwind|9panicking9panic_fmt$")
# Functions of core that do nothing but panic; what calls one is where the panic is.
PANICS = re.compile(r"panicking|_fail|expect_failed|unwrap_failed|rust_begin_unwind")
SYMBOL = re.compile(r"[A-Za-z_$.][\w$.]*")
LABEL = re.compile(r"^([A-Za-z_$.][\w$.]*):")
ALIAS = re.compile(r"^([A-Za-z_$.][\w$.]*)\s*=\s*([A-Za-z_$.][\w$.]*)$|^\s*\.set\s+([\w$.]+),\s*([\w$.]+)$")
TEXT = re.compile(r'^\s*\.(asciz|ascii|string)\s+"(.*)"$')
IGNORED = (".type", ".size", ".p2align", ".section", ".globl", ".file", ".hidden", ".functype", ".cfi", ".ident")


def main(path, prefix, listed="", met=""):
    references, data = read(path)
    known = entries(listed) if listed else []
    lines, seen = set(), set()
    for name in sorted(references):
        if not name.startswith(prefix):
            continue
        for way in ways(references, name):
            places = places_of(references, data, way) or {"place unknown"}
            found = {place: entry for place in places for entry in known if entry_fits(entry, place)}
            seen |= set(found.values())
            if left := places - set(found):
                lines.add(f"{' -> '.join(plain(each) for each in way)}: {', '.join(sorted(left))}")
    if met:
        with open(met, "a", encoding="utf-8") as file:
            file.writelines(f"{' | '.join(entry)}\n" for entry in sorted(seen))
    print("\n".join(sorted(lines)), end="\n" if lines else "")
    return 1 if lines else 0


def entries(path):
    """Lines of `FILE | TEXT # reason`: the end of the file's name, and what stands in the line, if that is known."""
    with open(path, encoding="utf-8") as file:
        lines = (line.split(" # ")[0].strip() for line in file if not line.startswith("#"))
        return [tuple(part.strip() for part in line.split(" | ")) for line in lines if line]


def entry_fits(entry, place):
    file, _, line = place.rpartition(":")
    if entry[0] == "async":
        return is_async(file, line)
    if entry[0].startswith("^"):
        return place.startswith(entry[0][1:])
    return entry[0] in place and (len(entry) == 1 or entry[1] in source(file, line)[-1:][0])


def is_async(file, line):
    """Whether this is where the body of an `async fn` or an async block begins: what is polled again after its end panics there."""
    text = source(file, line)
    for number in range(len(text), max(0, len(text) - 15), -1):
        if "async " in text[number - 1]:
            return True
        if re.search(r"\bfn\b|;$|^\s*\}", text[number - 1]):
            return False
    return False


def source(file, line):
    """The lines up to this one; none of a file that isn't there."""
    try:
        with open(file, encoding="utf-8") as lines:
            return [text.rstrip() for text, _ in zip(lines, range(int(line)))]
    except OSError:
        return [""]


def read(path):
    """Every label with the symbols that stand below it up to the next one that counts, and with the bytes there."""
    references, data, current = {}, {}, None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip()
            if found := LABEL.match(line):
                # Labels within a function begin with `.L`, and so do constants, which are no part of one.
                if not found[1].startswith(".L") or found[1].startswith((".Lanon", ".Lalloc", ".Lswitch", ".L__unnamed")):
                    current = found[1]
                    references[current], data[current] = [], []
            elif found := ALIAS.match(line):
                references[found[1] or found[3]] = [found[2] or found[4]]
            elif current is None or line.lstrip().startswith(IGNORED):
                continue
            elif found := TEXT.match(line):
                data[current].append(codecs.escape_decode(found[2])[0] + (b"" if found[1] == "ascii" else b"\0"))
            else:
                words = SYMBOL.findall(line)
                references[current] += words
                data[current] += words[1:]
    return references, data


def ways(references, start):
    """A way from `start` to each function that calls one that only panics, and on to the panic handler."""
    above = {}
    for name, words in references.items():
        for word in words:
            above.setdefault(word, set()).add(name)
    leads, new = set(), {name for name in references if HANDLER.search(name)}
    while new:
        leads |= new
        new = {name for each in new for name in above.get(each, ())} - leads
    stack, visited = [(start,)], {start}
    while stack:
        way = stack.pop()
        if HANDLER.search(way[-1]):
            yield way
            continue
        for word in dict.fromkeys(references[way[-1]]):
            if word in leads and word not in way and (PANICS.search(word) or word not in visited):
                visited.add(word)
                stack.append((*way, word))


def places_of(references, data, way):
    """Where the last function of a way that doesn't only panic may do so, and those behind it."""
    last = max((number for number, name in enumerate(way) if not PANICS.search(name)), default=0)
    words = (word for name in way[last:] for word in references[name])
    return {place for word in words if (place := location(data, word))}


def location(data, word):
    """FILE:LINE, if that is what stands there: the text's address, its length, the line and the column."""
    match data.get(word):
        case [str(text), bytes(numbers), *_] if len(numbers) in (12, 16) and data.get(text):
            word = len(numbers) // 2 if len(numbers) == 16 else 4
            size, line = (int.from_bytes(part, "little") for part in (numbers[:word], numbers[word : word + 4]))
            name = b"".join(part for part in data[text] if isinstance(part, bytes))[:size].decode(errors="replace")
            return f"{name}:{line}"
    return None


def plain(name):
    """A mangled name as a person reads it, near enough."""
    if not name.startswith(("_ZN", "_R")):
        return name
    # What tells crates of one name apart is no part of it.
    parts, rest = [], re.sub(r"Cs[0-9A-Za-z]*_(?=\d)", "C", name)
    while found := re.search(r"(?<!\d)(\d+)(_?)", rest):
        at, length = found.end(), int(found[1])
        part, rest = rest[at : at + length], rest[at + length :]
        if part and not re.fullmatch(r"h[0-9a-f]{16}", part) and SYMBOL.fullmatch(part) and len(part) == length:
            parts.append(part)
    return "::".join(parts)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
