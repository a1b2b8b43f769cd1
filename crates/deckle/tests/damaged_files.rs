//! No reader panics or takes memory out of proportion to its file, whatever is in it.
//!
//! Each reader has a limit: so many times the file's length, and a constant. What inflates may
//! be 100 times as long (of NumPy's and gzip's files what deflate can do, 1032 times), and is
//! held up to three times while it is read; it has limits of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unsafe_code, reason = "an allocator that counts")]
#![expect(clippy::print_stdout, reason = "a test that measures says what")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use deckle::{
    datasets::{WordIndex, idx, lists},
    formats::{Group, KerasArchive, Safetensors},
    nn::{Registry, Sequential, layers::Dense},
    tensor::{Npz, Tensor},
    train::{self, Trainable},
};

struct Counting;

thread_local! {
    /// Bytes that this thread holds, and the most that it held.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist for a moment.
        count(size.cast_signed());
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes held at once, above those from before.
fn peak_of(run: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    run();
    (PEAK.get() - before).cast_unsigned()
}

/// A reader, and what it may hold: so many times the file's length and a constant; more of it
/// where the file inflates.
struct Reader {
    name: &'static str,
    read: fn(&[u8]),
    limit: (usize, usize),
    inflated: (usize, usize),
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

const READERS: &[Reader] = &[
    Reader {
        name: "safetensors",
        read: |bytes| drop(Safetensors::from_bytes(bytes)),
        limit: (24, 4 * KIB),
        inflated: (24, 4 * KIB),
    },
    Reader {
        name: "hdf5",
        read: |bytes| drop(Group::from_bytes(bytes)),
        limit: (16, 64 * KIB),
        inflated: (200, 2 * MIB),
    },
    Reader {
        name: "keras",
        read: |bytes| drop(KerasArchive::from_bytes(bytes)),
        limit: (24, 256 * KIB),
        inflated: (1600, 36 * MIB),
    },
    Reader {
        name: "npz",
        read: |bytes| {
            if let Ok(npz) = Npz::from_bytes(bytes.to_vec(), "test.npz") {
                npz.tensors().for_each(drop);
            }
        },
        limit: (24, 256 * KIB),
        inflated: (3100, MIB),
    },
    Reader {
        name: "npy",
        read: |bytes| drop(Tensor::from_npy(bytes, "test.npy")),
        limit: (8, 128 * KIB),
        inflated: (8, 128 * KIB),
    },
    Reader {
        name: "pickle",
        read: |bytes| drop(lists::from_npy(bytes, "test.npy")),
        limit: (100, 64 * KIB),
        inflated: (100, 64 * KIB),
    },
    Reader {
        name: "idx",
        read: |bytes| idx_file(bytes, "idx"),
        limit: (4, 64 * KIB),
        inflated: (4, 64 * KIB),
    },
    Reader {
        name: "gz",
        read: |bytes| idx_file(bytes, "gz"),
        limit: (3100, 128 * KIB),
        inflated: (3100, 128 * KIB),
    },
    Reader { name: "json", read: word_index, limit: (64, 8 * KIB), inflated: (64, MIB) },
    Reader { name: "model", read: model, limit: (32, MIB), inflated: (1600, 36 * MIB) },
];

fn with_file(ending: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("damaged.{ending}"));
    fs::write(&path, bytes).unwrap();
    read(&path);
}

fn idx_file(bytes: &[u8], ending: &str) {
    with_file(ending, bytes, |path| drop(idx::read(path)));
}

fn word_index(bytes: &[u8]) {
    with_file("json", bytes, |path| drop(WordIndex::read(path)));
}

fn model(bytes: &[u8]) {
    with_file("model.h5", bytes, |path| {
        drop(train::load_with(path, &Registry::keras()));
    });
}

/// Reads, and notes in `most` the greatest share of the limit.
fn read(reader: &Reader, bytes: &[u8], what: &str, most: &mut f64) {
    hold(reader, reader.limit, bytes, what, most);
}

/// As [`read`], for a file that inflates.
fn inflate(reader: &Reader, bytes: &[u8], what: &str) {
    hold(reader, reader.inflated, bytes, what, &mut 0.0);
}

fn hold(
    reader: &Reader,
    (times, constant): (usize, usize),
    bytes: &[u8],
    what: &str,
    most: &mut f64,
) {
    let peak = peak_of(|| (reader.read)(bytes));
    let limit = times * bytes.len() + constant;
    assert!(
        peak <= limit,
        "{}, {what}: {peak} bytes for a file of {} bytes, more than {limit}",
        reader.name,
        bytes.len()
    );
    *most = most.max(peak as f64 / limit as f64);
}

/// Numbers without a pattern: Marsaglia's generator.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Reads a file whole, cut off, and with some bits and bytes changed.
fn damage(reader: &Reader, bytes: &[u8], rounds: usize, most: &mut f64) {
    read(reader, bytes, "whole", most);
    for cut in 0..rounds {
        read(reader, &bytes[..bytes.len() * cut / rounds], "cut off", most);
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64);
    for round in 0..3 * rounds {
        let mut damaged = bytes.to_vec();
        for _ in 0..1 << numbers.below(4) {
            let at = numbers.below(bytes.len());
            match round % 3 {
                0 => damaged[at] ^= 1 << numbers.below(8),
                1 => damaged[at] = [0, 0x7f, 0xff][numbers.below(3)],
                _ => damaged[at..].iter_mut().take(8).for_each(|byte| *byte = 0xff),
            }
        }
        read(reader, &damaged, "damaged", most);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files in a folder and those in it, shorter than 80 kB.
fn files(folder: &str) -> Vec<PathBuf> {
    let (mut open, mut found) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let len = fs::metadata(&path).unwrap().len();
            match path.is_dir() {
                true => open.push(path),
                false if (1..80_000).contains(&len) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder:?}");
    found
}

fn reader(name: &str) -> &'static Reader {
    READERS.iter().find(|reader| reader.name == name).unwrap()
}

/// Damages the files of folders with that ending, or with none as in a corpus.
fn damage_all(name: &str, folders: &[&str], endings: &[&str], rounds: usize) {
    let reader = reader(name);
    let (mut count, mut most) = (0, 0.0);
    for path in folders.iter().flat_map(|folder| files(folder)) {
        let file = path.file_name().unwrap().to_str().unwrap();
        let fits = endings.iter().any(|ending| file.ends_with(ending));
        if fits || !file.contains('.') {
            damage(reader, &fs::read(&path).unwrap(), rounds, &mut most);
            count += 1;
        }
    }
    println!("{name}: {count} files, at most {:.1} % of the limit", 100.0 * most);
    assert!(count > 0, "{name}");
}

#[test]
fn tensors_in_damaged_files() {
    let formats = "crates/formats/tests";
    let folder = |name: &str| format!("{formats}/corpus/{name}");
    damage_all("safetensors", &[&folder("safetensors")], &[".safetensors"], 24);
    let data = format!("{formats}/data");
    damage_all(
        "hdf5",
        &[&data, &folder("hdf5"), "crates/train/tests/data"],
        &[".h5"],
        24,
    );
    let files = ["crates/datasets/tests/corpus/idx"];
    damage_all("idx", &files, &["-ubyte"], 8);
    damage_all("gz", &files, &[".gz"], 8);
}

#[test]
fn damaged_archives() {
    let corpus = "crates/formats/tests/corpus/keras_archive";
    let data = ["crates/train/tests/data", "crates/formats/tests/data"];
    damage_all("keras", &[corpus, data[0], data[1]], &[".keras"], 24);
    let cases = ["tools/golden/cases/fit_adam", "crates/train/tests/data"];
    damage_all("npz", &cases, &[".npz"], 64);
}

#[test]
fn damaged_models() {
    let cases =
        ["tools/golden/cases/fit_nested", "tools/golden/cases/mask_through_layers"];
    damage_all("model", &cases, &[".keras"], 24);
    damage_all("model", &["crates/train/tests/data"], &[".h5", ".keras"], 8);
}

#[test]
fn damaged_arrays() {
    let mut most = 0.0;
    let tensor = Tensor::new((0..24).collect::<Vec<i32>>(), [2, 3, 4]).unwrap();
    damage(reader("npy"), &tensor.to_npy().unwrap(), 100, &mut most);
    let mut pickle = b"\x93NUMPY\x01\x00\x36\x00".to_vec();
    pickle.extend(b"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}");
    pickle.extend(b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n");
    pickle.extend(b"K\x00\x85C\x01btR(K\x01K\x02\x85cnumpy\ndtype\n(U\x02O8\x89\x88tR");
    pickle.extend(b"\x89](](K\x03K\x01e](K\x04eetb.");
    assert!(lists::from_npy(&pickle, "").is_ok());
    damage(reader("pickle"), &pickle, 200, &mut most);
    damage(reader("json"), br#"{"the": 1, "a": 2, "fawn": 34701}"#, 50, &mut most);
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let best = flate2::Compression::best();
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), best);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip archive of deflated members.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = rawzip::ZipArchiveWriter::new(Vec::new());
    for (name, bytes) in members {
        let new = zip.new_file(*name);
        let method = rawzip::CompressionMethod::DEFLATE;
        let (mut entry, config) = new.compression_method(method).start().unwrap();
        let mut descriptor = config.wrap(std::io::sink());
        descriptor.write_all(bytes).unwrap();
        let (_, descriptor) = descriptor.finish().unwrap();
        entry.write_all(&deflated(bytes)).unwrap();
        entry.finish(descriptor).unwrap();
    }
    zip.finish().unwrap()
}

#[test]
fn what_inflates_without_end() {
    let data = |name: &str| fs::read(root().join("crates/formats/tests/data").join(name));
    let (tiny, bomb) = (data("tiny.h5").unwrap(), data("refused/bomb.h5").unwrap());
    let zeros = vec![0; 64 * MIB];
    let mut numbers = b"[0".to_vec();
    numbers.extend(b",0".repeat(7 * MIB));
    numbers.push(b']');
    let deep = b"[".repeat(15 * MIB);
    for (what, config, weights) in [
        ("weights of zeros", &b"{}"[..], &zeros[..]),
        ("long JSON", &numbers, &tiny),
        ("deep JSON", &deep, &tiny),
        ("compressed chunks in a compressed member", b"{}", &bomb),
    ] {
        let parts = [
            ("metadata.json", &b"{}"[..]),
            ("config.json", config),
            ("model.weights.h5", weights),
        ];
        let file = archive(&parts);
        inflate(reader("keras"), &file, what);
        assert!(KerasArchive::from_bytes(&file).is_err(), "{what}");
    }
    inflate(reader("hdf5"), &bomb, "compressed chunks");

    let mut npy = Tensor::zeros(deckle::tensor::DType::U8, [1]).to_npy().unwrap();
    npy.extend(&zeros);
    inflate(reader("npz"), &archive(&[("x.npy", &npy)]), "zeros");
    let head =
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}";
    let mut npy = b"\x93NUMPY\x01\x00\x4c\x00".to_vec();
    npy.extend(head);
    npy.push(b'\n');
    inflate(reader("npy"), &npy, "an absurd shape");
    inflate(reader("npz"), &archive(&[("x.npy", &npy)]), "an absurd shape");

    let mut idx = vec![0, 0, 8, 2, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff];
    inflate(reader("idx"), &idx, "more than there is");
    idx.extend(&zeros);
    let mut encoder =
        flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&idx).unwrap();
    inflate(reader("gz"), &encoder.finish().unwrap(), "zeros");
}

/// A few words of JSON can ask for any number of weights; there are no more than values.
#[test]
fn models_of_absurd_sizes() {
    let model = Sequential::new([4]).add(Dense::new(12_345)).build().unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("absurd.keras");
    model.save(&path).unwrap();
    let small = Sequential::new([4]).add(Dense::new(3)).build().unwrap();
    let mut file = KerasArchive::read(&path).unwrap();
    small.save(&path).unwrap();
    file.weights = KerasArchive::read(&path).unwrap().weights;
    let mut text = String::new();
    write!(text, "{}", file.config).unwrap();
    for units in ["12345", "100000000", "10000000000000000000"] {
        let config = text.replace("12345", units);
        file.config = deckle::formats::json::parse(config.as_bytes()).unwrap();
        let bytes = file.to_bytes().unwrap();
        let mut most = 0.0;
        read(reader("model"), &bytes, units, &mut most);
    }
    let config = text.replace("12345", "100000000");
    file.config = deckle::formats::json::parse(config.as_bytes()).unwrap();
    file.write(&path).unwrap();
    let error = format!("{:?}", train::load(&path).unwrap_err());
    let place = format!("{}: ", path.display());
    assert_eq!(
        error.strip_prefix(&place).unwrap(),
        "layer `dense` (Dense): the layer's weights exceed their values\n  expected: a weight of \
         65551 elements or fewer\n       got: shape (4, 100000000)"
    );
}
