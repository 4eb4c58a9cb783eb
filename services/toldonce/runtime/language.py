"""Which language a text is in, among those of one tenant, by py3langid.

Limited to a few languages the model is right far more often than over all of them. It says nothing
when it is not sure: a text without letters, or one so short that the best guess stays below
SURE_MIN. Nothing is remembered of any text.
"""

import copy
import functools
import re
from collections.abc import Sequence
from typing import Any

SURE_MIN = 0.6
CHARS_MAX = 600
_LETTERS = re.compile(r"[^\W\d_]{2}")


class Languages:
    """`intake.core.Detector` by py3langid; make one where a service is bound (it loads a model)."""

    def __init__(self) -> None:
        """Load the model; takes about half a second the first time in a process."""
        self._model = _model()
        self._limited: dict[tuple[str, ...], Any] = {}

    def detect(self, text: str, languages: Sequence[str]) -> str:
        """Return one of `languages` (two-letter codes), or "" when it is not sure."""
        part = text[:CHARS_MAX]
        if not _LETTERS.search(part):
            return ""
        known = tuple(languages)
        if len(known) == 1:
            return known[0]
        limited = self._limited.get(known)
        if limited is None:
            limited = self._limited[known] = self._limit(known)
        if limited is None:
            return ""
        found, sure = limited.classify(part)
        return str(found) if sure >= SURE_MIN else ""

    def _limit(self, languages: tuple[str, ...]) -> Any:  # noqa: ANN401 - py3langid has no types
        """Make a model that knows only these languages; None when it knows none of them."""
        known = [language for language in languages if language in self._model.nb_classes]
        if not known:
            return None
        limited = copy.copy(self._model)
        limited.set_languages(known)
        return limited


@functools.cache
def _model() -> Any:  # noqa: ANN401 - py3langid has no types
    """Load the model, once a process; nobody changes it."""
    from py3langid.langid import (  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import
        MODEL_FILE,
        LanguageIdentifier,
    )

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
