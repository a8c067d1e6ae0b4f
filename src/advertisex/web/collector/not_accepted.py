"""Why a request was not accepted."""

from http import HTTPStatus


class NotAccepted(Exception):
    """Nothing of a request was appended.

    Args:
        status: the status of the response.
        what: what is wrong.
        hint: what the client can do.
    """

    def __init__(self, status: HTTPStatus, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.status, self.what, self.hint = status, what, hint
