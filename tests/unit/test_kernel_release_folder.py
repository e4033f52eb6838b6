"""The release folder: nothing is kept or listed that the site's receipt does not vouch for, and no link in it leads out."""

import base64
import hashlib
import os

import pytest
from kernel_desk import SITE_KEYS, Notebook, state

from twinpane_kernel.release_folder import ReleaseError, keep, listed
from twinpane_wire import messages as wire
from twinpane_wire.receipt import LedgerPoint, Receipt

S, REQUEST = "a" * 32, "b" * 32
KEY = SITE_KEYS["a"]
CONTENT = b"sex,n\nF,120\n"
FOLDER = f"{REQUEST[:12]}-a"


def signed(key=KEY, content=CONTENT, **claims):
    given = {
        "site": "a", "project": "p", "request": REQUEST, "index": 0, "cell": 1, "path": None, "name": "cell-1.csv", "form": "csv",
        "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "recipient": "ana", "purpose": "figure 2", "approvals": 2,
        "quorum": 2, "policy": "p", "released_at": "2026-03-02T09:00:00+00:00", "ledger": LedgerPoint(seq=1, hash="0" * 64),
        "public_key": key.public_hex, **claims,
    }  # fmt: skip
    receipt = Receipt.model_validate(given)
    return receipt.model_copy(update={"signature": key.sign(receipt.signed_bytes())}).to_text()


def item(receipt=None, content=CONTENT, **more):
    given = {
        "index": 0, "cell": 1, "path": None, "form": "csv", "name": "cell-1.csv", "content": base64.b64encode(content).decode(),
        "sha256": hashlib.sha256(content).hexdigest(), "receipt": receipt if receipt is not None else signed(), **more,
    }  # fmt: skip
    return wire.ExportedItem.model_validate(given)


def export(*items, request=REQUEST, session=S):
    return wire.Export(session=session, request=request, state="released", items=items)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINPANE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def files(workspace):
    return sorted(str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file())


def test_what_a_receipt_vouches_for_is_kept_byte_for_byte(workspace):
    """Items that match their receipt are kept byte for byte, with receipt and key."""
    [(_, report)] = keep(workspace, "a", export(item()), KEY.public_hex)
    place = workspace / "releases" / FOLDER / "00-cell-1.csv"
    assert place.read_bytes() == CONTENT
    assert place.with_name("00-cell-1.csv.receipt.json").read_text() == signed()
    assert (workspace / "releases/keys/a.pub").read_text().strip() == KEY.public_hex
    assert report.name == f"{FOLDER}/00-cell-1.csv"


def test_a_second_copy_changes_nothing(workspace):
    keep(workspace, "a", export(item()), KEY.public_hex)
    before = {name: (workspace / name).stat() for name in files(workspace)}
    keep(workspace, "a", export(item()), KEY.public_hex)
    assert {name: (workspace / name).stat() for name in files(workspace)} == before


FORGED = {
    "another key": lambda: item(signed(SITE_KEYS["b"])),
    "another key that claims to be the site's": lambda: item(signed(SITE_KEYS["b"], public_key=KEY.public_hex)),
    "no receipt": lambda: item(""),
    "not a receipt": lambda: item("{}"),
    "changed receipt": lambda: item(signed().replace('"figure 2"', '"figure 3"')),
    "other bytes": lambda: item(content=b"planted"),
    "other bytes under the receipt's hash": lambda: item(content=b"planted", sha256=hashlib.sha256(CONTENT).hexdigest()),
    "another request's receipt": lambda: item(signed(request="c" * 32)),
    "another site's receipt": lambda: item(signed(site="b")),
    "another name": lambda: item(name="usercustomize.py"),
    "another item of the request": lambda: item(signed(index=1)),
    "another form": lambda: item(form="png"),
    "not base64": lambda: item().model_copy(update={"content": "A"}),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_no_receipt_of_the_site_vouches_for_is_not_kept(workspace, what):
    """A hostile switchboard cannot plant a file."""
    with pytest.raises(ReleaseError):
        keep(workspace, "a", export(FORGED[what]()), KEY.public_hex)
    assert files(workspace) == []


@pytest.mark.parametrize("name", ["../../x.csv", "a/../../x.csv", "/etc/x.csv"])
def test_no_name_leads_out_of_the_folder(name):
    with pytest.raises(ValueError, match="name"):
        item(name=name)


def test_a_long_name_is_cut_not_an_error(workspace):
    name = "x" * 230 + ".csv"
    keep(workspace, "a", export(item(signed(name=name), name=name)), KEY.public_hex)
    assert len(files(workspace)) == 3


@pytest.mark.parametrize("planted", ["releases", f"releases/{FOLDER}", "releases/keys"])
def test_a_link_that_a_cell_planted_is_not_followed(workspace, tmp_path, planted):
    host = tmp_path / "host"
    host.mkdir()
    (workspace / planted).parent.mkdir(exist_ok=True)
    (workspace / planted).symlink_to(host)
    with pytest.raises(OSError, match="release folder"):
        keep(workspace, "a", export(item()), KEY.public_hex)
    assert os.listdir(host) == []


@pytest.mark.parametrize("planted", ["link", "file", "pipe"])
def test_what_a_cell_planted_in_a_files_place_gives_way(workspace, tmp_path, planted):
    """Its own words may not stand there as if they had been released."""
    place = workspace / "releases" / FOLDER / "00-cell-1.csv"
    place.parent.mkdir(parents=True)
    (tmp_path / "host").write_text("of the host")
    match planted:
        case "link":
            place.symlink_to(tmp_path / "host")
        case "file":
            place.write_text("of the twin")
        case "pipe":
            os.mkfifo(place)
    keep(workspace, "a", export(item()), KEY.public_hex)
    assert place.read_bytes() == CONTENT
    assert not place.is_symlink()
    assert (tmp_path / "host").read_text() == "of the host"


def test_what_is_listed_is_what_a_receipt_holds_for(workspace):
    keep(workspace, "a", export(item()), KEY.public_hex)
    folder = workspace / "releases" / FOLDER
    (folder / "planted.csv").write_text("of the twin")
    (folder / "planted.csv.receipt.json").write_text(signed())
    (folder / "other.csv").write_bytes(CONTENT)
    (folder / "other.csv.receipt.json").write_text(signed(SITE_KEYS["b"]))
    (folder / "odd.receipt.json").write_text("[]")
    os.mkfifo(folder / "pipe.receipt.json")
    assert listed(workspace, {"a": KEY.public_hex}) == [{"file": f"{FOLDER}/00-cell-1.csv", "site": "a"}]
    assert listed(workspace, {}) == []


def test_without_a_release_folder_nothing_is_listed(workspace):
    assert listed(workspace, {"a": KEY.public_hex}) == []
    (workspace / "releases").write_text("")
    assert listed(workspace, {"a": KEY.public_hex}) == []


# ---------------------------------------------------------------- in the pane


@pytest.fixture
async def pad(workspace):
    made = Notebook(workspace, "a")
    yield made
    made.pane.close()


async def test_an_approved_item_stands_under_the_cell_that_asked(pad, workspace):
    """An approved item stands under the cell that asked for it."""
    pad.run("plot()", "x")
    pad.pane.cells.number(1).requests[REQUEST] = {"a": "submitted"}
    pad.pane.on_crossing("a", export(item(), session=pad.pane.session))
    assert pad.report(1).requests == {REQUEST: {"a": "released"}}
    assert [e.name for e in pad.report(1).exported] == [f"{FOLDER}/00-cell-1.csv"]


async def test_another_sessions_item_is_kept_under_no_cell(pad, workspace):
    """An item of another session's cell is kept, and stands under none. Cell 1 of yesterday is not cell 1 of today."""
    pad.run("other()", "x")
    pad.pane.on_crossing("a", export(item(), session=pad.pane.session))
    assert pad.report(1).exported == ()
    assert any(name.endswith("00-cell-1.csv") for name in files(workspace))


async def test_a_forged_export_is_said_and_changes_nothing(pad, workspace):
    pad.run("plot()", "x")
    pad.pane.cells.number(1).requests[REQUEST] = {"a": "submitted"}
    pad.pane.on_crossing("a", export(FORGED["another key"](), session=pad.pane.session))
    assert pad.report(1).requests == {REQUEST: {"a": "submitted"}}
    assert pad.report(1).exported == ()
    assert files(workspace) == []
    assert any("not kept" in note for note in pad.pane.notes)


async def test_an_export_of_a_site_whose_key_is_not_known_waits(workspace):
    pad = Notebook(workspace)
    pad.pane.join(pad.mirror)
    pad.pane.on_site(state("a", catalogued=None))
    with pytest.raises(LookupError):
        pad.pane.on_crossing("a", export(item()))
    pad.pane.close()
