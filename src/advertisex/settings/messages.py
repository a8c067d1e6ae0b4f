"""Our wording of what is wrong with a setting.

It shows the name of the setting, also of an unknown one. It shows a value only if our validator does: that of a setting
which is a name, a day or a format. No message shows the value of a setting that may be a secret, a URL, or a table.
"""

from pydantic_core import ErrorDetails

#: Wording of pydantic's types of errors; names in braces are parts of an error's context.
MESSAGES = {
    "extra_forbidden": "unknown setting",
    "missing": "must be given",
    "literal_error": "expected {expected}",
    "string_type": "expected a text",
    "string_unicode": "expected a text",
    "string_pattern_mismatch": "expected a number and a unit, such as 512MB",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "the number is too large",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "byte_size": "expected a number and a unit, such as 10GB",
    "byte_size_unit": "expected a number and a unit, such as 10GB",
    "path_type": "expected a path",
    "datetime_type": "expected a date and time, such as 2026-01-05T09:00:00Z",
    "datetime_parsing": "expected a date and time, such as 2026-01-05T09:00:00Z",
    "datetime_from_date_parsing": "expected a date and time, such as 2026-01-05T09:00:00Z",
    "tuple_type": "expected a list",
    "frozen_set_type": "expected a list",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "model_attributes_type": "expected a table",
    "too_short": "must not be empty",
}


def explanation(error: ErrorDetails) -> str:
    """Return what is wrong."""
    if error["type"] == "value_error":  # of one of our validators
        return error["msg"].removeprefix("Value error, ")
    context = {name: f"{part:g}" if isinstance(part, float) else part for name, part in error.get("ctx", {}).items()}
    if isinstance(expected := context.get("expected"), str):  # 'GET' or 'POST'
        context["expected"] = expected.replace("'", "")
    return MESSAGES.get(error["type"], "not a valid value").format_map(context)
