"""The charts of one run, as SVG: `python -m harness.charts RESULTS.json FOLDER` prints the names of the files that it wrote."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot  # noqa: E402

from harness.report import cell, middle  # noqa: E402

OWN, OTHER, FLOOR = "#d1495b", "#8d99ae", "#d9dde5"


def main():
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    measured = json.loads(source.read_text())
    # The same figures give the same file: without it, ids in it are made up anew each time.
    pyplot.rcParams.update({"svg.hashsalt": "midge", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    for name, draw in (("rates", rates), ("instructions", instructions), ("footprint", footprint)):
        figure = draw(measured)
        path = folder / f"{measured['date']}-{name}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
        print(path.name)


def rates(measured):
    """Requests per second of processor time, which others' work on the machine disturbs least."""
    shown = measured["scenarios"]
    panels = [(scenario["title"], by_peer(measured, name, "rate_by_processor"), "{:,.0f}") for name, scenario in shown.items()]
    return draw("Requests per second of the server's processor time (more is better)", panels, logarithmic=False)


def instructions(measured):
    shown = measured["scenarios"]
    panels = [(scenario["title"], by_peer(measured, name, "instructions"), "{:,.0f}") for name, scenario in shown.items()]
    return draw("User-space instructions per request (fewer is better; logarithmic)", panels, logarithmic=True)


def footprint(measured):
    alone = {name: peer["alone"] for name, peer in measured["peers"].items()}

    def of(key, unit=1):
        return {name: own[key] / unit for name, own in alone.items() if own.get(key) is not None}

    panels = [
        ("bytes per idle connection", of("idle_bytes"), "{:,.0f}"),
        ("KiB, stripped", of("size", 1024), "{:,.0f}"),
        ("ms from exec to the first answer", of("first_us", 1000), "{:,.2f}"),
        ("allocations per 40-byte GET", by_peer(measured, "plain", "allocations"), "{:,.2f}"),
    ]
    return draw("Memory, size, start (less is better; logarithmic)", panels, logarithmic=True)


def by_peer(measured, scenario, key):
    values = {peer: middle(cell(measured, peer, scenario).get(key)) for peer in measured["peers"]}
    return {peer: value for peer, value in values.items() if value is not None}


def draw(title, panels, logarithmic):
    columns = 2
    lines = -(-len(panels) // columns)
    figure, places = pyplot.subplots(lines, columns, figsize=(10, 0.6 + 2.4 * lines), layout="constrained", squeeze=False)
    figure.suptitle(title, fontsize=11)
    for place, (name, values, form) in zip(places.flat, panels):
        bars(place, name, values, form, logarithmic)
    for place in list(places.flat)[len(panels):]:
        place.set_axis_off()
    return figure


def bars(place, name, values, form, logarithmic):
    names = list(values)
    colours = [OWN if peer == "midge" else FLOOR if peer == "floor" else OTHER for peer in names]
    # On a logarithmic axis nothing has no place: it is a bar of no length, with its label.
    least = min((value for value in values.values() if value > 0), default=1)
    lengths = [max(value, least / 2) if logarithmic else value for value in values.values()]
    drawn = place.barh(names, lengths, color=colours)
    place.bar_label(drawn, [form.format(value) for value in values.values()], padding=3, fontsize=8)
    place.set_title(name, fontsize=9, loc="left")
    place.invert_yaxis()
    place.margins(x=0.18)
    place.xaxis.set_visible(False)
    place.spines["bottom"].set_visible(False)
    if logarithmic:
        place.set_xscale("log")
        place.set_xlim(least / 2, max(lengths) * 6)


if __name__ == "__main__":
    main()
