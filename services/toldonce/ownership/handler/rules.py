"""From a tenant's configuration to the rules that decisions need."""

from toldonce.kernel.config import Config
from toldonce.ownership.core.rules import QueueRules, Rules


def rules_of(config: Config) -> Rules:
    """Pick out what `decide` needs."""
    queues = {
        name: QueueRules(
            dispositions=frozenset(queue.dispositions),
            wrap_up_s=queue.wrap_up_s,
            escalation=config.escalation_of(name),
            bad_experience_points=config.policy_of(name).bad_experience_points,
            hours=config.hours_of(name),
        )
        for name, queue in config.queues.items()
    }
    return Rules(
        version=config.policy_version,
        queues=queues,
        agents=frozenset(config.agents),
        handoff_timeout_s=config.handoff.timeout_s,
        envelope_required=tuple(part.value for part in config.handoff.required),
        hops_max=config.handoff.hops_max,
        warm_max_s=config.handoff.warm_max_s,
        consult_max_s=config.handoff.consult_max_s,
        reopen_window_s=config.reopen_window_s,
        config=config,
    )
