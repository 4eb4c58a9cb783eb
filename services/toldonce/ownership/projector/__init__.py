"""What readers begin with: the heads of open stories in OPEN, and views of them in the store."""

from toldonce.ownership.projector.checks import Checks
from toldonce.ownership.projector.heads import HeadKeeper
from toldonce.ownership.projector.views import ViewKeeper

__all__ = ["Checks", "HeadKeeper", "ViewKeeper"]
