"""What `toldonce status` says of learned success."""

from dataclasses import asdict

from toldonce.cli.status import success_in_words
from toldonce.client.desk import SuccessSeen

NOTHING = SuccessSeen(
    policy="plain",
    active=True,
    on_cases=0,
    on_share=None,
    on_took_s=0.0,
    off_cases=0,
    off_share=None,
    off_took_s=0.0,
    lift=None,
    half_width=None,
    asked=0,
    otherwise=0,
)


def said(**changes: object) -> str:
    return success_in_words(asdict(NOTHING) | changes)


def test_supervisor_reads_the_lift_with_its_half_width():
    known = {"on_cases": 1204, "on_share": 0.812, "on_took_s": 212.4}
    known |= {"off_cases": 1187, "off_share": 0.779, "off_took_s": 219.0}
    assert said(**known, lift=0.033, half_width=0.019) == (
        "success, policy plain: on 81.2% of 1204 cases, 212 s each; "
        "off 77.9% of 1187 cases, 219 s each; lift +3.3 ± 1.9 points"
    )


def test_supervisor_reads_that_too_little_is_known():
    assert said() == (
        "success, policy plain: on none yet; off none yet; too little to tell the lift yet"
    )


def test_supervisor_reads_how_often_a_shadow_would_choose_somebody_else():
    assert said(active=False, asked=40, otherwise=7) == (
        "success, policy plain (shadow): would have chosen somebody else 7 of 40 times"
    )
