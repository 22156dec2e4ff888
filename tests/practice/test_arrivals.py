from threading import Thread

from kvk_enrich.practice.arrivals import ArrivalLog, key_mark


def test_registers_may_share_a_log(tmp_path):
    """Lines of several writers stand beside each other, whole."""
    log = tmp_path / "arrivals.log"

    def write(writer):
        own = ArrivalLog(log)
        for moment in range(500):
            own.add(moment, "69599084", "/api/v1/basisprofielen/69599084", writer)

    threads = [Thread(target=write, args=(f"key-{writer}",)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = [line.split("\t") for line in log.read_text().splitlines()]
    assert len(lines) == 2_000
    assert {len(line) for line in lines} == {4}
    assert {line[3] for line in lines} == {key_mark(f"key-{writer}") for writer in range(4)}


def test_a_log_is_continued_and_for_its_owner_only(tmp_path):
    """What was there stays; others cannot read which numbers were asked."""
    log = tmp_path / "arrivals.log"
    for moment in (1, 2):
        ArrivalLog(log).add(moment, "", "/api", "practice")

    assert [line.split("\t")[0] for line in log.read_text().splitlines()] == ["1", "2"]
    assert log.stat().st_mode & 0o777 == 0o600
