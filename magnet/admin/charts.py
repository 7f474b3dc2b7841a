"""Small charts as inline SVG, drawn on the server: no script, no library, and they print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 150
TOP, BOTTOM, LEFT = 12, 18, 64
MAX_LABELS = 7


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Label:
    x: float
    text: str


@dataclass(frozen=True)
class Line:
    """A polyline, and its points for the days that have no neighbour."""

    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """Bars or lines; `top_label` names the highest value."""

    title: str
    top_label: str
    labels: tuple[Label, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    legend: tuple[str, ...] = ()
    is_empty: bool = False


def bars(title: str, values: Sequence[float], *, names: Sequence[str], shown: Sequence[str]) -> Chart:
    """A bar for each value; `shown` is what pointing at it says, and what the axis says of the highest."""
    highest = max(values, default=0)
    step = (WIDTH - LEFT) / max(len(values), 1)
    drawn = tuple(
        Bar(
            x=round(LEFT + number * step + step * 0.12, 2),
            y=round(y_of(value, highest), 2),
            width=round(step * 0.76, 2),
            height=round(HEIGHT - BOTTOM - y_of(value, highest), 2),
            title=f"{name}: {text}",
        )
        for number, (value, name, text) in enumerate(zip(values, names, shown, strict=True))
    )
    top = shown[list(values).index(highest)] if highest else ""
    return Chart(title, top, labels_of(names, step), bars=drawn, is_empty=not highest)


def lines(title: str, series: dict[str, Sequence[float | None]], *, names: Sequence[str], top_label: str) -> Chart:
    """A line for each series; a day without a value has no point."""
    highest = max((value for values in series.values() for value in values if value is not None), default=0)
    step = (WIDTH - LEFT) / max(len(names), 1)
    drawn = tuple(
        Line(
            tuple(
                (round(LEFT + number * step + step / 2, 1), round(y_of(value, highest), 1))
                for number, value in enumerate(values)
                if value is not None
            )
        )
        for values in series.values()
    )
    return Chart(title, top_label, labels_of(names, step), lines=drawn, legend=tuple(series), is_empty=not highest)


def y_of(value: float, highest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / highest if highest else 0)


def labels_of(names: Sequence[str], step: float) -> tuple[Label, ...]:
    each = max(1, -(-len(names) // MAX_LABELS))
    return tuple(
        Label(round(LEFT + number * step + step / 2, 1), name)
        for number, name in enumerate(names)
        if number % each == 0
    )
