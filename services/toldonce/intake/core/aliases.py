"""Whose contact it is: the ids that follow from its addresses (`kernel.aliases`).

The primary alias is the first that the gateway does not call shared, else the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from toldonce.kernel.aliases import Addresses, Given, customer_of, normalise
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import CustomerId, keyed
from toldonce.kernel.story.events import Alias

ALIASES_MAX = 8


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose contact it is, and which one.

    `customer` is the story the primary alias leads to, `fresh` the story of this contact alone;
    without an alias they are the same. `contact` is the contact's own part (26 characters), the
    same for every repeat. `aliases` are in their one form, the primary one first; `named` is that
    one as the gateway writes it.
    """

    customer: CustomerId
    fresh: CustomerId
    contact: str
    aliases: tuple[Alias, ...]
    named: str
    shared: bool


def identify(
    key: bytes, gateway: str, message_id: str, given: Sequence[Given], addresses: Addresses
) -> Identity:
    """Say whose contact it is; raises Invalid naming the alias that is wrong.

    `key` is the tenant's and never rotates.
    """
    if len(given) > ALIASES_MAX:
        raise Invalid("aliases", f"holds {len(given)}, at most {ALIASES_MAX} are allowed")
    normal = [normalise(f"aliases[{at}]", each, addresses) for at, each in enumerate(given)]
    fresh = CustomerId(keyed(key, "fresh", gateway, message_id))
    if not normal:
        contact = keyed(key, "contact", gateway, message_id)
        return Identity(fresh, fresh, contact, (), "", shared=False)
    first = next((at for at, each in enumerate(given) if not each.shared), 0)
    named, primary = given[first], normal[first]
    rest = dict.fromkeys(alias for alias in normal if alias != primary)
    return Identity(
        customer=customer_of(key, primary),
        fresh=fresh,
        contact=keyed(key, "contact", gateway, message_id, named.kind, named.value),
        aliases=(primary, *rest),
        named=named.value,
        shared=named.shared,
    )
