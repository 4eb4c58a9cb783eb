"""Decisions explained: from the log what was decided, from the engine what it would say now."""

from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.routing.handler.past import TRACES_MAX, Past
from toldonce.routing.handler.recount import Recount
from toldonce.routing.servicer.engine import EngineLine
from toldonce.routing.wire import queries
from toldonce.routing.wire.traces import is_brief, us_of, without_others, write_trace

type Trace = types_pb2.DecisionTrace


class Explaining:
    """Finds the traces of decisions."""

    def __init__(self, past: Past, recount: Recount, engine: EngineLine) -> None:
        """Read stories and the journal, and ask the engine that leads."""
        self._past = past
        self._recount = recount
        self._engine = engine

    async def case(self, tenant: str, case_id: str) -> list[Trace]:
        """Give what was decided of a case, and first what would be now; raises a Refusal."""
        traces = queries.traces_of(await self._past.traces(tenant, case_id))
        traces = await self._whole(tenant, traces)
        try:
            reply = await self._engine.ask_patiently(tenant, queries.ask_case(tenant, case_id))
        except Unavailable:
            if not traces:
                raise
        else:
            known = {trace.decision_id for trace in traces}
            traces[:0] = [one for one in reply.explain.traces if one.decision_id not in known]
        return traces[:TRACES_MAX]

    async def offer(self, tenant: str, offer_id: str) -> list[Trace]:
        """Give what was decided for an offer; raises Missing."""
        encoded = await self._past.trace(tenant, offer_id)
        return await self._whole(tenant, queries.traces_of([encoded]))

    async def decision(self, tenant: str, decision_id: str) -> list[Trace]:
        """Ask the engine that leads, and where it has forgotten it, the journal."""
        reply = await self._engine.ask_patiently(tenant, queries.ask_decision(tenant, decision_id))
        traces = list(reply.explain.traces)
        if traces:
            return await self._whole(tenant, traces)
        epoch, at_us = await self._recount.when(tenant, decision_id)
        found = await self._recount.traces(tenant, epoch, at_us, {decision_id})
        return [write_trace(found[decision_id])]

    async def _whole(self, tenant: str, traces: list[Trace]) -> list[Trace]:
        """Say of decisions that were told in brief why it was not each other one.

        All those of one engine that the journal explains with the newest; what cannot be explained
        any more says so.
        """
        brief = [trace for trace in traces if is_brief(trace)]
        if not brief:
            return traces
        newest = brief[0]
        wanted = {one.decision_id for one in brief if one.engine_epoch == newest.engine_epoch}
        at_us = us_of(newest.at)
        try:
            found = await self._recount.traces(tenant, newest.engine_epoch, at_us, wanted)
        except Refusal as refusal:
            return [without_others(one, str(refusal)) if one is newest else one for one in traces]
        whole = {own: write_trace(trace) for own, trace in found.items()}
        return [whole.get(trace.decision_id, trace) for trace in traces]
