"""Sets of images: what is read is what was published, and whatever else is there gives one clear message."""

import gzip
import http.server
import io
import os
import pickle
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adam_vs_gd import cli
from adam_vs_gd.errors import DataError
from adam_vs_gd.problems.images.sets import ImageSet, cifar10, download, fashion, load_images, published, textures
from adam_vs_gd.problems.images.sets.cifar10 import ARCHIVE, FOLDER, load_cifar10
from adam_vs_gd.problems.images.sets.fashion import load_fashion_mnist
from adam_vs_gd.problems.images.sets.published import Published, md5_of

BATCHES = (*cifar10.TRAIN, cifar10.TEST)
RECORDS = 20  # a file, instead of 10,000
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def known(content):
    return Published(len(content), md5_of(content))


# --- CIFAR-10


def batches():
    """{name: content} of six small files: pixels of noise, two records of each label."""
    random = np.random.default_rng(0)
    contents = {}
    for name in BATCHES:
        labels = random.permutation(RECORDS) % 10
        pixels = random.integers(0, 256, (RECORDS, 3072))
        contents[name] = np.column_stack([labels, pixels]).astype(np.uint8).tobytes()
    return contents


def tar(members, **header):
    """An unpacked archive of {name: content}, or of pairs."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in header.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def members(contents):
    return {f"{FOLDER}/{name}": content for name, content in contents.items()} | {f"{FOLDER}/readme.html": b"hello"}


def negative_size():
    """A header that sends a reader who can go backward round in circles (CVE-2025-8194)."""
    info = tarfile.TarInfo(f"{FOLDER}/readme.html")
    info.size = -512
    return tar({"a": b""})[:512] + info.tobuf(tarfile.GNU_FORMAT) + tar(members(CONTENTS))


def archived(contents):
    return gzip.compress(tar(members(contents)), 1)


CONTENTS = batches()
CONTENT = archived(CONTENTS)
FILES = {name: known(content) for name, content in CONTENTS.items()} | {ARCHIVE: known(CONTENT)}


def with_archive(content):
    """The table in which this content is the published archive."""
    return FILES | {ARCHIVE: known(content)}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("given_as", ["archive", "other name", "holder of archive", "folder", "holder of folder"])
def test_cifar10_is_read_record_by_record(tmp_path, given_as):
    path = {
        "archive": lambda: write(tmp_path, {ARCHIVE: CONTENT}) / ARCHIVE,
        "other name": lambda: write(tmp_path, {"c.tar.gz": CONTENT}) / "c.tar.gz",
        "holder of archive": lambda: write(tmp_path, {ARCHIVE: CONTENT}),
        "folder": lambda: write(tmp_path / "anything", CONTENTS),
        "holder of folder": lambda: write(tmp_path / FOLDER, CONTENTS).parent,
    }[given_as]()
    before = sorted(tmp_path.rglob("*"))
    images = load_cifar10(path, files=FILES)
    assert sorted(tmp_path.rglob("*")) == before, "nothing is unpacked to disk"
    assert images.train.shape == (5 * RECORDS, 32, 32, 3)
    assert images.test.shape == (RECORDS, 32, 32, 3)
    assert images.train.dtype == images.test.dtype == np.uint8
    assert images.train_labels.dtype == images.test_labels.dtype == np.int32
    content = CONTENTS["data_batch_2.bin"]  # the layout as its page tells it, a byte at a time
    for record, row, column, channel in [(0, 0, 0, 0), (7, 3, 30, 1), (19, 31, 31, 2), (4, 0, 1, 2)]:
        byte = content[record * 3073 + 1 + channel * 1024 + row * 32 + column]
        assert images.train[RECORDS + record, row, column, channel] == byte
        assert images.train_labels[RECORDS + record] == content[record * 3073]
    assert images.test_labels.tolist() == list(CONTENTS["test_batch.bin"][::3073])
    assert images.classes[3] == "cat"
    assert "100 training and 20 test images" in images.about
    assert str(tmp_path) in images.about


def test_the_archive_is_preferred_to_the_folder_beside_it(tmp_path):
    write(tmp_path / FOLDER, dict.fromkeys(BATCHES, b"damaged"))
    write(tmp_path, {ARCHIVE: CONTENT})
    assert load_cifar10(tmp_path, files=FILES).digest == load_cifar10(tmp_path / ARCHIVE, files=FILES).digest


def test_the_table_is_of_the_published_files():
    assert cifar10.FILES[ARCHIVE] == (170_052_171, "c32a1d4ab5d03f1284b67883e8d87530")
    assert {cifar10.FILES[name].size for name in BATCHES} == {10_000 * 3073}
    assert len({file.md5 for file in cifar10.FILES.values()}) == 7
    assert cifar10.URL.startswith("https://")


def labelled(changes):
    """The contents with the first records' labels changed in one file."""
    content = bytearray(CONTENTS["data_batch_1.bin"])
    for record, label in changes.items():
        content[record * 3073] = label
    return CONTENTS | {"data_batch_1.bin": bytes(content)}


def bad(case, folder):
    """(path, table) of something that is not CIFAR-10."""
    if case == "nothing":
        return folder / "nowhere", FILES
    if case == "empty folder":
        return folder, FILES
    if case == "pickled archive":
        content = pickle.dumps("never read")
        (folder / "cifar-10-python.tar.gz").write_bytes(content)
        return folder / "cifar-10-python.tar.gz", FILES
    if case == "pickled archive in folder":
        return write(folder, {"cifar-10-python.tar.gz": b""}), FILES
    if case == "pickled folder":
        return write(folder / "cifar-10-batches-py", {"data_batch_1": b""}), FILES
    if case == "pickled folder in folder":
        return write(folder / "cifar-10-batches-py", {"data_batch_1": b""}).parent, FILES
    if case == "file missing":
        return write(folder, {name: CONTENTS[name] for name in BATCHES[:4]}), FILES
    if case == "file short":
        return write(folder, CONTENTS | {"test_batch.bin": CONTENTS["test_batch.bin"][:-1]}), FILES
    if case == "file long":
        return write(folder, CONTENTS | {"test_batch.bin": CONTENTS["test_batch.bin"] + b"\0"}), FILES
    if case == "pixel changed":
        return write(folder, CONTENTS | {"test_batch.bin": CONTENTS["test_batch.bin"][:-1] + b"\0"}), FILES
    if case == "file is folder":
        (folder / "data_batch_1.bin").mkdir()
        return folder, FILES
    if case in ("label 10", "classes unequal"):
        contents = labelled({0: 10} if case == "label 10" else dict.fromkeys(range(4), 3))
        return write(folder, contents), FILES | {name: known(content) for name, content in contents.items()}
    if case == "archive short":
        return write(folder, {ARCHIVE: CONTENT[:-100]}), FILES
    if case == "archive damaged":
        return write(folder, {ARCHIVE: CONTENT[:-1] + b"!"}), FILES
    content = {
        "no gzip": lambda: b"plain text",
        "gzip cut short": lambda: CONTENT[:-100],
        "gzip goes on": lambda: CONTENT + b"more",
        "gzip of no tar": lambda: gzip.compress(b"plain text" * 100),
        "tar cut short": lambda: gzip.compress(tar(members(CONTENTS))[:200_000]),
        "tar bomb": lambda: gzip.compress(tar(members(CONTENTS) | {"zeros": bytes(5_000_000)})),
        "negative size": lambda: gzip.compress(negative_size()),
        "member missing": lambda: archived({name: CONTENTS[name] for name in BATCHES[1:]}),
        "member short": lambda: archived(CONTENTS | {"test_batch.bin": b"short"}),
        "member a link": lambda: gzip.compress(tar(members(CONTENTS), type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "members elsewhere": lambda: gzip.compress(tar({f"../{FOLDER}/{name}": CONTENTS[name] for name in BATCHES})),
        "member twice": lambda: gzip.compress(tar([*members(CONTENTS).items()] * 2)),
    }[case]()
    return write(folder, {ARCHIVE: content}) / ARCHIVE, with_archive(content)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("nothing", r"nowhere: is not there; give cifar-10-binary\.tar\.gz or .*https://.*--download"),
        ("empty folder", "holds no CIFAR-10; give"),
        (
            "pickled archive",
            r"pickled version.*give the binary version.*https://www\.cs\.toronto\.edu/~kriz/cifar-10-b",
        ),
        ("pickled archive in folder", "pickled version"),
        ("pickled folder", "pickled version"),
        ("pickled folder in folder", "pickled version"),
        ("file missing", r"data_batch_5\.bin: is not there; give"),
        ("file short", r"test_batch\.bin: has 61,459 bytes instead of 61,460; delete it .* fetch it again"),
        ("file long", r"test_batch\.bin: has more than 61,460 bytes"),
        ("pixel changed", r"test_batch\.bin: has the MD5 \w{32} instead of the published \w{32}"),
        ("file is folder", r"data_batch_1\.bin: is there, but is no file"),
        ("label 10", "has the label 10 instead of 0 to 9"),
        ("classes unequal", r"has \d to 1\d images a class instead of 10"),
        ("archive short", r"cifar-10-binary\.tar\.gz: has [\d,]+ bytes instead of"),
        ("archive damaged", "has the MD5"),
        ("no gzip", "is no gzip file, or a damaged one"),
        ("gzip cut short", "ends early"),
        ("gzip goes on", "goes on after the end"),
        ("gzip of no tar", "is no tar archive, or a damaged one"),
        ("tar cut short", "is no tar archive, or a damaged one"),
        ("tar bomb", "unpacks to more than"),
        ("negative size", "is no tar archive, or a damaged one|lacks"),
        ("member missing", "lacks data_batch_1.bin in cifar-10-batches-bin"),
        ("member short", "test_batch.bin is there twice, no plain file, or of 5 bytes"),
        ("member a link", "no plain file"),
        ("members elsewhere", "lacks data_batch_1.bin, data_batch_2.bin"),
        ("member twice", "is there twice"),
    ],
)
def test_what_is_not_cifar10_is_refused_with_path_finding_and_fix(tmp_path, case, says):
    path, files = bad(case, tmp_path)
    with pytest.raises(DataError, match=says) as caught:
        load_cifar10(path, files=files)
    assert str(tmp_path) in str(caught.value)


def test_no_more_is_unpacked_than_there_should_be(tmp_path):
    packed = gzip.compress(bytes(50_000_000), 1)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
            published.unzip(tmp_path, packed, 1_000_000, "fix")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_the_pickled_archive_is_known_under_any_name(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "PICKLED", known(b"pickles"))
    with pytest.raises(DataError, match="pickled version"):
        load_cifar10(write(tmp_path, {"x.tar.gz": b"pickles"}) / "x.tar.gz", files=FILES)


def mutated(draw, content):
    """Content with bytes changed, a piece cut out, or its end cut off."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.one_of(st.integers(0, 600), st.integers(0, 10**6))) % max(len(content), 1)
        if not content:
            break
        kind = draw(st.sampled_from(["flip", "set", "cut", "end"]))
        if kind == "flip":
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set":
            content[place] = draw(st.sampled_from([0, 0x80, 0xFF, *b"LKxgSVD27-"]))
        elif kind == "cut":
            del content[place : place + draw(st.integers(1, 1000))]
        else:
            del content[place:]
    return bytes(content)


def read_or_refused(path, load):
    """What is loaded, or None if it is refused by a message that names the path; no other error."""
    try:
        return load()
    except DataError as error:
        said = str(error)
    assert str(path) in said
    return None


@settings(max_examples=150)
@given(st.data())
def test_whatever_an_archive_holds_it_is_read_or_refused(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(["random", "gzip", "tar"]))
    if kind == "random":
        content = data.draw(st.sampled_from([b"", b"\x1f\x8b\x08", gzip.compress(b"")])) + data.draw(st.binary())
    elif kind == "gzip":
        content = mutated(data.draw, CONTENT)
    else:
        content = gzip.compress(mutated(data.draw, tar(members(CONTENTS))), 1)
    path = tmp_path_factory.getbasetemp() / "fuzzed.tar.gz"
    path.write_bytes(content)
    images = read_or_refused(path, lambda: load_cifar10(path, files=with_archive(content)))
    assert images is None or images.train.shape == (5 * RECORDS, 32, 32, 3)
    assert (read_or_refused(path, lambda: load_cifar10(path, files=FILES)) is None) == (content != CONTENT)


# --- download


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


class Answers(http.server.BaseHTTPRequestHandler):
    """The archive, and what else a server may do."""

    def do_GET(self):
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        content = {"/good": CONTENT, "/cut": CONTENT, "/wrong": CONTENT[:-1] + b"!", "/long": CONTENT * 3}.get(
            self.path
        )
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/long":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:1000] if self.path == "/cut" else content)

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that hangs up is what some tests are about."""


@pytest.fixture(scope="module")
def server(certificate):
    """The address of an https server on this machine."""
    server = Quiet(("localhost", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def trusted(server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    monkeypatch.setenv("no_proxy", "*")
    return server


@pytest.mark.parametrize("into", ["data", "data/mine.tar.gz"])
@pytest.mark.parametrize("route", ["/good", "/to//good"])
def test_the_archive_is_fetched_once(tmp_path, trusted, into, route):
    images = load_cifar10(tmp_path / into, True, FILES, trusted + route)
    assert len(images.train) == 100
    path = tmp_path / into
    path = path if path.suffix else path / ARCHIVE
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
    assert path.read_bytes() == CONTENT
    again = load_cifar10(tmp_path / into, True, FILES, "https://localhost:1/unreachable")
    assert again.digest == images.digest


@pytest.mark.parametrize(
    ("route", "says"),
    [
        ("/wrong", "has the MD5 .* nothing was written"),
        ("/cut", r"has 1,000 bytes instead of [\d,]+; .*nothing was written"),
        ("/long", r"has [\d,]+ bytes instead of"),
        ("/missing", "cannot be fetched .*Not Found"),
        ("/to/http://localhost/good", "redirects to http://localhost/good, which is not https"),
        ("/to/file:///etc/passwd", "redirects to file:|cannot be fetched"),
        ("/to//to//to//to//to//to//to//to//to//to//to//to//good", "cannot be fetched"),
    ],
)
def test_what_is_fetched_is_the_archive_or_nothing(tmp_path, trusted, route, says):
    with pytest.raises(DataError, match=says):
        load_cifar10(tmp_path / "data", True, FILES, trusted + route)
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    "url", ["http://localhost:1/x", "file:///etc/passwd", "ftp://localhost/x", "https://localhost:1"]
)
def test_only_https_is_fetched_and_only_if_somebody_answers(tmp_path, monkeypatch, url):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError, match=r"cannot be fetched \(.*try again, or fetch it by hand"):
        load_cifar10(tmp_path, True, FILES, url)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_nobody_vouches_for_is_not_believed(tmp_path, server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError, match="certificate"):
        load_cifar10(tmp_path, True, FILES, server + "/good")


def test_a_wrong_file_is_never_overwritten(tmp_path, trusted):
    path = write(tmp_path, {ARCHIVE: b"something else"}) / ARCHIVE
    for given_as in (tmp_path, path):
        with pytest.raises(DataError, match="delete it or move it away, and fetch it again"):
            load_cifar10(given_as, True, FILES, trusted + "/good")
    with pytest.raises(DataError, match="never overwritten"):
        download.fetch(trusted + "/good", path, FILES[ARCHIVE])
    assert path.read_bytes() == b"something else"


def test_a_folder_that_cannot_be_written_is_found_before_the_download(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file: cannot be made .*by hand"):
        load_cifar10(tmp_path / "file" / "x.tar.gz", True, FILES, "https://localhost:1")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataError, match="cannot be written to"):
        load_cifar10(tmp_path, True, FILES, "https://localhost:1")


def test_a_full_disk_leaves_nothing(tmp_path, trusted, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "publish", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left"):
        load_cifar10(tmp_path, True, FILES, trusted + "/good")


# --- Fashion-MNIST


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def fashion_files():
    """{name: content} of four small idx files."""
    random = np.random.default_rng(1)
    files = {}
    for half, n in (("train", 7), ("t10k", 3)):
        files[f"{half}-images-idx3-ubyte"] = idx(random.integers(0, 256, (n, 28, 28), np.uint8))
        files[f"{half}-labels-idx1-ubyte"] = idx(random.integers(0, 10, n, np.uint8))
    return files


def sizes(files):
    return {name: known(content) for name, content in files.items()}


@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_is_padded_with_zeros(tmp_path, packed):
    files = fashion_files()
    write(tmp_path, {f"{name}.gz": gzip.compress(content) for name, content in files.items()} if packed else files)
    images = load_fashion_mnist(tmp_path, sizes(files))
    assert images.train.shape == (7, 32, 32, 1)
    assert images.test.shape == (3, 32, 32, 1)
    for n in range(7):
        picture = np.frombuffer(files["train-images-idx3-ubyte"], np.uint8, 784, 16 + 784 * n).reshape(28, 28)
        np.testing.assert_array_equal(images.train[n, 2:30, 2:30, 0], picture)
        assert images.train[n].sum() == picture.sum(), "the margin is zero"
    assert images.train_labels.tolist() == list(files["train-labels-idx1-ubyte"][8:])
    assert images.test_labels.dtype == np.int32


@pytest.mark.skipif(not DEBIAN.is_dir(), reason=f"no {DEBIAN}: apt-get install dataset-fashion-mnist")
def test_debians_fashion_mnist_is_the_published_one():
    images = load_images(f"fashion-mnist:{DEBIAN}")
    assert images.train.shape == (60_000, 32, 32, 1)
    assert (np.bincount(images.train_labels) == 6_000).all()
    assert images.digest.startswith("d754e0821cccb0ca")


LABELS, IMAGES = "train-labels-idx1-ubyte", "train-images-idx3-ubyte"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (LABELS, None, r"has neither train-labels-idx1-ubyte\.gz nor train-labels-idx1-ubyte; .*usr/share/datasets"),
        (LABELS, b"", "begins with nothing instead of 00000801"),
        (LABELS, fashion_files()[IMAGES], "begins with 00000803 instead of 00000801"),
        (LABELS, idx(np.zeros(8, np.uint8)), r"instead of \[n, 28, 28\] and \[n\]"),
        (LABELS, idx(np.full(7, 10, np.uint8)), "has the label 10, instead of 0 to 9"),
        (IMAGES, idx(np.zeros((7, 27, 28), np.uint8)), r"has the shape \(7, 27, 28\)"),
        (IMAGES, fashion_files()[IMAGES][:-1], "are not those of the shape"),
        (IMAGES, bytes((0, 0, 8, 3, 255, 255)), "are not those of the shape"),
        (IMAGES, bytes((0, 0, 8, 3)) + b"\xff" * 12, "are not those of the shape"),
    ],
)
def test_what_is_not_fashion_mnist_is_refused(tmp_path, name, content, says):
    files = fashion_files()
    table = sizes(files) | ({} if content is None else {name: known(content)})
    write(tmp_path, {f"{other}.gz": gzip.compress(files[other]) for other in files if other != name})
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        load_fashion_mnist(tmp_path, table)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda packed: packed[:-9], "ends early|damaged"),
        (lambda packed: packed[:20], "ends early"),
        (lambda _: b"plain", "is no gzip file"),
        (lambda _: gzip.compress(bytes(10_000)), "unpacks to more than"),
        (lambda _: gzip.compress(fashion_files()[IMAGES][:-1] + b"!"), "has the MD5"),
        (lambda _: bytes(100_000), "has more than"),
    ],
)
def test_damaged_fashion_mnist_is_refused(tmp_path, change, says):
    files = fashion_files()
    packed = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    write(tmp_path, packed | {f"{IMAGES}.gz": change(packed[f"{IMAGES}.gz"])})
    with pytest.raises(DataError, match=says):
        load_fashion_mnist(tmp_path, sizes(files))


@given(st.data())
def test_whatever_an_idx_file_holds_it_is_read_or_refused(tmp_path_factory, data):
    content = mutated(data.draw, fashion_files()[LABELS])
    folder = write(tmp_path_factory.getbasetemp() / "idx", fashion_files() | {LABELS: content})
    table = sizes(fashion_files() | {LABELS: content})
    images = read_or_refused(folder, lambda: load_fashion_mnist(folder, table))
    assert images is None or images.train.shape == (7, 32, 32, 1)


def test_fashion_mnist_needs_a_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path, says in ((tmp_path / "file", "is no folder"), (tmp_path / "none", "is not there; Debian")):
        with pytest.raises(DataError, match=says):
            load_images(f"fashion-mnist:{path}")


# --- textures, noise


@pytest.fixture(scope="module")
def photographs():
    return load_images("textures")


def test_textures_are_many_balanced_and_mixed(photographs):
    classes = len(photographs.classes)
    assert classes == len(textures.SOURCES) == 10
    for images, labels, least in (
        (photographs.train, photographs.train_labels, 120),
        (photographs.test, photographs.test_labels, 40),
    ):
        assert images.shape[1:] == (32, 32, 3)
        assert images.dtype == np.uint8
        assert labels.dtype == np.int32
        counts = np.bincount(labels)
        assert len(counts) == classes
        assert counts.min() == counts.max() >= least
        for k in (1, 37, 256, len(labels)):
            counts = np.bincount(labels[:k], minlength=classes)
            assert counts.max() - counts.min() <= 1
    assert "1,620 training and 540 test crops" in photographs.about
    assert "scikit-image " in photographs.about


def test_textures_are_where_the_photographs_have_them(photographs):
    """A slow search: the crops of a class are cells of the grid on the right side, each at most once."""
    for label, source in enumerate(textures.SOURCES.values()):
        picture = textures.photograph(*source)
        for images, labels, testing in (
            (photographs.train, photographs.train_labels, False),
            (photographs.test, photographs.test_labels, True),
        ):
            cells = (
                picture[32 * i : 32 * i + 32, 32 * j : 32 * j + 32]
                for i in range(picture.shape[0] // 32)
                for j in range(picture.shape[1] // 32)
                if ((i + 2 * j) % 4 == 0) == testing
            )
            there = [cell.tobytes() for cell in cells]
            crops = [crop.tobytes() for crop in images[labels == label]]
            assert set(crops) <= set(there)
            assert all(crops.count(crop) <= there.count(crop) for crop in crops), "each cell is taken once"


@given(st.integers(32, 300), st.integers(32, 300))
def test_crops_are_disjoint_and_cover_the_grid(height, width):
    rows, columns = height // 32, width // 32
    cell = np.add.outer(np.arange(height) // 32 * columns, np.arange(width) // 32)
    train, test = textures.crops_of(np.repeat(cell[..., np.newaxis], 3, axis=-1))
    crops = np.concatenate([train, test])
    assert (crops == crops[:, :1, :1, :1]).all()
    assert sorted(crops[:, 0, 0, 0]) == list(range(rows * columns))


def test_textures_say_what_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(textures, "SOURCES", {"x": ("skimage", "data", "nothing.png")})
    with pytest.raises(DataError, match=r"nothing\.png: is not there, though skimage is installed .* pip install"):
        load_images("textures")
    monkeypatch.setattr(textures, "SOURCES", {"x": ("skimage", "data", "__init__.py")})
    with pytest.raises(DataError, match="cannot be read"):
        load_images("textures")
    monkeypatch.setattr(textures, "SOURCES", {"x": ("no_such_package_at_all", "x.png")})
    with pytest.raises(
        DataError, match=r"no_such_package_at_all, which is missing; pip install 'adam-vs-gd\[images\]'"
    ):
        load_images("textures")


def test_noise_is_the_same_everywhere_and_a_beginning_of_more():
    few, more = load_images("noise:10"), load_images("noise:25")
    assert few.train.shape == (10, 32, 32, 3)
    assert few.test.shape == (2, 32, 32, 3)
    for name in ("train", "train_labels", "test", "test_labels"):
        np.testing.assert_array_equal(getattr(few, name), getattr(more, name)[: len(getattr(few, name))])
    assert few.digest == "e756f33daccd771699d7c29dd2a79dc4c544e0c28a0d9c5f2aa846604ac9cc29"
    assert len(load_images("noise:1").test) == 1
    whole = load_images("noise")
    assert (len(whole.train), len(whole.test)) == (50_000, 10_000)
    assert abs(whole.test.mean() - 127.5) < 0.1
    assert np.bincount(whole.train_labels).min() > 4_700


# --- all of them


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("cifar", r"did you mean cifar10:PATH\? there are textures, cifar10:PATH, fashion-mnist:PATH, noise or"),
        ("CIFAR-10:/data", "did you mean cifar10:PATH"),
        ("fashion_mnist:/data", "did you mean fashion-mnist:PATH"),
        ("", "no such images; there are textures"),
        ("imagenet-22k:x", "there are textures"),
        ("cifar10", r"where is it\? cifar10:PATH names .*with --download the archive is fetched into PATH"),
        ("cifar10:", "where is it"),
        ("fashion-mnist", r"where is it\? fashion-mnist:PATH names .*Debian"),
        ("textures:/data", "give textures alone"),
        ("noise:", "is no number"),
        ("noise:-3", "'-3' is no number of training images; give for instance noise:5000"),
        ("noise:1e3", "is no number"),
        ("noise:²", "is no number"),
        ("noise:0", "must be 1 to 50,000"),
        ("noise:50001", "must be 1 to 50,000"),
        ("cifar10:a\0b", "is not there"),
        ("cifar10:" + "x" * 5000, "cannot be read|is not there"),
        ("cifar10:/dev/null", "is there, but is no file"),
    ],
)
def test_sources_are_named_as_they_should_be(source, says):
    with pytest.raises(DataError, match=says):
        load_images(source)


@pytest.mark.parametrize("source", ["textures", "noise", "fashion-mnist:/data"])
def test_only_cifar10_is_downloaded(source):
    with pytest.raises(DataError, match="--download is for cifar10:PATH"):
        load_images(source, download=True)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError, match=str(tmp_path / "data")):
        load_images("cifar10:~/data")


def test_what_may_not_be_read_is_said(tmp_path, monkeypatch):
    write(tmp_path, CONTENTS)

    def denied(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(DataError, match=r"data_batch_1\.bin: cannot be read \(Permission denied\); give"):
        load_images(f"cifar10:{tmp_path}")
    for source in ("cifar10", "fashion-mnist"):
        monkeypatch.setattr(Path, "is_dir" if source == "fashion-mnist" else "is_file", denied)
        with pytest.raises(DataError, match=r"cannot be read \(Permission denied\); check its permissions"):
            load_images(f"{source}:{tmp_path}")


def test_the_digest_tells_sets_apart_but_not_places():
    images = load_images("noise:5")
    changed = images.train.copy()
    changed[0, 0, 0, 0] ^= 1
    others = [
        images._replace(train=changed),
        images._replace(train=images.train.reshape(5, 32, 96, 1)),
        images._replace(test_labels=images.test_labels + 1),
        images._replace(name="other"),
        images._replace(classes=images.classes[::-1]),
    ]
    assert len({other.digest for other in [images, *others]}) == 6
    assert images._replace(about="elsewhere").digest == images.digest
    assert images._replace(train=np.asfortranarray(images.train)).digest == images.digest
    assert isinstance(images, ImageSet)


def test_images_need_no_jax_and_import_no_scikit():
    script = (
        "import sys; from adam_vs_gd.problems.images.sets import load_images; load_images('textures'); "
        "sys.exit(bool({'jax', 'jaxlib', 'skimage', 'sklearn'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_command_line_takes_it_as_bad_input(monkeypatch, capsys):
    def missing(_):
        raise DataError("x: is not there; give y")

    monkeypatch.setattr("adam_vs_gd.cli.commands.run_show", missing)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert cli.main(["show", "x"]) == cli.BAD_INPUT
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "adam-vs-gd: x: is not there; give y" in capsys.readouterr().err
    assert published.md5_of(b"") == "d41d8cd98f00b204e9800998ecf8427e"
    assert fashion.CLASSES[9] == "Ankle boot"
