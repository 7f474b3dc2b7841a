"""Moving configuration: what people have set up here becomes a file that another Magnet takes in."""

from magnet.transfer.documents import MAX_BYTES, read
from magnet.transfer.exporting import everything, export, reference
from magnet.transfer.ground import ground_kinds
from magnet.transfer.importing import apply, plan
from magnet.transfer.kinds import KINDS, Kind, Reference, kind_of, kind_of_model, register
from magnet.transfer.plans import Plan, Step

register(*ground_kinds())

__all__ = [
    "KINDS",
    "MAX_BYTES",
    "Kind",
    "Plan",
    "Reference",
    "Step",
    "apply",
    "everything",
    "export",
    "kind_of",
    "kind_of_model",
    "plan",
    "read",
    "reference",
    "register",
]
