"""Whether timers are lost, early or doubled while things go wrong, and how late: `timers`."""
