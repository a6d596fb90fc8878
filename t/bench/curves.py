"""Throughput and latency against the number of connections: the plots of the scenario `connections`."""

from measure import MODULE
from plots import Line, Panel
from report import NAMES, Figures
from scenarios import GET, POST

CURVES = (("GET 1 KB", GET), ("POST 1 KB, everysec", POST), ("POST 1 KB, always", POST.variant(sync="always")))


def points(figures, cells, target, field):
    values = [(cell.connections, figures.values(cell, target, field)) for cell in cells]
    return [(connections, found) for connections, found in values if found]


def panels(bench, fields, **more):
    """fields: pairs of a Result's field and what is added to the lines' names; the second is dashed."""
    figures = Figures(bench)
    for title, curve in CURVES:
        cells = [cell for cell in bench.cells if cell == curve.variant(connections=cell.connections)]
        lines = []
        for colour, target in enumerate((MODULE, figures.earlier, *NAMES)):
            if target and (len(fields) == 1 or target in (MODULE, figures.earlier)):
                name = "wallet_sync" if target == MODULE else NAMES.get(target, target).replace("`", "")
                for dashed, (field, suffix) in enumerate(fields):
                    found = points(figures, cells, target, field)
                    if len(found) > 1:
                        lines.append(Line(name + suffix, found, bool(dashed), colour))
        yield Panel(title, lines, **more)


def plots(bench):
    """Pairs of a file's name and its SVG, or nothing if the numbers of connections did not differ."""
    if not any(panel.lines for panel in panels(bench, [("rate", "")])):
        return {}
    both = [("p50_ms", ", p50"), ("p99_ms", ", p99")]
    return {
        "throughput.svg": list(panels(bench, [("rate", "")])),
        "latency.svg": list(panels(bench, both, y="ms", logarithmic=True)),
    }
