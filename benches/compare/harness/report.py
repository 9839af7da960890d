"""The Markdown page of one run."""

from harness.servers import Failed
from harness.stats import median, ratio

NONE = "–"


def markdown(measured, charts):
    """The whole page: what was measured on what, then a table for each kind of figure, the charts, and who is missing."""
    parts = [
        f"# Side by side, {measured['date']}",
        machine(measured),
        "![requests a second](%s)" % charts[0] if charts else "",
        *(rates(measured, name) for name in measured["scenarios"]),
        counts(measured),
        "\n".join(f"![{chart.split('-', 3)[-1].removesuffix('.svg').replace('-', ' ')}]({chart})" for chart in charts[1:]),
        alone(measured),
        places(measured),
        peers(measured),
        measured.get("hosts", ""),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def machine(measured):
    return (
        f"By `benches/compare/run` ([how](../README.md#side-by-side)): {measured['cores']} cores of {measured['processor']}, {measured['memory_gib']} GiB, "
        f"Linux {measured['kernel']}, {measured['rustc']}. Everything on loopback, each server in one process on one core, the load on the other.\n\n"
        f"The machine's load average was {measured['load_before']} before, and {measured['load_after']} at its end; the run itself is up to 2 of it. "
        f"{warning(measured)}"
        "Instructions and allocations are counted, and do not depend on the load; system calls do a little, since a wait finds as many connections ready "
        "as have become so."
    )


def warning(measured):
    if measured["load_before"] < 1:
        return ""
    return "**Others were using the cores: rates and times are noisy, and only those of neighbours in a round can be compared.** "


def rates(measured, name):
    scenario = measured["scenarios"][name]
    rows = []
    own = cell(measured, "midge", name)
    for peer in ranked(measured, name):
        is_at = cell(measured, peer, name)
        rows.append([
            bold(peer) + (IDLE if is_idle(is_at) else ""), number(median(is_at["rate"])), factor(is_at, own, "rate"),
            number(median(present(is_at, "rate_by_processor"))), factor(is_at, own, "rate_by_processor"), f"{median(is_at['share']):.0%}",
            *(microseconds(is_at, percentile) for percentile in ("p50", "p99", "p99.9")),
        ])  # fmt: skip
    head = ["", "requests/s", "midge = 1", "per second of processor time", "midge = 1", "busy", "p50", "p99", "p99.9"]
    loads = f"{scenario['connections']} connections" + (f", {scenario['depth']} requests in a write" if scenario["depth"] > 1 else "")
    told = f"{loads}; medians of {measured['rounds']} rounds of {measured['milliseconds']} ms. Latencies in µs."
    if any(not whole_rounds(cell(measured, peer, name), "p99.9") for peer in ranked(measured, name)):
        told += " A percentile is left out where a round had too few requests for it."
    if any(is_idle(cell(measured, peer, name)) for peer in ranked(measured, name)):
        told += f"{IDLE} ran for less than half of the time: what it waited for, the load or an acknowledgement, set its rate."
    return f"## {scenario['title'][0].upper()}{scenario['title'][1:]}\n\n{told}\n\n{table(head, rows)}"


def ranked(measured, name):
    """Whoever has rates, the fastest first."""
    having = [peer for peer in measured["peers"] if cell(measured, peer, name).get("rate")]
    return sorted(having, key=lambda peer: -median(cell(measured, peer, name)["rate"]))


def factor(values, own, name):
    if not own.get(name):
        return NONE
    quotient = ratio(values[name], own[name])
    return NONE if quotient is None else f"{quotient:.2f}"


def microseconds(values, name):
    """A percentile counts if every round had requests enough for it."""
    return number(middle(whole_rounds(values, name)))


def counts(measured):
    parts = []
    for title, name, digits in (
        ("User-space instructions per request", "instructions", 0),
        ("Allocations per request", "allocations", 2),
        ("System calls per request", "system_calls", 2),
    ):
        rows = [[bold(peer), *(number(cell(measured, peer, scenario).get(name), digits) for scenario in measured["scenarios"])]
                for peer in measured["peers"] if not measured["peers"][peer]["failed"]]  # fmt: skip
        head = ["", *(scenario["title"] for scenario in measured["scenarios"].values())]
        missing = [peer for peer, known in measured["peers"].items() if not known["failed"] and name == "instructions"
                   and all(cell(measured, peer, scenario).get(name) is None for scenario in measured["scenarios"])]  # fmt: skip
        told = f"{' and '.join(missing)} can't be counted: what is compiled while it runs makes a count that does not repeat.\n\n" if missing else ""
        parts.append(f"## {title}\n\n{told}{table(head, rows)}")
    return "\n\n".join(parts)


def alone(measured):
    rows = []
    for name, peer in measured["peers"].items():
        if peer["failed"]:
            continue
        own = peer["alone"]
        resident = own.get("resident_with_idle")
        rows.append([
            bold(name), number(own.get("idle_bytes")), NONE if resident is None else number(resident / 1024),
            NONE if own.get("first_us") is None else f"{own['first_us'] / 1000:.2f}", number(own.get("size")),
            number(peer["answer_bytes"]), number(own.get("threads")),
        ])  # fmt: skip
    head = ["", "bytes per idle connection", "KiB of the process with them", "ms from exec to the first answer", "bytes, stripped",
            "bytes of an answer to the GET", "threads"]  # fmt: skip
    told = (f"Memory is user space alone, what {measured['idle_connections']:,} idle connections add to it; the start is the median of {measured['starts']}. "
            "A stripped program's size leaves out the libraries that it loads.")  # fmt: skip
    return f"## Idle connections, start, size\n\n{told}\n\n{table(head, rows)}"


def places(measured):
    """In which columns midge is not the best of those that parse HTTP, and who is."""
    lines = []
    disturbed = {name for name in measured["scenarios"] if is_idle(cell(measured, "midge", name))}
    for title, lowest, values in columns(measured, disturbed):
        own = values.get("midge")
        if own is None:
            continue
        better = {}
        for peer, value in values.items():
            if peer in ("midge", "floor") or value is None:
                continue
            ahead = lead(value, own, lowest)
            # In the rounds and in the medians, or it is noise.
            if ahead is not None and is_better(value, own, lowest) and ahead > (WAITS if title.endswith("system calls") else NOISE):
                better[peer] = (ahead, f"{peer} ({significant(middle(value))} : {significant(middle(own))})")
        if better:
            order = sorted(better, key=lambda peer: -better[peer][0])
            lines.append(f"- {title}: {', '.join(better[peer][1] for peer in order)}")
    told = "The floor left aside, and what differs by no more than 2 % (system calls 10 %); the other's figure, then midge's. Rates and times are compared round by round."
    if disturbed:
        titles = ", ".join(measured["scenarios"][name]["title"] for name in measured["scenarios"] if name in disturbed)
        told += f" Requests a second and latencies are left out where the server ran for less than half of the time, since other programs or the load set them: {titles}."
    return f"## Where midge is not the best\n\n{told}\n\n" + ("\n".join(lines) or "Nowhere in this run.")


# Less than this ahead is not ahead.
NOISE = 1.02

# How many connections a wait finds ready differs from one to the next.
WAITS = 1.1

# A server that ran for a smaller share of the time did not set its rate.
BUSY = 0.5
IDLE = " †"


def is_idle(values):
    return (median(values.get("share", [])) or 0) < BUSY


def is_better(value, own, lowest):
    value, own = middle(value), middle(own)
    return None not in (value, own) and (value < own if lowest else value > own)


def lead(value, own, lowest):
    """By which factor the other is better, round by round where there are rounds."""
    if not isinstance(value, list):
        value, own = [value], [own]
    pairs = (own, value) if lowest else (value, own)
    if lowest and any(item == 0 for item in value):
        return None if median(own) == 0 else float("inf")
    return ratio(*pairs)


def significant(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def columns(measured, disturbed):
    """Each column of the tables: its title, whether less is better, and the values by peer; without clock times where these were disturbed."""
    for name, scenario in measured["scenarios"].items():
        for title, key, lowest in (
            ("requests a second", "rate", False),
            ("requests per second of processor time", "rate_by_processor", False),
            ("p50", "p50", True),
            ("p99", "p99", True),
            ("p99.9", "p99.9", True),
            ("instructions", "instructions", True),
            ("allocations", "allocations", True),
            ("system calls", "system_calls", True),
        ):
            if name in disturbed and key in CLOCK:
                continue
            yield f"{scenario['title']}, {title}", lowest, {peer: whole_rounds(cell(measured, peer, name), key) for peer in measured["peers"]}
    for title, key in (
        ("bytes per idle connection", "idle_bytes"),
        ("KiB of the process with idle connections", "resident_with_idle"),
        ("exec to the first answer", "first_us"),
        ("stripped size", "size"),
    ):
        yield title, True, {name: peer["alone"].get(key) for name, peer in measured["peers"].items()}


CLOCK = ("rate", "p50", "p99", "p99.9")


def whole_rounds(values, key):
    """A figure, or those of all rounds; a percentile that some rounds lack is none."""
    value = values.get(key)
    return None if isinstance(value, list) and len(value) != len(values["rate"]) else value


def middle(value):
    return median([item for item in value if item is not None]) if isinstance(value, list) else value


def peers(measured):
    rows, missing = [], []
    for name, peer in measured["peers"].items():
        if peer["failed"]:
            missing.append(f"- {name}: {peer['failed']}")
            continue
        rows.append([bold(name), peer["version"], peer["about"]])
        for scenario, reason in peer["wrong"].items():
            missing.append(f"- {name}, {measured['scenarios'][scenario]['title']}: a wrong answer: {reason}")
        for scenario, values in peer["scenarios"].items():
            missing += [f"- {name}, {measured['scenarios'][scenario]['title']}: {reason}" for reason in sorted(set(values.get("failed", [])))]
        missing += [f"- {name}: {reason}" for reason in peer["alone"].get("failed", [])]
    text = f"## Who was measured\n\n{table(['', 'version', 'set up as'], rows)}"
    return text + ("\n\nNot measured, and why:\n\n" + "\n".join(missing) if missing else "")


def must_be_whole(measured, results):
    """Raises unless everything that can be measured of every peer was, and was written."""
    holes = []
    for name, peer in measured["peers"].items():
        holes += [f"{name}: {peer['failed']}"] if peer["failed"] else []
        holes += [f"{name} alone: {key}" for key in ("idle_bytes", "first_us", "size") if peer["alone"].get(key) is None]
        for scenario, values in peer["scenarios"].items():
            wanted = ("rate", "instructions", "allocations", "system_calls")
            holes += [f"{name}, {scenario}: {key}" for key in wanted if values.get(key) is None]
            holes += [f"{name}, {scenario}: {reason}" for reason in values.get("failed", [])]
    text = (results / f"{measured['date']}.md").read_text()
    holes += [f"the page says nothing of {name}" for name in measured["peers"] if bold(name) not in text]
    if holes:
        raise Failed("; ".join(holes))


def cell(measured, peer, scenario):
    return measured["peers"].get(peer, {}).get("scenarios", {}).get(scenario, {})


def present(values, name):
    return [value for value in values[name] if value is not None]


def bold(peer):
    return f"**{peer}**" if peer == "midge" else peer


def number(value, digits=0):
    if value is None:
        return NONE
    # Below 10 a fraction is worth its digit; above, it is noise.
    return f"{value:,.{digits}f}"


def table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
