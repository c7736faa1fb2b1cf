"""Tarballs from strangers."""

import gzip
import io
import stat
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.archives import unpack
from dmgan_tf.preparation.sole_use import sole_use


def make(path, *members):
    """A tarball of (name, content) or (name, None, tarfile's type)."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content, *kind in members:
            member = tarfile.TarInfo(name)
            if kind:
                (member.type,), member.linkname = kind, "/etc/passwd"
            else:
                member.size = len(content)
            tar.addfile(member, None if kind else io.BytesIO(content))
    return path


def test_files_and_folders_come_out_and_stay(tmp_path):
    archive = make(
        tmp_path / "a.tgz", ("a", None, tarfile.DIRTYPE), ("a/b.txt", b"b"), ("./c/d", b"d")
    )
    assert (unpack(archive, tmp_path / "out") / "a" / "b.txt").read_bytes() == b"b"
    assert (tmp_path / "out" / "c" / "d").read_bytes() == b"d"
    archive.unlink()
    assert unpack(archive, tmp_path / "out") == tmp_path / "out"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("../evil", b"x"), "'../evil' leaves the folder"),
        (("a/../../evil", b"x"), "leaves the folder"),
        (("/tmp/evil", b"x"), "'/tmp/evil' leaves the folder"),
        (("link", None, tarfile.SYMTYPE), "'link' is no ordinary file"),
        (("link", None, tarfile.LNKTYPE), "'link' is no ordinary file"),
        (("device", None, tarfile.CHRTYPE), "'device' is no ordinary file"),
    ],
)
def test_no_member_leaves_the_folder(tmp_path, member, message):
    archive = make(tmp_path / "a.tgz", ("good", b"x"), member)
    with pytest.raises(UserError, match=message):
        unpack(archive, tmp_path / "deep" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tgz", "deep"]


def test_archive_that_grows_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dmgan_tf.preparation.archives.MOST_BYTES", 1000)
    archive = make(tmp_path / "a.tgz", *((f"{i}", b"x" * 300) for i in range(4)))
    with pytest.raises(UserError, match=r"refused: .*more than"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def disk_with(monkeypatch, free):
    monkeypatch.setattr(
        "dmgan_tf.preparation.archives.shutil.disk_usage", lambda _: SimpleNamespace(free=free)
    )


@pytest.mark.parametrize(("free", "fits"), [(2**30 + 20_000, True), (2**30 + 2000, False)])
def test_margin_stays_free_on_the_disk(tmp_path, monkeypatch, free, fits):
    disk_with(monkeypatch, free)
    archive = make(tmp_path / "a.tgz", ("a", b"x" * 3000))
    if fits:
        assert (unpack(archive, tmp_path / "out") / "a").stat().st_size == 3000
    else:
        with pytest.raises(UserError, match="has room if 1,073,741,824 stay free"):
            unpack(archive, tmp_path / "out")


def test_empty_files_and_folders_take_their_room_too(tmp_path, monkeypatch):
    disk_with(monkeypatch, 2**30 + 100_000)
    archive = make(tmp_path / "a.tgz", *((f"a/b/c/{i}", b"") for i in range(20)))
    with pytest.raises(UserError, match="holds more than 100,000 bytes"):
        unpack(archive, tmp_path / "out")


def test_file_with_holes_is_refused(tmp_path):
    entry = tarfile.TarInfo("holes")
    entry.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": str(2**35),
    }
    entry.size = 1
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(UserError, match="'holes' is no ordinary file"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_two_runs_do_not_delete_each_others_parts(tmp_path):
    archive = make(tmp_path / "a.tgz", ("a", b"x"))
    part = tmp_path / "out.partial"
    (part / "b").mkdir(parents=True)
    with (
        sole_use(part),
        pytest.raises(UserError, match=r"out\.partial: another run is writing there"),
    ):
        unpack(archive, tmp_path / "out")
    assert (part / "b").is_dir()
    assert [path.name for path in unpack(archive, tmp_path / "out").iterdir()] == ["a"]


def test_zip_comes_out_the_same_way_and_is_trusted_as_little(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("a/b.txt", b"b")
    assert (unpack(tmp_path / "a.zip", tmp_path / "out") / "a" / "b.txt").read_bytes() == b"b"
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for name, message in (("../evil", "leaves the folder"), (link, "is no ordinary file")):
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
            packed.writestr(name, b"/etc/passwd")
        with pytest.raises(UserError, match=message):
            unpack(tmp_path / "bad.zip", tmp_path / "bad")
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:50])
    with pytest.raises(UserError, match="is damaged or cut short"):
        unpack(tmp_path / "a.zip", tmp_path / "bad")


@pytest.mark.parametrize("members", [3, 5])
@pytest.mark.parametrize("more", [0, 200], ids=["between members", "inside a header"])
def test_tarball_cut_behind_whole_members_is_noticed(tmp_path, members, more):
    make(tmp_path / "a.tgz", *((f"{i}", b"x" * 1000) for i in range(9)))
    content = gzip.decompress((tmp_path / "a.tgz").read_bytes())
    (tmp_path / "a.tar").write_bytes(content[: members * (512 + 1024) + more])
    with pytest.raises(UserError, match="is damaged or cut short"):
        unpack(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_inside_is_noticed(tmp_path):
    archive = make(tmp_path / "a.tgz", *((f"{i}", b"x" * 1000) for i in range(9)))
    content = bytearray(gzip.decompress(archive.read_bytes()))
    content[4 * 1536 + 20] ^= 1  # in the fifth header
    archive.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(UserError, match="is damaged or cut short"):
        unpack(archive, tmp_path / "out")
    packed = bytearray(make(tmp_path / "b.tgz", ("a", b"x" * 1000)).read_bytes())
    packed[-8] ^= 1  # the checksum of all of it
    (tmp_path / "b.tgz").write_bytes(packed)
    with pytest.raises(UserError, match="is damaged or cut short"):
        unpack(tmp_path / "b.tgz", tmp_path / "out")


def test_file_in_the_place_of_a_folder_is_one_line(tmp_path):
    archive = make(tmp_path / "a.tgz", ("a", b"x"), ("a/b", b"x"))
    with pytest.raises(UserError, match="is damaged or cut short: FileExistsError"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("keep", [0, 10, 60])
def test_tarball_cut_short_leaves_nothing(tmp_path, keep):
    archive = make(tmp_path / "a.tgz", *((f"{i}", bytes(range(256)) * 40) for i in range(9)))
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(UserError, match="is damaged or cut short"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.partial").exists()


def test_name_of_many_megabytes_is_refused_before_it_is_read(tmp_path):
    entry = tarfile.TarInfo("a")
    entry.pax_headers = {"comment": "x" * 5 * 2**20}
    with tarfile.open(tmp_path / "a.tgz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry, io.BytesIO())
    with pytest.raises(UserError, match="is damaged or cut short: ReadError: a name or header of"):
        unpack(tmp_path / "a.tgz", tmp_path / "out")


def test_two_members_of_one_name_are_refused(tmp_path):
    archive = make(tmp_path / "a.tgz", ("a.jpg", b"x"), ("a.jpg", b"y"))
    with pytest.raises(UserError, match=r"refused: holds 'a\.jpg' twice"):
        unpack(archive, tmp_path / "out")
