"""Looking and steering from outside: cases, queues, decisions, configuration, health."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

from grpc_health.v1 import health_pb2, health_pb2_grpc

from toldonce.api.config.v1 import config_pb2
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.client.channel import Client
from toldonce.client.places import PlaceSeen, WaitSeen, place_seen, wait_seen
from toldonce.client.retry import again
from toldonce.client.seen import CaseSeen, TraceSeen, case_seen, instant, trace_seen, word

PAGE_MAX = 200
LONG_S = 30.0
EXPORT_S = 600.0
SERVICES = ("intake", "routing", "ownership", "sla", "config")


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """A queue at one moment.

    `wait` is what a contact that came now may expect, None while that is not known. The last waits
    were `judged` by what was said when they began: so many `held`, and the mean absolute error.
    """

    queue: str
    waiting: int
    offered: int
    oldest_at: datetime | None
    agents_free: int
    agents_available: int
    wait: WaitSeen | None
    judged: int
    held: int
    error_s: float
    scheduled: int = 0


@dataclass(frozen=True, slots=True)
class SuccessSeen:
    """What learned success does under a policy; shares from 0 to 1, None while not known.

    `lift` is that of cases decided while it counted less that of others; `half_width` that of its
    interval of 95 percent. A shadow (not `active`) was `asked` so often and would have chosen
    somebody else in `otherwise` of these.
    """

    policy: str
    active: bool
    on_cases: int
    on_share: float | None
    on_took_s: float
    off_cases: int
    off_share: float | None
    off_took_s: float
    lift: float | None
    half_width: float | None
    asked: int
    otherwise: int


@dataclass(frozen=True, slots=True)
class ConfigSeen:
    """The document that stands."""

    yaml: str
    revision: int
    policy_version: str
    applied_at: datetime | None
    applied_by: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying a document did."""

    revision: int
    policy_version: str
    warnings: tuple[str, ...]


class Desk:
    """What supervisors and administrators ask; the token of `client` says who it is."""

    def __init__(self, client: Client) -> None:
        """Ask over `client`."""
        self._client = client

    async def case(self, case_id: str) -> CaseSeen:
        """Read a case; raises Missing."""
        request = ownership_pb2.GetCaseRequest(case_id=case_id)
        return case_seen(await again(lambda: self._client.ownership.GetCase(request)))

    async def cases(
        self, *, owner: str = "", queue: str = "", customer: str = "", tries_max: int = 6
    ) -> list[CaseSeen]:
        """List open cases from the view, all pages; raises Unavailable while it is rebuilt.

        Those of one customer come from the log.
        """
        request = ownership_pb2.ListCasesRequest(
            owner=owner, queue=queue, customer_id=customer, page_size=PAGE_MAX
        )
        found: list[CaseSeen] = []
        while True:
            page = await again(
                lambda: self._client.ownership.ListCases(request), tries_max=tries_max
            )
            found += [case_seen(view) for view in page.cases]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def queues(self) -> list[QueueSeen]:
        """List the queues."""
        return (await self.standing())[0]

    async def standing(self) -> tuple[list[QueueSeen], list[SuccessSeen]]:
        """List the queues, and what learned success does where a policy learns it."""
        request = routing_pb2.ListQueuesRequest()
        answer = await again(lambda: self._client.routing.ListQueues(request))
        queues = [
            QueueSeen(
                queue=view.queue,
                waiting=view.waiting,
                offered=view.offered,
                oldest_at=instant(view.oldest_enqueued_at),
                agents_free=view.agents_free,
                agents_available=view.agents_available,
                wait=wait_seen(view),
                judged=view.judged_cases,
                held=view.held_cases,
                error_s=view.estimate_error_s,
                scheduled=view.scheduled,
            )
            for view in answer.queues
        ]
        return queues, [_success(effect) for effect in answer.success]

    async def place(self, case_id: str) -> PlaceSeen | None:
        """Say where a case stands and how long it may wait from now on; None: nobody can tell.

        Raises Missing.
        """
        request = routing_pb2.GetPositionRequest(case_id=case_id)
        answer = await again(lambda: self._client.routing.GetPosition(request))
        return place_seen(answer.live)

    async def explain(self, case_id: str) -> list[TraceSeen]:
        """Say why a case has or has not an owner, newest decision first; raises Missing."""
        request = routing_pb2.ExplainDecisionRequest(case_id=case_id)
        answer = await again(lambda: self._client.routing.ExplainDecision(request, timeout=LONG_S))
        return [trace_seen(trace) for trace in answer.traces]

    async def explain_offer(self, offer_id: str) -> list[TraceSeen]:
        """Explain the decision behind an offer (52 characters); raises Missing."""
        request = routing_pb2.ExplainDecisionRequest(offer_id=offer_id)
        answer = await again(lambda: self._client.routing.ExplainDecision(request, timeout=LONG_S))
        return [trace_seen(trace) for trace in answer.traces]

    async def explain_decision(self, decision_id: str) -> list[TraceSeen]:
        """Explain a decision by its own id (26 characters); raises Missing."""
        request = routing_pb2.ExplainDecisionRequest(decision_id=decision_id)
        answer = await again(lambda: self._client.routing.ExplainDecision(request, timeout=LONG_S))
        return [trace_seen(trace) for trace in answer.traces]

    async def journal(self, since: datetime | None = None) -> AsyncGenerator[bytes]:
        """Give the messages of the journal of decisions, from an instant on; raises Missing."""
        request = routing_pb2.ExportDecisionsRequest()
        if since is not None:
            request.from_at.FromDatetime(since)
        async for piece in self._client.routing.ExportDecisions(request, timeout=EXPORT_S):
            yield piece.message

    async def config(self) -> ConfigSeen:
        """Read the configuration that stands; raises Missing."""
        request = config_pb2.GetConfigRequest()
        given = await again(lambda: self._client.config.GetConfig(request))
        return ConfigSeen(
            yaml=given.yaml,
            revision=given.revision,
            policy_version=given.policy_version,
            applied_at=instant(given.applied_at),
            applied_by=given.applied_by_subject,
        )

    async def apply(self, yaml: str) -> Applied:
        """Put a document in force; raises Invalid naming each key that is wrong."""
        request = config_pb2.ApplyConfigRequest(yaml=yaml)
        done = await again(lambda: self._client.config.ApplyConfig(request))
        return Applied(done.revision, done.policy_version, tuple(done.warnings))

    async def health(self) -> dict[str, str]:
        """Ask each service how it is: SERVING, NOT_SERVING, or UNKNOWN where it is not served."""
        stub = health_pb2_grpc.HealthStub(self._client.channel)
        found = {}
        for part in SERVICES:
            name = f"toldonce.api.{part}.v1.{part.capitalize()}Service"
            request = health_pb2.HealthCheckRequest(service=name)
            try:
                found[part] = word(await stub.Check(request, timeout=5.0), "status")
            except Exception as error:  # noqa: BLE001 - any failure is an answer here
                code = getattr(error, "code", None)
                found[part] = str(code().name) if callable(code) else "UNKNOWN"
        return found


def _success(effect: routing_pb2.SuccessEffect) -> SuccessSeen:
    return SuccessSeen(
        policy=effect.policy,
        active=effect.active,
        on_cases=effect.on_cases,
        on_share=effect.on_resolved_cases / effect.on_cases if effect.on_cases else None,
        on_took_s=effect.on_took_s,
        off_cases=effect.off_cases,
        off_share=effect.off_resolved_cases / effect.off_cases if effect.off_cases else None,
        off_took_s=effect.off_took_s,
        lift=effect.lift_ratio if effect.HasField("lift_ratio") else None,
        half_width=effect.half_width_ratio if effect.HasField("half_width_ratio") else None,
        asked=effect.asked_total,
        otherwise=effect.otherwise_total,
    )
