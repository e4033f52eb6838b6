"""A receipt verifies offline with the site's key, and with nothing that was changed."""

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from twinpane_review.cli import receipt as command
from twinpane_site.keys import SiteKey
from twinpane_wire.receipt import ENDING, PREFIX, LedgerPoint, Receipt, ReceiptError, check

CONTENT = b"sex,n\nfemale,120\n"
KEY = SiteKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
OTHER = SiteKey(Ed25519PrivateKey.from_private_bytes(b"o" * 32))


def signed(key: SiteKey = KEY, **what: object) -> Receipt:
    values = {
        "site": "site-a",
        "project": "stroke",
        "request": "1" * 32,
        "index": 0,
        "cell": 7,
        "path": None,
        "name": "cell-7.csv",
        "form": "csv",
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "recipient": "researcher",
        "purpose": "figure 2",
        "approvals": 2,
        "quorum": 2,
        "policy": "p1",
        "released_at": "2026-03-02T09:00:00+00:00",
        "ledger": LedgerPoint(seq=9, hash="a" * 64),
        "public_key": key.public_hex,
    }
    body = Receipt(**{**values, **what})  # type: ignore[arg-type]
    return body.model_copy(update={"signature": key.sign(body.signed_bytes())})


def test_a_receipt_verifies_with_the_sites_key() -> None:
    assert check(signed().to_text(), CONTENT, KEY.public_hex).recipient == "researcher"
    assert check(signed().to_text(), CONTENT, None).site == "site-a"


@pytest.mark.parametrize("field", sorted(set(Receipt.model_fields) - {"kind", "v"}))
def test_no_field_can_be_changed(field: str) -> None:
    value = json.loads(signed().to_text())
    changed = {
        "cell": 8,
        "path": "x",
        "form": "png",
        "ledger": {"seq": 9, "hash": "b" * 64},
        "public_key": OTHER.public_hex,
        "signature": "0" * 128,
        "sha256": "0" * 64,
        "request": "2" * 32,
    }
    old = value[field]
    value[field] = changed.get(field, old + 1 if isinstance(old, int) else f"{old}x")
    with pytest.raises(ReceiptError):
        check(json.dumps(value), CONTENT, None)


def test_a_field_added_or_a_signature_left_out_is_refused() -> None:
    value = json.loads(signed().to_text())
    for bad in ({**value, "note": "x"}, {**value, "signature": ""}, {k: v for k, v in value.items() if k != "signature"}):
        with pytest.raises(ReceiptError):
            check(json.dumps(bad), CONTENT, KEY.public_hex)


def test_another_file_or_another_key_is_refused() -> None:
    with pytest.raises(ReceiptError, match="content has changed"):
        check(signed().to_text(), CONTENT + b" ", KEY.public_hex)
    with pytest.raises(ReceiptError, match="another key"):
        check(signed(OTHER).to_text(), CONTENT, KEY.public_hex)


def test_another_signature_of_the_site_is_no_receipt() -> None:
    body = signed()
    forged = body.model_copy(update={"signature": KEY.sign(body.signed_bytes().removeprefix(PREFIX))})
    with pytest.raises(ReceiptError):
        check(forged.to_text(), CONTENT, KEY.public_hex)


@pytest.mark.parametrize("text", ["", "{}", "[]", "\x00", "x" * 30_000, '{"kind": "twinpane-receipt"}'])
def test_what_is_no_receipt_says_so(text: str) -> None:
    with pytest.raises(ReceiptError, match="not a receipt"):
        check(text, CONTENT, None)


def test_a_receipt_names_no_reviewer() -> None:
    assert not {"reviewers", "by", "approved_by"} & Receipt.model_fields.keys()


@pytest.fixture
def released(tmp_path: Path) -> Path:
    folder = tmp_path / "released" / "site-a" / ("1" * 32)
    folder.mkdir(parents=True)
    file = folder / "cell-7.csv"
    file.write_bytes(CONTENT)
    file.with_name(file.name + ENDING).write_text(signed().to_text())
    return file


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, ["verify", *map(str, arguments)])
    return result.exit_code, result.output


def test_the_command_verifies_with_a_key_given(released: Path, tmp_path: Path) -> None:
    code, text = run(released, "--key", KEY.public_hex.upper())
    assert code == 0
    assert "VERIFIED" in text
    assert "site-a" in text
    key = tmp_path / "site.pub"
    key.write_text(KEY.public_hex + "\n")
    assert run(released, "--site-key", key)[0] == 0
    assert run(released.with_name(released.name + ENDING), "--site-key", key)[0] == 0, "the receipt may be named instead"


def test_the_command_takes_the_key_that_the_release_folder_keeps(released: Path) -> None:
    keys = released.parents[2] / "keys"
    keys.mkdir()
    (keys / "site-a.pub").write_text(KEY.public_hex + "\n")
    assert run(released)[0] == 0
    (keys / "site-a.pub").write_text(OTHER.public_hex + "\n")
    code, text = run(released)
    assert code == 1
    assert "another key" in text


def test_a_receipt_does_not_vouch_for_its_own_key(released: Path) -> None:
    code, text = run(released)
    assert code == 1
    assert "NOT VERIFIED" in text
    assert "--site-key" in text


@pytest.mark.parametrize("fault", ["file changed", "no receipt", "no file", "bad key", "bad key file", "both keys", "receipt cut"])
def test_every_fault_is_exit_status_1_in_clear_words(released: Path, tmp_path: Path, fault: str) -> None:
    note = released.with_name(released.name + ENDING)
    arguments: tuple[object, ...] = ("--key", KEY.public_hex)
    match fault:
        case "file changed":
            released.write_bytes(b"x")
        case "no receipt":
            note.unlink()
        case "no file":
            released.unlink()
        case "bad key":
            arguments = ("--key", "abc")
        case "bad key file":
            (tmp_path / "k").write_bytes(b"\xff\xfe")
            arguments = ("--site-key", tmp_path / "k")
        case "both keys":
            arguments = (*arguments, "--site-key", tmp_path / "k")
        case "receipt cut":
            note.write_text(note.read_text()[:-40])
    code, text = run(released, *arguments)
    assert code == 1
    assert text.startswith("NOT VERIFIED")
    assert "Traceback" not in text
