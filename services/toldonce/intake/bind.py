"""Builds the service and attaches it to an App."""

from contextlib import aclosing

from toldonce.api.intake.v1 import intake_pb2, intake_pb2_grpc
from toldonce.intake.core import Tools
from toldonce.intake.handler import Answers, Intake, Places
from toldonce.intake.servicer import Handler, Servicer
from toldonce.intake.wire import Door, Engine
from toldonce.runtime.address import LibraryAddresses
from toldonce.runtime.app import App
from toldonce.runtime.language import Languages
from toldonce.runtime.outbox import Outbox
from toldonce.runtime.ports import Ports


async def bind(app: App, ports: Ports) -> Handler:
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
