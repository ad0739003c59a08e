"""``scripts/client_matrix.py``: its table of clients stands in the guide; a run takes minutes."""

from scripts.client_matrix import BEGIN, END, GUIDE, Row, clients, table


def test_the_guide_has_a_row_for_every_client_and_no_failure() -> None:
    """Who adds a client runs the script; a row with anything but ``yes`` is not published."""
    _, _, rest = GUIDE.read_text(encoding="utf-8").partition(BEGIN)
    header, _, *lines = rest.partition(END)[0].strip().splitlines()
    names = [cell.strip() for cell in header.strip("|").split("|")][1:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    tried = clients("x")
    assert [row[0].split()[0] for row in rows] == [client.name for client in tried]

    for client, row in zip(tried, rows, strict=True):
        done = {name for name, cell in zip(names, row[1:], strict=True) if cell == "yes"}
        assert done == {check.name for check in client.checks}
        wanted = client.requirements[0] if client.requirements else ""
        version = wanted.partition("==")[2].removesuffix(".*")
        assert row[0].split()[1].startswith(version)


def test_a_failure_is_shown_in_its_cell() -> None:
    """The last line of what a client said stands where ``yes`` would."""
    row = Row("timm", "0.9", {"files": "yes", "errors": "ValueError: a | b"})
    assert table([row]).splitlines()[-1] == "| timm 0.9 | yes | ValueError: a / b |"
