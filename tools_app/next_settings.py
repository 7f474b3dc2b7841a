"""What stands in a document's way after the stage that dropped it: the next setting that would keep it out.

Only what is sure is said: where a reranker or a boost would give it another place or score, nobody knows before.
"""

from __future__ import annotations

from typing import Any

from tools_app.explanations import Finding
from tools_app.recorded import Recorded


def cut_by(record: Recorded) -> str:
    """The setting behind so many as a search lets go on; empty where so many go on for another reason."""
    rerank = _used(record, "rerank")
    read, wanted = rerank.get("rerank_candidates") or 0, _used(record, "passages").get("passage_count") or record.limit
    if _cap(record) or record.is_boosted:
        # Then many more go on than are wanted, whatever is wanted.
        return "passage_count" if wanted >= record.limit else ""
    return "rerank_candidates" if read > wanted else "passage_count"


def after(finding: Finding, record: Recorded, *, rank: int, score: float) -> tuple[str, str]:
    """The next setting in the way, and the sentence that names it; both empty where nothing else surely is."""
    for setting, said in (
        ("minimum_score", _below_minimum(finding, record, score)),
        ("rerank_candidates", _unread(finding, record, rank)),
        ("passage_count", _too_many(finding, record, rank)),
        ("context_tokens", _no_room(finding, record)),
    ):
        if said and setting != finding.setting:
            return setting, f" Changing this alone would not bring it in: {said}"
    return "", ""


def _below_minimum(finding: Finding, record: Recorded, score: float) -> str:
    if finding.stage != "search" or record.is_boosted or score >= record.minimum_score:
        return ""
    figures = 4 if f"{score:.2f}" == f"{record.minimum_score:.2f}" else 2
    return f"its score of {score:.{figures}f} is below the minimum score of {record.minimum_score:.{figures}f}, too."


def _unread(finding: Finding, record: Recorded, rank: int) -> str:
    read = _used(record, "rerank").get("rerank_candidates") or 0
    is_before = finding.stage in ("search", "minimum_score")
    if not read or not is_before or _is_reordered(record) or rank <= read:
        return ""
    return f"it came at rank {rank}, and the reranker reads the first {read}."


def _too_many(finding: Finding, record: Recorded, rank: int) -> str:
    wanted = _used(record, "passages").get("passage_count") or 0
    rerank = _used(record, "rerank")
    if not wanted:
        return ""
    if finding.setting == "rerank_top_n" and wanted <= (rerank.get("rerank_top_n") or 0):
        return f"the tool takes {wanted} passages, and the reranker put as many before it."
    if finding.stage not in ("search", "minimum_score") or rerank or _is_reordered(record) or rank <= wanted:
        return ""
    return f"it came at rank {rank}, and the tool takes {wanted} passages."


def _is_reordered(record: Recorded) -> bool:
    """Whether its rank where it dropped out is not the one that it would have later."""
    return record.is_boosted or _cap(record) or any(stage.name == "fuse" for stage in record.stages)


def _no_room(finding: Finding, record: Recorded) -> str:
    """What was dropped for want of room came before it, unless a reranker would have put it first."""
    full = any(stage.name == "budget" and stage.dropped for stage in record.stages)
    comes_last = finding.stage == "passages" or (not _is_reordered(record) and not _used(record, "rerank"))
    if not full or not comes_last or finding.stage not in ("search", "minimum_score", "passages"):
        return ""
    return f"the passages before it have used up the {_used(record, 'budget').get('context_tokens', '…')} tokens."


def _cap(record: Recorded) -> bool:
    return bool(_used(record, "per_document").get("most_per_document"))


def _used(record: Recorded, name: str) -> dict[str, Any]:
    setting = next((stage.setting for stage in record.stages if stage.name == name), None)
    return setting if isinstance(setting, dict) else {}
