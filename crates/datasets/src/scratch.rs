//! What tests need: a folder of their own ([`Scratch`]), `.npz` and IDX files.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use deckle_tensor::Tensor;
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder},
};
use tempfile::TempDir;

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// The folder of real data, if there is one; says so if not.
pub(crate) fn real_data(folder: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path =
        std::env::var_os("DECKLE_DATA_DIR").map_or(beside, PathBuf::from).join(folder);
    let found = path.is_dir().then_some(path);
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "no real data: set DECKLE_DATA_DIR to a folder that has `{folder}`"
        );
    }
    found
}

/// An IDX file of that shape whose elements count from 0 to 9, again and again.
pub(crate) fn idx_file(shape: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|len| len.to_be_bytes()));
    bytes.extend((0..shape.iter().product::<u32>()).map(|at| (at % 10) as u8));
    bytes
}

/// The same, compressed.
pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A compressed `.npz` file of `.npy` members.
pub(crate) fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let named = members.iter().map(|(name, npy)| (format!("{name}.npy"), npy.as_slice()));
    zip(named)
}

/// A zip archive of these members, compressed.
pub(crate) fn zip<'a>(members: impl Iterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    let mut archive = rawzip::ZipArchiveWriter::new(Vec::new());
    for (name, bytes) in members {
        let (mut entry, config) = archive
            .new_file(&*name)
            .compression_method(rawzip::CompressionMethod::DEFLATE)
            .start()
            .unwrap();
        let mut writer =
            config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
        writer.write_all(bytes).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap()
}

/// An `.npy` file of labels.
pub(crate) fn labels(labels: &[i64]) -> Vec<u8> {
    Tensor::new(labels, [labels.len()]).unwrap().to_npy().unwrap()
}

/// An `.npy` file of lists, as NumPy pickles it.
pub(crate) fn lists(lists: &[Vec<u32>]) -> Vec<u8> {
    let header = format!(
        "{{'descr': '|O', 'fortran_order': False, 'shape': ({},), }}\n",
        lists.len()
    );
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n");
    npy.extend(b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01J");
    npy.extend((lists.len() as u32).to_le_bytes());
    npy.extend(b"\x85cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R\x89](");
    for list in lists {
        npy.extend(b"](");
        for id in list {
            npy.push(b'J');
            npy.extend(id.to_le_bytes());
        }
        npy.push(b'e');
    }
    npy.extend(b"etb.");
    npy
}
