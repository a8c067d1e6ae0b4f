"""Names of columns, facts and codes as words, for pages. The terminal, CSV and JSON have the names themselves."""

from advertisex.reporting.cells import visible

#: Names that are not words once their underscores are spaces.
_WORDS = {
    "ahead": "clock is ahead",
    "campaign_id": "campaign",
    "click_cvr": "CVR after a click",
    "click_conversions": "conversions after a click",
    "creative_id": "creative",
    "event_id": "event ID",
    "max": "maximum",
    "min": "minimum",
    "of": "out of",
    "other_campaign_id": "other campaign",
    "p": "p-value",
    "p25": "25th percentile",
    "p50": "median",
    "p75": "75th percentile",
    "p90": "90th percentile",
    "p95": "95th percentile",
    "p99": "99th percentile",
    "r": "Pearson r",
    "r_p": "p-value of Pearson r",
    "rho": "Spearman ρ",
    "rho_p": "p-value of Spearman ρ",
    "std_deviation": "standard deviation",
    "std_deviation_sampling": "standard deviation (sample)",
    "user_id": "user",
    "users_at_least": "users at least as often",
    "users_once": "users reached once",
}
#: Parts of names that are abbreviations.
_ABBREVIATIONS = {name.lower(): name for name in ("CTR", "CVR", "CPM", "eCPM", "CPC", "CPA", "ROAS")}


def words(name: str) -> str:
    """A name as words: ingestion delay, CTR, value EUR."""
    return _WORDS.get(name) or visible(" ".join(_ABBREVIATIONS.get(part, part) for part in name.split("_")))


def label(name: str) -> str:
    """A name as words with a capital: Ingestion delay, CTR, Value EUR."""
    text = words(name)
    return text if text.startswith("eCPM") else text[:1].upper() + text[1:]
