"""What `triage` can be asked, apart from what answers it: scikit-learn takes seconds to load."""

import argparse
from pathlib import Path

ABOUT = """\
Measure triage on a recorded hand-off log (the "incident management process enriched event log",
CSV, plain or gzip). Incidents in the order of opened_at (day/month/year): the first 70 % teach,
the rest are asked about. As shares of the incidents asked about:

  first_team_human     the first line names the team that had the last word
  blind_baseline       LinearSVC (C = .1) on the fields of intake, without the human's team
  ours_blind           our model without it                    should be baseline + .02
  ours_with_human      our model with it                       should be the human's + .05
  top3                 ... and the team is among its first three
  sla_brier_baseline   promise kept or not: logistic regression as it comes, Brier score
  sla_brier            ours                                    should be baseline - .005

Used of an incident: its first line less what only later events could have filled in, and older
lines of others. loadtests/triage_log.py says which columns are left out, and why.
"""
EXAMPLES = """\
examples:
  python -m loadtests triage --log incident_event_log.csv.gz           a table
  python -m loadtests triage --log incident_event_log.csv.gz --json    one JSON object on stdout
  python -m loadtests triage --train early.csv.gz --test late.csv.gz   two files, nothing is split
"""


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="one log, split 70/30 by opened_at"
    )
    parser.add_argument("--train", type=Path, metavar="FILE", help="what teaches; needs --test")
    parser.add_argument("--test", type=Path, metavar="FILE", help="what is asked; needs --train")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="learn only from outcomes known when the test part begins, baselines too",
    )
