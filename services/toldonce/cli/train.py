"""`toldonce train`: learn from labelled texts what texts are about, for intake."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toldonce.cli.options import JsonOption
from toldonce.cli.output import Out
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import parse_name

if TYPE_CHECKING:
    from toldonce.cli.training import Judged
    from toldonce.intake.core import Model

_UNKNOWN_BELOW_PCT = 50
_TOLD_MAX = 5


def train(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table (CSV) to learn.", show_default=False)
    ],
    *,
    target: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="Where to write it.", show_default=False),
    ],
    text_column: Annotated[
        str, typer.Option("--text-column", help="Which column is the text.")
    ] = "text",
    topic_column: Annotated[
        str, typer.Option("--topic-column", help="Which column is the topic.")
    ] = "topic",
    unknown_below: Annotated[
        int,
        typer.Option("--unknown-below", min=0, max=100, help="Percent; less sure is unknown."),
    ] = _UNKNOWN_BELOW_PCT,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="FILE", help="Another such table, to judge by."),
    ] = None,
    json: JsonOption = "",
) -> None:
    """Learn from labelled texts what texts are about, and write it as a file for intake.

    Intake asks it where no phrase of the configuration stands in a text. Topics are named as in
    the configuration. A fifth of the rows is held out first, to say how good it is, and how sure
    it may be.

    Example: `toldonce train past.csv --topic-column topic --out topics.json`

    Example: `toldonce up --topic-model topics.json`
    """
    from toldonce.cli.table import labelled
    from toldonce.cli.training import judge
    from toldonce.cli.training import train as learn

    out = Out(json)
    rows = labelled(file, text_column, topic_column)
    asked = labelled(test, text_column, topic_column) if test is not None else []
    if not target.parent.is_dir():
        raise Invalid("--out", f"there is no folder {target.parent}")
    started = time.monotonic()
    done = learn(rows, unknown_below_pct=unknown_below, say=out.say)
    took_s = time.monotonic() - started
    try:
        target.write_bytes(done.raw)
    except OSError as error:
        raise Invalid("--out", f"cannot write {target}: {error.strerror}") from None
    nameless = [name for name in done.model.classes if not _is_name(name)]
    figures: dict[str, Any] = {
        "rows": len(rows),
        "topics": len(done.model.classes),
        "features": len(done.model.features),
        "size_bytes": len(done.raw),
        "took_s": round(took_s, 1),
        "not_names": nameless,
        "held_out": _told(out, "held out", done.held_out),
    }
    if test is not None:
        judged = _told(out, str(test), judge(done.model, asked))
        figures["test"] = judged | {"message_us": _cost_us(done.model, asked)}
        out.say(f"  {figures['test']['message_us']:.0f} us a text")
    if nameless:
        told = ", ".join(nameless[:_TOLD_MAX])
        out.say(f"{len(nameless)} of these cannot be names of topics, and are ignored: {told}")
    out.say(f"{target}: {len(done.raw) / 2**20:.1f} MiB, {took_s:.0f} s.")
    out.emit(figures)


def _told(out: Out, what: str, judged: "Judged") -> dict[str, Any]:
    """Say what a model was worth on some texts; returns it for machines."""
    out.say(
        f"{what}: {judged.texts} texts, {judged.accuracy:.2%} right; {judged.unknown:.1%} unknown, "
        f"of the others {judged.right_when_sure:.2%} right"
    )
    return {
        "texts": judged.texts,
        "accuracy": judged.accuracy,
        "unknown": judged.unknown,
        "right_when_sure": judged.right_when_sure,
    }


def _cost_us(model: "Model", rows: Sequence[tuple[str, str]]) -> float:
    started = time.perf_counter()
    for text, _ in rows:
        model.guess((text,))
    return round((time.perf_counter() - started) / len(rows) * 1e6, 1)


def _is_name(name: str) -> bool:
    try:
        parse_name("topic", name)
    except Invalid:
        return False
    return True
