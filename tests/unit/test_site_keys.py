"""The site's key: made once, private, and what it signs verifies with its public half alone."""

import os

import pytest

from twinpane_site import keys
from twinpane_site.errors import KeyFault


def test_a_signature_verifies_with_its_public_key_alone(tmp_path):
    """A signature verifies with the public key and with nothing else."""
    key = keys.create(tmp_path / "keys")
    signature = key.sign(b"twinpane-link:1")
    assert len(signature) == 128
    assert keys.verify(key.public_hex, b"twinpane-link:1", signature)
    assert not keys.verify(key.public_hex, b"twinpane-link:2", signature)
    assert not keys.verify(keys.create(tmp_path / "other").public_hex, b"twinpane-link:1", signature)


@pytest.mark.parametrize(
    ("public", "signature"), [("", ""), ("zz", "00"), ("ff" * 32, "00" * 64), ("00" * 31, "00" * 64), ("é" * 64, "0" * 128)]
)
def test_malformed_keys_and_signatures_are_no_signatures(public, signature):
    assert not keys.verify(public, b"x", signature)


def test_a_created_key_is_loaded_again(tmp_path):
    made = keys.create(tmp_path / "keys")
    assert keys.load(tmp_path / "keys").public_hex == made.public_hex == keys.load_public(tmp_path / "keys")


def test_the_private_key_is_readable_by_its_owner_alone(tmp_path):
    old = os.umask(0)
    try:
        keys.create(tmp_path / "keys")
    finally:
        os.umask(old)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "site.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path, mode):
    keys.create(tmp_path / "keys")
    (tmp_path / "keys" / "site.key").chmod(mode)
    with pytest.raises(KeyFault, match=r"chmod go-rwx .*site\.key"):
        keys.load(tmp_path / "keys")


def test_a_key_folder_that_others_can_enter_is_refused(tmp_path):
    keys.create(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(KeyFault, match=r"chmod go-rwx .*keys"):
        keys.load(tmp_path / "keys")


def test_a_key_is_never_overwritten(tmp_path):
    made = keys.create(tmp_path / "keys")
    with pytest.raises(KeyFault, match="exists already"):
        keys.create(tmp_path / "keys")
    assert keys.load(tmp_path / "keys").public_hex == made.public_hex


def test_a_missing_malformed_or_linked_key_is_refused(tmp_path):
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    with pytest.raises(KeyFault, match="missing"):
        keys.load(folder)
    (folder / "site.key").write_text("no key")
    (folder / "site.key").chmod(0o600)
    with pytest.raises(KeyFault, match="not an Ed25519"):
        keys.load(folder)
    (folder / "site.key").rename(tmp_path / "elsewhere")
    (folder / "site.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFault, match="cannot be read"):
        keys.load(folder)


def test_the_key_does_not_show_in_its_repr(tmp_path):
    key = keys.create(tmp_path / "keys")
    assert repr(key) == "SiteKey()"
