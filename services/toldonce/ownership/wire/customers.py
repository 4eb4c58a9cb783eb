"""Customers by an address: the id that intake would give whoever writes from it."""

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.aliases import Addresses, Given, Kind, customer_of, normalise
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import CustomerId, parse_own
from toldonce.kernel.story.events import Alias
from toldonce.runtime.secrets import Secrets

_KINDS = {
    types_pb2.ALIAS_KIND_EMAIL: Kind.EMAIL,
    types_pb2.ALIAS_KIND_PHONE: Kind.PHONE,
    types_pb2.ALIAS_KIND_HANDLE: Kind.HANDLE,
    types_pb2.ALIAS_KIND_ACCOUNT: Kind.ACCOUNT,
    types_pb2.ALIAS_KIND_OTHER: Kind.OTHER,
}


class Customers:
    """Finds customer ids, under the tenants' keys in `secrets`."""

    def __init__(self, secrets: Secrets, addresses: Addresses) -> None:
        """Bring addresses into their one form by the rules of `addresses`."""
        self._secrets = secrets
        self._addresses = addresses

    def by_id(
        self, tenant: str, field: str, ref: ownership_pb2.CustomerRef
    ) -> ownership_pb2.CustomerRef:
        """Give the same reference by id; raises Invalid naming what is wrong below `field`."""
        return ownership_pb2.CustomerRef(customer_id=self._id(tenant, field, ref))

    def in_one_form(self, field: str, alias: types_pb2.Alias) -> types_pb2.Alias:
        """Bring an address into its one form; raises Invalid."""
        normal = self._normal(field, alias)
        kind = types_pb2.AliasKind.Value(f"ALIAS_KIND_{normal.kind}")
        return types_pb2.Alias(kind=kind, value=normal.value)

    def _normal(self, field: str, alias: types_pb2.Alias) -> Alias:
        kind = _KINDS.get(alias.kind)
        if kind is None:
            raise Invalid(f"{field}.kind", "wanted EMAIL, PHONE, HANDLE, ACCOUNT or OTHER")
        return normalise(field, Given(kind, alias.value, alias.region), self._addresses)

    def _id(self, tenant: str, field: str, ref: ownership_pb2.CustomerRef) -> CustomerId:
        match ref.WhichOneof("ref"):
            case "customer_id":
                return CustomerId(parse_own(f"{field}.customer_id", ref.customer_id))
            case "alias":
                alias = self._normal(f"{field}.alias", ref.alias)
                return customer_of(self._secrets.tenant_key(tenant), alias)
            case _:
                raise Invalid(field, "name the customer by id or by address")


def customer_of_ref(field: str, ref: ownership_pb2.CustomerRef) -> str:
    """Read a reference by id, as commands carry it; raises Invalid."""
    if ref.WhichOneof("ref") != "customer_id":
        raise Invalid(field, "name the customer by id; an address is looked up at the gRPC door")
    return parse_own(f"{field}.customer_id", ref.customer_id)
