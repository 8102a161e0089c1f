import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.errors import BadInput, Conflict, NotFound
from foedus.keys.ed25519 import PrivateKey, load, make, save, verify


def test_the_public_key_is_that_of_rfc_8032(tmp_path):
    # RFC 8032, section 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
    assert key.key == "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2"
        "4655141438e7a100b"
    )
    assert repr(key) == f"PrivateKey({key.key})"


def test_a_key_file_is_for_its_owner_alone_and_reads_back(tmp_path):
    key, path = make(), tmp_path / "a.pem"
    save(key, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path).key == key.key


def test_a_key_is_never_written_over_a_file(tmp_path):
    path = tmp_path / "a.pem"
    path.write_text("precious")
    with pytest.raises(Conflict) as caught:
        save(make(), path)
    assert (path.read_text(), caught.value.message) == (
        "precious",
        f"{path} exists; a key is never written over another file",
    )


def test_a_missing_folder_is_bad_input(tmp_path):
    with pytest.raises(BadInput) as caught:
        save(make(), tmp_path / "no" / "a.pem")
    assert caught.value.faults[0].fault == "cannot be written (No such file or directory)"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_use_is_refused(tmp_path, mode):
    path = tmp_path / "a.pem"
    save(make(), path)
    path.chmod(mode)
    with pytest.raises(BadInput) as caught:
        load(path)
    assert caught.value.faults[0].remedy == f"take that away: chmod 600 {path}"


def test_an_absent_key_file(tmp_path):
    with pytest.raises(NotFound) as caught:
        load(tmp_path / "a.pem")
    assert caught.value.remedy == f"make one: foedus keys new {tmp_path / 'a.pem'}"


def test_other_files_are_refused_without_quoting_them(tmp_path):
    path = tmp_path / "a.pem"
    other = x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data, fault in (
        (b"secret words", "holds no unencrypted private key in PEM form"),
        (other, "holds another kind of key (X25519PrivateKey)"),
    ):
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(BadInput) as caught:
            load(path)
        assert [found.fault for found in caught.value.faults] == [fault]


@given(message=st.binary(max_size=50), flip=st.integers(0, 64 * 8 - 1))
def test_any_flipped_bit_spoils_a_signature(message, flip):
    key = make()
    signature = key.sign(message)
    assert verify(key.key, message, signature)
    spoilt = bytearray(signature)
    spoilt[flip // 8] ^= 1 << flip % 8
    assert not verify(key.key, message, bytes(spoilt))
    assert not verify(key.key, message + b"x", signature)
    assert not verify(make().key, message, signature)


@given(key=st.text(max_size=80), signature=st.binary(max_size=70))
def test_malformed_keys_and_signatures_are_simply_false(key, signature):
    assert not verify(key, b"message", signature)
    assert not verify("ed25519:" + "00" * 31 + "ff", b"message", signature)


def test_a_key_of_small_order_proves_nothing():
    """Under the neutral point (y = 1) a signature of R = that point and S = 0 is good for every message."""
    neutral = b"\1" + bytes(31)
    assert not verify("ed25519:" + neutral.hex(), b"anything", neutral + bytes(32))


def test_bytes_do_not_wander_between_signature_and_message():
    key = make()
    signature = key.sign(b"message")
    assert verify(key.key, b"message", signature)
    assert not verify(key.key, signature[-1:] + b"message", signature[:-1])
    assert not verify(key.key, b"essage", signature + b"m")
