"""Builds the service and attaches it to an App."""

import hashlib
from contextlib import aclosing
from pathlib import Path

from toldonce.api.intake.v1 import intake_pb2, intake_pb2_grpc
from toldonce.intake.core import Model, Tools, parse_model
from toldonce.intake.handler import Answers, Intake, Places
from toldonce.intake.servicer import Handler, Servicer
from toldonce.intake.wire import Door, Engine
from toldonce.kernel.errors import Invalid
from toldonce.runtime.address import LibraryAddresses
from toldonce.runtime.app import App
from toldonce.runtime.language import Languages
from toldonce.runtime.outbox import Outbox
from toldonce.runtime.ports import Ports

_SETTING = "TOLDONCE_TOPIC_MODEL"
_BYTES_MAX = 64 * 1024 * 1024
_VERSION_CHARS = 8


async def bind(app: App, ports: Ports, *, topic_model: Model | None = None) -> Handler:
    """Serve `IntakeService`; returns the handler for callers in-process.

    Loads the language model, which takes about a second the first time in a process.
    """
    door = Door(ports.door, ports.clock)
    intake = Intake(
        ownership=door,
        config=ports.config,
        secrets=ports.secrets,
        tools=Tools(LibraryAddresses(), Languages()),
        hints=ports.hints,
        clock=ports.clock,
        meter=ports.meter,
        model=topic_model,
    )
    outbox = Outbox(ports.log, ports.feed, clock=ports.clock, meter=ports.meter)
    app.spawn("outbox", outbox.run())
    answers = Answers(ports.log, ports.keys, outbox)
    places = await app.enter(aclosing(Places(Engine(ports.bus), ports.clock)))
    servicer = Servicer(intake, answers, door, app.draining, places)
    app.add_grpc(
        intake_pb2.DESCRIPTOR.services_by_name["IntakeService"],
        lambda server: intake_pb2_grpc.add_IntakeServiceServicer_to_server(servicer, server),
    )
    return intake


def read_model(path: Path | None) -> Model | None:
    """Read the file of a model of topics, if there is one; raises Invalid with path and reason.

    Call it before anything is started: a process with a bad model should not begin.
    """
    if path is None:
        return None
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= _BYTES_MAX else b""
    except OSError as error:
        raise Invalid(_SETTING, f"cannot read {path}: {error.strerror}") from None
    if not raw:
        told = "empty" if not size else f"larger than {_BYTES_MAX // 2**20} MiB"
        raise Invalid(_SETTING, f"{path} is {told}")
    try:
        return parse_model(raw, hashlib.sha256(raw).hexdigest()[:_VERSION_CHARS])
    except Invalid as no:
        raise Invalid(_SETTING, f"{path} is no model of topics: {no}") from None
