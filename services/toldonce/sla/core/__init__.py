"""What clocks ask of ownership (`acts`), and what was served on which channel.

`served` says what one append tells of the service given, `counts` adds that up in windows of event
time, `gap` compares the channels. Pure, all of it.
"""

from toldonce.sla.core.acts import Act, acts_of, operation_of, planned

__all__ = ["Act", "acts_of", "operation_of", "planned"]
