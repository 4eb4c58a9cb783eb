"""Reads what JetStream answers to a publish on condition, into the few cases that matter."""

import json

from toldonce.runtime.append import Accepted, Answer, Busy, Full, Moved, Sealed, Silent

_WRONG_LAST = 10071
_BUSY = frozenset({10158, 10163, 10164})
_LIMITS = frozenset({10002, 10023, 10028, 10047, 10054})
_STORE_FAILED = 10077
_SEALED = 10109


def read_answer(data: bytes) -> Answer:
    """Read the answer; an error that proves nothing is as good as silence."""
    answer = json.loads(data)
    error = answer.get("error")
    if error is None:
        return Accepted(int(answer["seq"]), bool(answer.get("duplicate", False)))
    code, words = int(error.get("err_code", 0)), str(error.get("description", ""))
    if code == _WRONG_LAST and words.rpartition(" ")[2].isdecimal():
        return Moved(int(words.rpartition(" ")[2]))
    if code == _SEALED:
        return Sealed()
    if code in _BUSY or code == _WRONG_LAST:
        return Busy()
    if code in _LIMITS or (code == _STORE_FAILED and "exceeded" in words):
        return Full(f"NATS takes no more: {words}. Give it more room.")
    return Silent()
