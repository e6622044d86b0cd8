"""Reading /metrics (Prometheus text format)."""
import re

_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Metrics:
    """One scrape. metrics["roomcast_closes_total", "code", "4005"] is a number; unknown names are errors."""

    def __init__(self, samples):
        self._samples = samples

    def __getitem__(self, key):
        name, *labels = (key,) if isinstance(key, str) else key
        return self._samples[name, tuple(labels)]

    def __contains__(self, key):
        name, *labels = (key,) if isinstance(key, str) else key
        return (name, tuple(labels)) in self._samples

    def items(self):
        """((name, label values), value) of every sample."""
        return self._samples.items()

    def total(self, name):
        """Over all labels."""
        values = [value for (sample, _), value in self._samples.items() if sample == name]
        assert values, f"no metric {name}"
        return sum(values)


def parse(text):
    samples = {}
    described = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            described.add(line.split()[2])
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.match(line)
        assert match, f"not a sample: {line}"
        family = re.sub("_(bucket|sum|count)$", "", match["name"])  # of a histogram
        assert described & {match["name"], family}, f"no TYPE line before {line}"
        labels = tuple(part for pair in _LABEL.findall(match["labels"] or "") for part in pair)
        samples[match["name"], labels] = float(match["value"])
    return Metrics(samples)
