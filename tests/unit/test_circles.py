"""Ways that lead back are found, each once; ways that end are not."""

from toldonce.kernel.config.circles import Edge, circles, said


def ways(*pairs: str) -> list[Edge]:
    """Edges such as `a>b`, each with its own path."""
    return [Edge(pair, *pair.split(">")) for pair in pairs]


def found(*pairs: str) -> list[str]:
    return [said(circle) for circle in circles(ways(*pairs))]


def test_ways_that_end_are_no_circle() -> None:
    assert found("a>b", "b>c", "a>c", "d>c") == []
    assert found() == []


def test_circle_is_told_once_from_where_it_was_given_first_and_with_that_key() -> None:
    (circle,) = circles(ways("x>b", "b>c", "c>a", "a>b"))
    assert said(circle) == "b -> c -> a -> b"
    assert circle[0].path == "b>c"


def test_queue_that_leads_to_itself_is_a_circle() -> None:
    assert found("a>a", "b>a") == ["a -> a"]


def test_shortest_circle_is_told_where_a_queue_has_several_ways_on() -> None:
    assert found("a>b", "b>c", "c>a", "b>a") == ["a -> b -> a", "c -> a -> b -> c"]


def test_circles_that_share_a_queue_are_all_told() -> None:
    assert found("a>b", "b>a", "b>c", "c>b", "c>d") == ["a -> b -> a", "c -> b -> c"]


def test_ways_said_twice_are_one_circle() -> None:
    assert found("a>b", "a>b", "b>a", "b>a") == ["a -> b -> a"]


def test_a_thousand_queues_in_one_chain_take_no_time_and_are_no_circle() -> None:
    chain = [Edge("", f"q{n}", f"q{n + 1}") for n in range(100_000)]
    assert list(circles(chain)) == []
