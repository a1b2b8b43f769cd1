//! The binary files of CIFAR: records of labels and 32 × 32 pixels.

use std::path::PathBuf;

use deckle_data::{Arrays, Dataset};
use deckle_tensor::{DType, Tensor};

use crate::{Error, Info, Loaded, Place, Result, Source, gzip::Bytes, search::Found};

/// The length of the images' axes.
const SIDE: usize = 32;
/// Red, green and blue, one plane after the other.
const PIXELS: usize = 3 * SIDE * SIDE;

/// How a file's records begin, and which of their labels is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    /// The bytes before the pixels: a label each.
    pub(crate) count: usize,
    /// Which of them.
    pub(crate) at: usize,
    pub(crate) classes: u8,
}

/// Loads the files, of which the last is the one to test on.
pub(crate) fn load(
    info: &'static Info,
    found: Found,
    labels: Labels,
) -> Result<Loaded<Arrays>> {
    let Found { folder, paths, .. } = found;
    let (test, train) = paths.split_last().expect("a data set has files");
    let (train, test) = (read(train, labels)?, read(std::slice::from_ref(test), labels)?);
    let place = Place::Folder(folder);
    let source = Source { info, place, train: train.len(), test: test.len() };
    Ok(Loaded {
        train: train.description(format!("{}, images to train on", info.name)),
        test: test.description(format!("{}, images to test on", info.name)),
        source,
    })
}

fn read(paths: &[PathBuf], labels: Labels) -> Result<Arrays> {
    let record = labels.count + PIXELS;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.display().to_string();
        let len = std::fs::metadata(path)
            .map_err(|error| Error::Io { file: name.clone(), error })?
            .len();
        if len == 0 || len % record as u64 != 0 {
            return Err(Error::file(
                name,
                format_args!("has {len} bytes, expected records of {record} bytes"),
            ));
        }
        let bytes = Bytes::open(path)?.rest(len)?;
        for record in bytes.chunks_exact(record) {
            let (head, pixels) = record.split_at(labels.count);
            let label = head[labels.at];
            if label >= labels.classes {
                return Err(Error::file(
                    name,
                    format_args!(
                        "is damaged: label {label} at position {} is not 0 to {}",
                        y.len(),
                        labels.classes - 1
                    ),
                ));
            }
            y.push(label);
            // From planes to pixels.
            for pixel in 0..SIDE * SIDE {
                x.extend((0..3).map(|plane| pixels[plane * SIDE * SIDE + pixel]));
            }
        }
    }
    let x = Tensor::from_bytes(DType::U8, vec![y.len(), SIDE, SIDE, 3], &x)?;
    let y = Tensor::new(&y, [y.len()])?;
    Ok(Arrays::new(x, y)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cifar10::Cifar10,
        cifar100::{Cifar100, LabelMode},
        scratch::Scratch,
    };

    /// A record whose red plane counts, whose green is 1 and whose blue is 2.
    fn record(labels: &[u8]) -> Vec<u8> {
        let red = (0..SIDE * SIDE).map(|at| (at % 251) as u8);
        let planes = red.chain([1; SIDE * SIDE]).chain([2; SIDE * SIDE]);
        labels.iter().copied().chain(planes).collect()
    }

    #[test]
    fn planes_become_pixels() {
        let scratch = Scratch::new();
        for batch in 1..=5 {
            let name = format!("cifar-10-batches-bin/data_batch_{batch}.bin");
            scratch.write(&name, &[record(&[batch]), record(&[9])].concat());
        }
        scratch.write("cifar-10-batches-bin/test_batch.bin", &record(&[7]));
        let loaded = Cifar10::new().folder(scratch.path()).load().unwrap();
        assert_eq!(loaded.train.x().shape(), [10, 32, 32, 3]);
        let y = loaded.train.y().unwrap().to_vec::<u8>().unwrap();
        assert_eq!(y, [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
        let pixel = loaded.test.x().slice((0, 8, 0)).unwrap();
        assert_eq!(pixel.to_vec::<u8>().unwrap(), [5, 1, 2]);

        scratch.write("cifar-10-batches-bin/data_batch_3.bin", &record(&[10]));
        let error = Cifar10::new().folder(scratch.path()).load().unwrap_err().to_string();
        let expected =
            "data_batch_3.bin: is damaged: label 10 at position 4 is not 0 to 9";
        assert!(error.ends_with(expected), "{error}");
        scratch.write("cifar-10-batches-bin/data_batch_3.bin", &record(&[]));
        let error = Cifar10::new().folder(scratch.path()).load().unwrap_err().to_string();
        let expected = "data_batch_3.bin: has 3072 bytes, expected records of 3073 bytes";
        assert!(error.ends_with(expected), "{error}");
        scratch.write("cifar-10-batches-bin/data_batch_3.bin", &[]);
        assert!(Cifar10::new().folder(scratch.path()).load().is_err());
    }

    #[test]
    fn the_coarse_label_stands_first() {
        let scratch = Scratch::new();
        scratch.write("train.bin", &[record(&[19, 99]), record(&[3, 4])].concat());
        scratch.write("test.bin", &record(&[0, 1]));
        let cifar = Cifar100::new().folder(scratch.path());
        let labels = |cifar: &Cifar100| {
            cifar.load().unwrap().train.y().unwrap().to_vec::<u8>().unwrap()
        };
        assert_eq!(labels(&cifar), [99, 4]);
        assert_eq!(labels(&cifar.label_mode(LabelMode::Coarse)), [19, 3]);
    }
}
