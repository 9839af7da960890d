#!/usr/bin/env python3
"""How deep a stack can get: depth.py ASSEMBLY LIST ROOT..., with a function whose name has ROOT in it.

ASSEMBLY is what rustc wrote for a whole program, for x86-64 or a Cortex-M. A function's own part is what its prologue takes and, on x86-64,
the address that its caller pushes. A function that another one refers to, or that stands in a table that it refers to, counts as called
by it; and one whose address is taken below the root or below what calls it counts as called wherever an address is called, but not
within itself.
What only panics is left out. One block for each root: its depth, and the way to it. A function that may call itself has to be in
LIST, with how often it may; so has one that is called by its address and calls by address, since it may be itself that it calls. The
status is 1 if one is not, or if what a function takes isn't known.
"""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "nopanic"))
from paths import LABEL, PANICS, SYMBOL, plain, read  # noqa: E402

FUNCTION = re.compile(r"^\s*\.type\s+([\w$.]+),\s*[@%]function")
CFA = re.compile(r"^\s*\.cfi_def_cfa(?:_offset)?\s+(?:%?\w+,\s*)?(\d+)$")
PUSH = re.compile(r"^\s*v?(?:push|stmdb\s+sp!,)(?:\.w)?\s*\{(.*)\}")
TAKE = re.compile(r"^\s*sub(?:w|\.w|s)?\s+sp,\s*(?:sp,\s*)?#(\d+)$")
INDIRECT = re.compile(r"^\s*(?:(?:callq?|jmpq?)\s+\*(?:%\w+|-?\d*\(%\w+(?:,%\w+)*\))$|blx?\s+r\d+$|bx\s+r\d+$)")
# A jump of x86-64 to what was just computed from a switch's table.
JUMP = re.compile(r"^\s*jmpq?\s+\*(%\w+)$")
# Text is there for debuggers, which are told names.
NO_ADDRESS = (".type", ".size", ".globl", ".section", ".cfi", ".hidden", ".asciz", ".ascii", ".string")
BRANCH = re.compile(r"^\s*(?:callq?|j\w+|bl?x?|b\w\w(?:\.w)?|b\.w)\s")


def main(path, listed, *roots):
    references, _ = read(path)
    program = Program(references, path, recursions(listed))
    status = 0
    for root in roots:
        for name in sorted(name for name in program.frames if root in name):
            depth, way = program.depth(name)
            print(f"{plain(name).rpartition('::')[2]}: {depth} bytes")
            for each, taken in way:
                print(f"    {taken:6} {plain(each)}")
            for line in program.problems:
                print(f"    {line}")
                status = 1
    return status


def recursions(listed):
    """Lines of `FUNCTION TIMES # why`."""
    with open(listed, encoding="utf-8") as file:
        lines = (line.split(" # ")[0].split() for line in file if not line.startswith("#") and line.strip())
        return {name: int(times) for name, times in lines}


class Program:
    """What each function takes of the stack, and what it may call."""

    def __init__(self, references, path, listed):
        self.references, self.listed = references, listed
        self.frames, self.indirect, self.taken, self.unknown, self.problems = {}, set(), set(), set(), []
        self.recent = []
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        names = {found[1] for line in lines if (found := FUNCTION.match(line))}
        current = None
        for line in lines:
            if found := LABEL.match(line):
                if found[1] in names:
                    current = found[1]
                    self.frames[current] = 0
                elif not found[1].startswith(".L") or found[1].startswith(".Lanon"):
                    current = None
                continue
            if not line.lstrip().startswith(NO_ADDRESS) and not BRANCH.match(line):
                self.taken |= names.intersection(SYMBOL.findall(line))
            if current:
                self.instruction(current, line)

    def instruction(self, name, line):
        """Adds what one instruction, or what is said of it, takes."""
        if found := CFA.match(line):
            self.frames[name] = max(self.frames[name], int(found[1]))
        elif found := PUSH.match(line):
            self.frames[name] += registers(found[1])
        elif found := TAKE.match(line):
            self.frames[name] += int(found[1])
        elif re.match(r"^\s*sub\S*\s+sp,.*\b[lr]\d+$|^\s*sub\S*\s+%r\w+,\s*%rsp$", line):
            self.unknown.add(name)
        if INDIRECT.match(line):
            jump = JUMP.match(line)
            if not jump or not any(re.match(rf"^\s*addq\s+%\w+,\s*{jump[1]}$", each) for each in self.recent):
                self.indirect.add(name)
        self.recent = [*self.recent[-11:], line]

    def below(self, name):
        """What a function may call: what it refers to, and what stands in data that it refers to."""
        words = dict.fromkeys(self.references.get(name, ()))
        # What a switch's table tells is the distance to itself.
        return [word for word in words if word in self.references and not PANICS.search(word) and word[:8] != ".Lswitch"]

    def depth(self, root):
        """The greatest depth below `root`, and the way there."""
        # What calls it may have handed addresses on.
        stack = [root, *(name for name in self.references if root in self.below(name))]
        reached = set(stack)
        while stack:
            new = set(self.below(stack.pop())) - reached
            reached |= new
            stack += new
        self.problems = [f"UNKNOWN: what {plain(name)} takes" for name in sorted(reached & self.unknown)]
        known, path, taken = {}, [], sorted(self.taken & reached)
        both = [name for name in taken if self.calls_by_address(name)]
        self.problems += [f"BY ADDRESS: {plain(name)}, which calls by address" for name in both if plain(name) not in self.listed]

        def visit(name):
            """What `name` takes with all below it, the way, and how far up the path a function was met again."""
            above = len(path)
            # What may be called by address depends on which of those that call so are being called.
            place = name, frozenset(each for each in both if each in path)
            if name in path:
                self.repeated(path[path.index(name) :])
                return 0, (), path.index(name)
            if place in known:
                return *known[place], above
            path.append(name)
            found = [visit(word) for word in self.below(name)]
            if name in self.indirect:
                found += [visit(word) for word in taken if word not in path]
            path.pop()
            depth, way, _ = max(found, key=lambda each: each[0], default=(0, (), above))
            met = min((each[2] for each in found), default=above)
            own = self.frames.get(name, 0) * self.listed.get(plain(name), 1)
            total = depth + own, ((name, own), *way) if own else way
            # Where the way ended at one that stands further up, it may be longer from elsewhere.
            if met >= above:
                known[place] = total
            return *total, met

        sys.setrecursionlimit(10_000)
        return visit(root)[:2]

    def calls_by_address(self, name):
        """Whether it, or what it may call otherwise, calls by address."""
        seen, stack = {name}, [name]
        while stack:
            each = stack.pop()
            if each in self.indirect:
                return True
            new = set(self.below(each)) - seen
            seen |= new
            stack += new
        return False

    def repeated(self, way):
        """Notes what calls itself, unless the list says how often that may be."""
        if not any(plain(name) in self.listed for name in way):
            problem = f"RECURSION: {' -> '.join(plain(name) for name in [*way, way[0]])}"
            if problem not in self.problems:
                self.problems.append(problem)


def registers(text):
    """Bytes that a push of these takes: `r4-r7, lr`, `d8, d9`."""
    taken = 0
    for part in text.split(","):
        first, _, last = (each.strip() for each in part.partition("-"))
        size = 8 if first.startswith("d") else 4
        count = int(last[1:]) - int(first[1:]) + 1 if last else 1
        taken += size * count
    return taken


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
