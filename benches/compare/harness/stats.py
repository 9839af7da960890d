"""Medians, ratios, and what the tools print read as numbers."""

import re


def median(values):
    """The middle value; of an even number of them the mean of the middle two. None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def ratio(values, others):
    """The median of the quotients, each of a round's two neighbours; rounds that only one of both has do not count."""
    pairs = [(a, b) for a, b in zip(values, others) if a is not None and b]
    return median([a / b for a, b in pairs])


def per_request(once, twice, requests):
    """(what 2N requests took - what N took) / N, so that connecting and what else happens once cancel out."""
    return (twice - once) / requests


def load_report(text):
    """What `load`, `idle` and `first` print: lines of a name, a number and maybe a unit."""
    report = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 2:
            raise ValueError(f"not a line of name and number: {line!r}")
        report[fields[0]] = float(fields[1])
    return report


# A percentile needs ten values above it to be more than the worst few.
PERCENTILES = {"p50": 20, "p99": 1_000, "p99.9": 10_000}


def percentiles(report):
    """The percentiles of a load's report that it made enough requests for."""
    return {name: report[name] for name, least in PERCENTILES.items() if report["requests"] >= least}


def callgrind_dump(text):
    """Instructions, and calls of the functions that allocate, in a dump of callgrind's."""
    names, instructions, allocations, called = {}, None, 0, None
    for line in text.splitlines():
        if line.startswith("cfn="):
            called = _name(names, line[4:])
        elif line.startswith("fn="):
            _name(names, line[3:])
        elif line.startswith("calls="):
            if called in ALLOCATING:
                allocations += int(line[6:].split()[0])
        elif line.startswith(("summary: ", "totals: ")):
            instructions = int(line.split()[1])
    if instructions is None:
        raise ValueError("callgrind's dump has no totals")
    return {"instructions": instructions, "allocations": allocations}


# What programs call of the C library's allocator. What these call of each other is inside of it, and has other names.
ALLOCATING = {
    "malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "valloc",
    "operator new(unsigned long)", "operator new[](unsigned long)",
}  # fmt: skip


def _name(names, text):
    """Names are given in full once, and by their number from then on. Recursion is told apart by a suffix, versions by another."""
    number, _, name = text.partition(" ")
    if name:
        names[number] = re.sub(r"('\d+|@@?\S+)$", "", name)
    return names.get(number, "")


def strace_summary(text):
    """Calls by name, of `strace -c`: % time, seconds, usecs/call, calls, errors (may be blank), syscall."""
    calls = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
            calls[fields[-1]] = calls.get(fields[-1], 0) + int(fields[3])
    return calls


