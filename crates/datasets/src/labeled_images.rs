//! Images of 28 × 28 pixels and their labels, as MNIST's files hold them.

use std::path::Path;

use deckle_data::Arrays;
use deckle_tensor::{Tensor, shape_text};

use crate::{Error, Result, idx, npz::Archive, search::Found};

/// The number of classes.
const CLASSES: u8 = 10;

/// A data set whose files have the same names, and how the labels to train on begin there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Namesake {
    pub(crate) name: &'static str,
    pub(crate) labels: [u8; 10],
}

/// Images and labels of two IDX files.
pub(crate) fn read_one(found: &Found) -> Result<Arrays> {
    read_pair(&found.paths[0], &found.paths[1])
}

fn read_pair(images: &Path, labels: &Path) -> Result<Arrays> {
    let (x, y) = (idx::read(images)?, idx::read(labels)?);
    checked(&images.display(), x, &labels.display(), y)
}

/// The parts to train on and to test on: of four IDX files (images and labels to train on, then
/// to test on), or of a `.npz` file of Keras.
///
/// # Errors
///
/// As for their files; if they are another data set's.
pub(crate) fn read(found: &Found, other: &Namesake) -> Result<(Arrays, Arrays)> {
    let (train, test) = read_both(found)?;
    if train.y()?.to_vec::<u8>()?.starts_with(&other.labels) {
        let file = found.paths.get(1).unwrap_or(&found.paths[0]);
        return Err(Error::file(
            file.display(),
            format_args!(
                "holds the labels of {0}, whose files have the same names: keep them in folders \
                 of their own",
                other.name
            ),
        ));
    }
    Ok((train, test))
}

fn read_both(found: &Found) -> Result<(Arrays, Arrays)> {
    if let [images, labels, test_images, test_labels] = &found.paths[..] {
        return Ok((read_pair(images, labels)?, read_pair(test_images, test_labels)?));
    }
    let path = &found.paths[0];
    let archive = Archive::open(path)?;
    let part = |x: &str, y: &str| {
        let file = |member| format!("{}, member `{member}`", path.display());
        checked(&file(x), archive.bytes(x)?, &file(y), archive.bytes(y)?)
    };
    Ok((part("x_train", "y_train")?, part("x_test", "y_test")?))
}

/// Images and labels that belong together.
pub(crate) fn checked(
    images: &dyn std::fmt::Display,
    x: Tensor,
    labels: &dyn std::fmt::Display,
    y: Tensor,
) -> Result<Arrays> {
    let [count, 28, 28] = x.shape()[..] else {
        return Err(Error::file(
            images,
            format_args!(
                "holds an array of shape {}, expected (images, 28, 28)",
                shape_text(x.shape())
            ),
        ));
    };
    if y.rank() != 1 {
        return Err(Error::file(
            labels,
            format_args!(
                "holds an array of shape {}, expected (labels,)",
                shape_text(y.shape())
            ),
        ));
    }
    if y.shape()[0] != count {
        return Err(Error::file(
            labels,
            format_args!("holds {} labels, but {images} {count} images", y.shape()[0]),
        ));
    }
    if count == 0 {
        return Err(Error::file(images, "holds no image"));
    }
    let outside = y.to_vec::<u8>()?.into_iter().position(|label| label >= CLASSES);
    if let Some(position) = outside {
        return Err(Error::file(
            labels,
            format_args!(
                "is damaged: label {} at position {position} is not 0 to 9",
                y.to_vec::<u8>()?[position]
            ),
        ));
    }
    Ok(Arrays::new(x, y)?)
}
