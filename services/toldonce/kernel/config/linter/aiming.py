"""SLA policies that never hold: those tried before them fit all their work, or none leads there.

The policies with a `when` are tried in the order of the document, before the one a queue names.
"""

from collections.abc import Iterator

from toldonce.kernel.config.aims import SlaPolicy, When
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity
from toldonce.kernel.config.types import Config


def never_holding(config: Config) -> Iterator[Finding]:
    """Find the policies that no work can ever come under."""
    before: list[SlaPolicy] = []
    named = {queue.sla for queue in config.queues.values()}
    for index, policy in enumerate(config.sla.values()):
        covers = None if policy.when is None else covering(before, policy.when)
        if covers:
            yield Finding(
                Severity.WARNING,
                Rule.UNREACHABLE,
                f"sla[{index}].when",
                f"policy {policy.name} never holds by its `when`: {covers.name}, which is tried "
                f"before it, fits all that it fits: put {policy.name} first, or narrow the other",
            )
        elif policy.when is None and policy.name not in named:
            sentence = f"policy {policy.name} has no `when`, and no queue names it"
            yield Finding(Severity.NOTE, Rule.UNUSED, f"sla[{index}]", sentence)
        if policy.when is not None:
            before.append(policy)
    for index, queue in enumerate(config.queues.values()):
        covers = covering(before, When(queues=(queue.name,))) if queue.sla else None
        if covers and covers.name != queue.sla:
            yield Finding(
                Severity.WARNING,
                Rule.UNREACHABLE,
                f"queues[{index}].sla",
                f"policy {queue.sla} never holds for queue {queue.name}: {covers.name} is tried "
                f"before it and fits all its work: narrow the `when` of {covers.name}",
            )


def covering(policies: list[SlaPolicy], when: When) -> SlaPolicy | None:
    """Find the first that fits everything this `when` fits."""
    return next((one for one in policies if one.when and one.when.covers(when)), None)
