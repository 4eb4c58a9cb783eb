"""A customer's rights from outside: to be forgotten, and to have what is kept of them."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.client.channel import Client
from toldonce.client.retry import again
from toldonce.client.submission import Address, alias
from toldonce.runtime.ids import new_id

FORGET_S = 30.0
EXPORT_S = 600.0


@dataclass(frozen=True, slots=True)
class ForgottenSeen:
    """Who was forgotten, and by when no key that could read their words exists any more."""

    customer_id: str
    final_by: datetime


class Privacy:
    """What a supervisor or administrator does for a customer, named by id or by an address."""

    def __init__(self, client: Client) -> None:
        """Ask over `client`."""
        self._client = client

    async def forget(self, who: str | Address, reason: str) -> ForgottenSeen:
        """Forget a customer, once, however often it has to be asked; raises Missing, Invalid."""
        request = ownership_pb2.ForgetCustomerRequest(
            operation_id=new_id(), customer=_ref(who), reason=reason
        )
        call = self._client.ownership.ForgetCustomer
        done = await again(lambda: call(request, timeout=FORGET_S))
        return ForgottenSeen(done.customer_id, done.final_by.ToDatetime(UTC))

    async def export(self, who: str | Address) -> AsyncGenerator[bytes]:
        """Give all that is kept of a customer, as pieces of JSON lines; raises Missing."""
        request = ownership_pb2.ExportCustomerRequest(customer=_ref(who))
        call = self._client.ownership.ExportCustomer(request, timeout=EXPORT_S)
        async for piece in call:
            yield piece.chunk


def _ref(who: str | Address) -> ownership_pb2.CustomerRef:
    if isinstance(who, str):
        return ownership_pb2.CustomerRef(customer_id=who)
    return ownership_pb2.CustomerRef(alias=alias(who))
