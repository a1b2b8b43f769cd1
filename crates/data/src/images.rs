//! Images in files by class: [`image_dataset_from_directory`].

use std::{fmt, path::Path};

use deckle_tensor::{DType, Interpolation, Spec};

use crate::{
    Batch, Dataset, Error, Example, Loader, Result,
    adapt::Pool,
    directory::{Files, Kind, Options, directory_setters},
};

mod decode;
mod resize;

pub use decode::ColorMode;
use resize::{Resizer, Shape};

const IMAGES: Kind = Kind {
    function: "image_dataset_from_directory",
    plural: "images",
    endings: &[".jpeg", ".jpg", ".png"],
};

/// The images of a folder with a subfolder for each class, or of a zip archive of one.
///
/// A path into an archive, as `cats_vs_dogs.zip/train`, is one to a folder. The settings are
/// those of the [`ImageDirectory`] that this gives; [`ImageDirectory::load`] looks for the files.
///
/// # Examples
///
/// ```no_run
/// use deckle_data::{Dataset, LabelMode, image_dataset_from_directory};
///
/// let (train, validation) = image_dataset_from_directory("flowers")
///     .image_size(180, 180)
///     .label_mode(LabelMode::Categorical)
///     .validation_split(0.2)
///     .seed(123)
///     .load_both()?;
/// println!("{train} {:?}", train.class_names());
/// assert_eq!(train.example().inputs[0].spec.shape, [180, 180, 3]);
/// # let _ = validation;
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.image_dataset_from_directory`: same names, defaults, order of files without
/// shuffle, and sizes of the subsets; the shuffle's order is another. JPEG and PNG are read.
#[must_use]
pub fn image_dataset_from_directory(directory: impl AsRef<Path>) -> ImageDirectory {
    ImageDirectory {
        options: Options::new(directory.as_ref()),
        color_mode: ColorMode::Rgb,
        image_size: Some([256, 256]),
        interpolation: Interpolation::Bilinear,
        crop_to_aspect_ratio: false,
        pad_to_aspect_ratio: false,
    }
}

/// A folder of images, and how they are to be read: [`image_dataset_from_directory`].
#[derive(Clone, Debug)]
pub struct ImageDirectory {
    options: Options,
    color_mode: ColorMode,
    /// Height and width.
    image_size: Option<[usize; 2]>,
    interpolation: Interpolation,
    crop_to_aspect_ratio: bool,
    pad_to_aspect_ratio: bool,
}

impl ImageDirectory {
    directory_setters!();

    /// Sets the channels that images get; red, green and blue by default.
    #[must_use]
    pub const fn color_mode(mut self, color_mode: ColorMode) -> Self {
        self.color_mode = color_mode;
        self
    }

    /// Sets the height and the width that images get; 256 by default.
    #[must_use]
    pub const fn image_size(mut self, height: usize, width: usize) -> Self {
        self.image_size = Some([height, width]);
        self
    }

    /// Keeps the size that images have, which has to be one and the same.
    #[must_use]
    pub const fn original_size(mut self) -> Self {
        self.image_size = None;
        self
    }

    /// Sets what lies between pixels of images that get another size; lines by default.
    #[must_use]
    pub const fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// Sets whether images are cut to the proportions of the new size first, in the middle;
    /// false by default: they are stretched.
    #[must_use]
    pub const fn crop_to_aspect_ratio(mut self, crop: bool) -> Self {
        self.crop_to_aspect_ratio = crop;
        self
    }

    /// Sets whether images get black margins to the proportions of the new size first; false by
    /// default.
    #[must_use]
    pub const fn pad_to_aspect_ratio(mut self, pad: bool) -> Self {
        self.pad_to_aspect_ratio = pad;
        self
    }

    /// Looks for the images, all or those of the subset.
    ///
    /// # Errors
    ///
    /// If the folder is missing or has no class, a class has no image, or a setting makes no
    /// sense.
    pub fn load(&self) -> Result<Images> {
        self.check()?;
        self.images(self.options.load(&IMAGES)?)
    }

    /// Looks for the images, those to train on and those to validate with.
    ///
    /// # Errors
    ///
    /// As [`ImageDirectory::load`], or if `validation_split` is not set.
    pub fn load_both(&self) -> Result<(Images, Images)> {
        self.check()?;
        let (training, validation) = self.options.load_both(&IMAGES)?;
        Ok((self.images(training)?, self.images(validation)?))
    }

    /// Looks for the images, and gives them in batches of `batch_size`, shuffled anew for each
    /// pass; [`Loader::prefetch`] reads and decodes them ahead on threads.
    ///
    /// # Errors
    ///
    /// As [`ImageDirectory::load`], or if `batch_size` is 0.
    pub fn loader(&self) -> Result<Loader<Images>> {
        let loader = Loader::new(self.load()?, self.options.batch_size)?;
        Ok(loader.shuffle(self.options.shuffle_seed()).named("images"))
    }

    fn check(&self) -> Result<()> {
        let function = IMAGES.function;
        if let Some([height, width]) = self.image_size {
            let fits = |side: usize| (1..=decode::LONGEST).contains(&side);
            if !fits(height) || !fits(width) {
                let longest = decode::LONGEST;
                return Err(Error::invalid(
                    function,
                    format_args!("sides of 1 to {longest} pixels as image_size"),
                )
                .got(format_args!("{height} x {width}")));
            }
        }
        if self.crop_to_aspect_ratio && self.pad_to_aspect_ratio {
            return Err(Error::invalid(
                function,
                "one of crop_to_aspect_ratio and pad_to_aspect_ratio",
            )
            .got("both"));
        }
        Ok(())
    }

    fn images(&self, files: Files) -> Result<Images> {
        let [height, width] = match self.image_size {
            Some(size) => size,
            None => size_of(&files, 0)?,
        };
        let channels = self.color_mode.channels();
        let spec = Spec::new(DType::F32, [height, width, channels]);
        let resizer = Resizer::new(
            self.interpolation,
            [height, width],
            match (self.crop_to_aspect_ratio, self.pad_to_aspect_ratio) {
                (true, _) => Shape::Cropped,
                (_, true) => Shape::Padded,
                _ => Shape::Stretched,
            },
        );
        Ok(Images {
            example: files.example(spec),
            files,
            color_mode: self.color_mode,
            resizer,
            is_resized: self.image_size.is_some(),
            pool: Pool::default(),
        })
    }
}

/// The height and width of the image in a file.
fn size_of(files: &Files, index: usize) -> Result<[usize; 2]> {
    let (mut bytes, mut pixels) = (Vec::new(), Vec::new());
    files.read(index, &mut bytes)?;
    decode::decode(&bytes, ColorMode::Rgb, &mut pixels)
        .map_err(|problem| unreadable(files, index, &problem))
}

fn unreadable(files: &Files, index: usize, problem: &str) -> Error {
    Error::file(&files.entries[index].name, "cannot be read as an image")
        .expected("a JPEG or PNG image")
        .got(problem)
}

/// Images that are read from the disk and decoded when they are asked for.
///
/// An example is an image `F32` `(height, width, channels)` of numbers from 0 to 255 and, unless
/// there are no labels, its class; see [`LabelMode`](crate::LabelMode). `Display` says what
/// Keras prints.
///
/// # Examples
///
/// See [`image_dataset_from_directory`].
#[derive(Clone)]
pub struct Images {
    files: Files,
    example: Example,
    color_mode: ColorMode,
    resizer: Resizer,
    is_resized: bool,
    pool: Pool<Scratch>,
}

/// What is needed to read one image.
#[derive(Debug, Default)]
struct Scratch {
    bytes: Vec<u8>,
    pixels: Vec<u8>,
    resize: resize::Scratch,
}

impl Images {
    /// The names of the classes, in the order of the labels; none if there are no labels.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.files.class_names
    }

    /// The paths of the images, in the order of the examples.
    pub fn file_paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.files.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The class of each example, in order; all 0 if there are no labels.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = i32> {
        self.files.entries.iter().map(|entry| entry.label)
    }

    fn read_image(
        &self,
        index: usize,
        to: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<()> {
        let Scratch { bytes, pixels, resize } = scratch;
        self.files.read(index, bytes)?;
        let given = decode::decode(bytes, self.color_mode, pixels)
            .map_err(|problem| unreadable(&self.files, index, &problem))?;
        let made = self.resizer.made();
        if !self.is_resized && given != made {
            let text = |[height, width]: [usize; 2]| format!("{height} x {width} pixels");
            let entries = &self.files.entries;
            return Err(Error::file(
                &entries[index].name,
                "is of another size than the first image",
            )
            .expected(format_args!("{}, as {}", text(made), entries[0].name))
            .got(text(given))
            .help("image_size(height, width) makes all images of one size"));
        }
        self.resizer.resize(pixels, given, self.color_mode.channels(), to, resize);
        Ok(())
    }
}

impl Dataset for Images {
    fn len(&self) -> usize {
        self.files.entries.len()
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        into.prepare(&self.example, indices.len());
        let len = self.example.inputs[0].spec.shape.iter().product::<usize>();
        let images = into.inputs[0].make_mut::<f32>().chunks_mut(len);
        self.pool.with(|scratch| {
            (images.zip(indices))
                .try_for_each(|(image, &index)| self.read_image(index, image, scratch))
        })?;
        self.files.write_labels(indices, into);
        Ok(())
    }
}

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.files.text())
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images")
            .field("images", &self.len())
            .field("class_names", &self.files.class_names)
            .field("example", &self.example)
            .finish_non_exhaustive()
    }
}
