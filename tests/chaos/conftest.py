"""Chaos says what it measured, also when all went well."""

FIGURES = "figures"


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties:
            if name == FIGURES:
                terminalreporter.section("figures of chaos")
                terminalreporter.write_line(text)
