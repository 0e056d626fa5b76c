"""The kept model as LitServe runs it: what stands in the process that predicts.

LitServe's own batches would give all requests of a batch the status of one that fails, and ask an
idle queue for requests without end. So requests are decoded into bodies alone, `answers` judges
each, every response carries its own status, and the loop waits.
"""

# No `from __future__ import annotations`: FastAPI reads the annotation of `decode_request` itself.
import signal
import time
from collections.abc import Sequence
from queue import Empty
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response
from litserve import LitAPI
from litserve.loops import BatchedLoop

from lit_causalmix.model import Predictor
from lit_causalmix.serving.answers import Answer, answers
from lit_causalmix.serving.rows import Body

IDLE = 1.0
"""Seconds after which an idle loop looks whether it is to end."""


async def read_body(request: Request) -> Body:
    """Reads a request, and no more of it than `app.state.max_bytes`.

    Raises:
        HTTPException: 413 for a longer one; 400 if the client left in the middle of it.
    """
    limit: int = request.app.state.max_bytes
    announced = request.headers.get("content-length", "")
    content, more = bytearray(), True
    too_long = announced.isdecimal() and int(announced) > limit
    while more and not too_long:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "the client left before the end of its request")
        content += message.get("body", b"")
        more, too_long = message.get("more_body", False), len(content) > limit
    if too_long:
        raise HTTPException(413, f"this server takes {limit:,} bytes at once: send fewer rows")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Body(bytes(content), media_type, request.query_params.get("quantiles", ""))


class WaitingLoop(BatchedLoop):  # type: ignore[misc]  # LitServe is optional, and Any to mypy
    """Takes all requests that wait, up to `max_batch_size`; without any, it waits for one."""

    def get_batch_requests(
        self, lit_api: LitAPI, request_queue: Any, transport: Any
    ) -> tuple[list[Any], list[Any]]:
        """The next requests, and those that waited for too long, which LitServe answers by 504."""
        try:
            first = request_queue.get(timeout=IDLE)
        except Empty:
            return [], []
        waiting = [first]
        while len(waiting) < lit_api.max_batch_size:
            try:
                waiting.append(request_queue.get_nowait())
            except Empty:
                break
        return parted(waiting, lit_api.request_timeout)


def parted(
    waiting: Sequence[tuple[int, str, float, Body]], patience: float
) -> tuple[list[tuple[int, str, Body]], list[tuple[int, str]]]:
    """Requests (queue, id, since when, body) to be answered, and those that waited for too long."""
    latest = time.monotonic() - patience
    ready = [(queue, uid, body) for queue, uid, since, body in waiting if since >= latest]
    late = [(queue, uid) for queue, uid, since, _ in waiting if since < latest]
    return ready, late


class ModelAPI(LitAPI):  # type: ignore[misc]
    """A kept model behind `/predict`.

    Args:
        folder: The model's folder.
        device: Where it predicts; LitServe's own choice, which knows no more of it, is not asked.
        own_code: Whether the module of a backbone from outside this package may be imported.
        max_rows: Most rows of one request.
        together: Most requests that are predicted in one go.
    """

    def __init__(
        self, folder: str, *, device: str, own_code: bool, max_rows: int, together: int
    ) -> None:
        super().__init__(max_batch_size=together, loop=WaitingLoop())
        self.folder = folder
        self.place = device
        self.own_code = own_code
        self.max_rows = max_rows

    def setup(self, device: str) -> None:
        """Reads the model and encodes its context, once for the life of the process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; LitServe ends this one
        model = Predictor.load(self.folder, own_code=self.own_code).to(self.place)
        self.model = model.keep_contexts()

    def decode_request(self, request: Annotated[Body, Depends(read_body)]) -> Body:
        """The request as the HTTP process read it."""
        return request

    def predict(self, bodies: Sequence[Body]) -> list[Answer]:
        """Answers the requests of a batch."""
        return answers(self.model, bodies, self.max_rows)

    def encode_response(self, answer: Answer) -> Response:
        """The answer with its own status."""
        return Response(answer.encoded(), answer.status, media_type="application/json")
