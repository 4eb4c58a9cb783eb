"""Forgetting on the wire: one command in, by when it is final out."""

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.kernel.errors import Invalid
from toldonce.ownership.handler import Ownership
from toldonce.ownership.wire.customers import customer_of_ref
from toldonce.ownership.wire.parse import asked, reason_of
from toldonce.runtime.mapping import to_us
from toldonce.runtime.rotation import final_by


async def forgotten(
    ownership: Ownership, message: internal_pb2.Command
) -> internal_pb2.CommandDone:
    """Forget a customer; raises Invalid, Missing, Unavailable."""
    body = message.forget_customer
    customer = customer_of_ref("customer", body.customer)
    if not body.reason:
        raise Invalid("reason", "say why, as a code such as ASKED_TO")
    forgot = await ownership.forgetting.forget(
        message.tenant, customer, reason_of(body.reason), asked(message)
    )
    response = ownership_pb2.ForgetCustomerResponse(customer_id=forgot.customer)
    response.final_by.FromMicroseconds(to_us(final_by(forgot.at)))
    return internal_pb2.CommandDone(
        customer_id=forgot.customer, repeat=forgot.repeated, forgotten=response
    )
