"""Which connection is closed when there are too many."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from download_api.server.connections import GRACE_SECONDS, ConnectionTable
from tests.support.fake_clock import FakeClock


@dataclass(eq=False)
class Client:
    address: str = "10.0.0.1"
    opened_at: float = 0.0
    is_silent: bool = True
    is_busy: bool = False


def open_many(
    table: ConnectionTable[Client], count: int, address: str = "10.0.0.1"
) -> list[Client]:
    clients = [Client(address) for _ in range(count)]
    for client in clients:
        assert table.add(client) is None
    return clients


def test_one_idle_connection_too_many_closes_the_oldest_of_its_address() -> None:
    table = ConnectionTable[Client](max_connections=10, max_idle=3)
    clients = open_many(table, 3)
    open_many(table, 3, "10.0.0.2")
    assert table.add(Client()) is clients[0]
    assert table.add(Client()) is clients[1]
    assert len(table) == 6


def test_connection_without_a_request_is_closed_before_an_older_one_that_is_idle() -> None:
    table = ConnectionTable[Client](max_idle=2)
    first, second = open_many(table, 2)
    first.is_silent = False
    assert table.add(Client()) is second
    second = Client(is_silent=False)
    assert table.add(second) is not first


def test_requests_of_strangers_are_not_idle() -> None:
    table = ConnectionTable[Client](max_connections=10, max_idle=2)
    for client in open_many(table, 2):
        client.is_silent, client.is_busy = False, True
    open_many(table, 2)


def test_callers_who_signed_in_are_not_limited_by_address() -> None:
    table = ConnectionTable[Client](max_connections=10, max_idle=2)
    for _ in range(10):
        client = Client()
        assert table.add(client) is None
        table.sign_in(client)
    assert not table.is_over_capacity


def test_full_server_closes_the_oldest_that_never_sent_a_request() -> None:
    clock = FakeClock()
    table = ConnectionTable[Client](max_connections=3, max_idle=3, clock=clock)
    busy = Client("10.0.0.1", is_silent=False, is_busy=True)
    silent = [Client("10.0.0.2"), Client("10.0.0.3")]
    for client in (busy, *silent):
        assert table.add(client) is None
    clock.now = GRACE_SECONDS
    assert table.add(Client("10.0.0.4", opened_at=clock.now)) is silent[0]
    assert table.add(Client("10.0.0.5", opened_at=clock.now)) is silent[1]
    assert table.add(Client("10.0.0.6", opened_at=clock.now)) is busy
    assert not table.is_over_capacity


def test_flood_closes_the_oldest_of_the_address_with_most_connections() -> None:
    table = ConnectionTable[Client](max_connections=4, clock=FakeClock())
    caller = Client("10.0.0.1", is_silent=False)
    table.add(caller)
    flood = open_many(table, 3, "10.0.0.2")
    assert table.add(Client("10.0.0.3")) is flood[0]
    assert table.add(Client("10.0.0.2")) is flood[1]


def test_connection_is_over_capacity_if_all_others_signed_in() -> None:
    table = ConnectionTable[Client](max_connections=2)
    capacity = []
    for _ in range(3):
        newcomer = Client()
        assert table.add(newcomer) is None
        table.sign_in(newcomer)
        capacity.append(table.is_over_capacity)
    table.remove(newcomer)
    assert [*capacity, table.is_over_capacity] == [False, False, True, False]


def test_connection_may_be_removed_twice() -> None:
    table = ConnectionTable[Client](max_idle=1)
    first = Client()
    table.add(first)
    assert table.add(Client()) is first
    table.remove(first)
    assert len(table) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "sign in", "remove", "busy"]),
            st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"]),
            st.floats(0, 3),
        )
    )
)
def test_callers_who_signed_in_stay_and_strangers_are_bounded(
    steps: list[tuple[str, str, float]],
) -> None:
    clock = FakeClock()
    table = ConnectionTable[Client](max_connections=5, max_idle=2, clock=clock)
    strangers: list[Client] = []
    signed_in: list[Client] = []
    for step, address, seconds in steps:
        clock.now += seconds
        if step == "add":
            newcomer = Client(address, clock.now)
            victim = table.add(newcomer)
            strangers.append(newcomer)
            assert victim is None or victim in strangers
            assert victim is not newcomer
            strangers = [client for client in strangers if client is not victim]
        elif step == "sign in" and strangers:
            signed_in.append(strangers.pop())
            table.sign_in(signed_in[-1])
        elif step == "remove" and signed_in:
            table.remove(signed_in.pop())
        elif step == "busy" and strangers:
            strangers[0].is_silent, strangers[0].is_busy = False, True
        assert len(table) == len(strangers) + len(signed_in)
        assert len(table) <= max(5, len(signed_in)) + 1
        for known in {client.address for client in strangers}:
            idle = [s for s in strangers if s.address == known and not s.is_busy]
            assert len(idle) <= 2
