"""What people wrote, found again by its words alone: it stands once when it was done, else never.

Operation ids say the same as long as they are kept; here nothing is believed but what was said.
"""

from collections import Counter

from tests.sim.book import Book
from tests.sim.world import World
from toldonce.kernel.story.events import EntryAppended, EntryWords

Found = list[tuple[str, str]]


def check(world: World, book: Book, checked: Counter[str]) -> Found:
    """I3: what was written once stands once. I2: what was refused does not stand."""
    stands: Counter[tuple[str, str]] = Counter()
    for logged in book.all:
        if not any(isinstance(event, EntryAppended) for event in logged.record.events):
            continue
        words = world.words(logged) or {}
        said = [one.text for one in words.values() if isinstance(one, EntryWords)]
        stands.update((logged.record.tenant, text) for text in said if text)
    found: Found = []
    for op in world.ops:
        if not op.facts.get("text"):
            continue
        checked["written"] += 1
        times = stands[op.tenant, op.facts["text"]]
        if times > 1:
            found.append(("I3", f"what {op.kind} {op.operation} wrote stands {times} times"))
        elif times and op.result == "refused" and op.firm:
            found.append(("I2", f"what {op.kind} {op.operation} wrote was refused, and stands"))
    return found
