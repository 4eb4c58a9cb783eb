"""The assignment of rows to columns with the largest gain, by scipy: for small batches.

Scipy takes a while to import: it is imported when first asked.
"""


def assign(gains: list[list[int]]) -> list[tuple[int, int]]:
    """Pair rows with columns, none twice, so that the gains add up to most.

    Gains are at most 2**53 in all, so that they are exact as floating-point numbers. Source:
    shortest augmenting paths (Crouse 2016), as scipy has them; the same table, the same pairs.
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - see above

    rows, columns = linear_sum_assignment(gains, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
