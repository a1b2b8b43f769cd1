//! Images of folders and archives: what Pillow and Keras make of them, and each wrong use.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;

use std::{fs, path::Path};

use deckle_data::{
    Batch, ColorMode, Dataset, DirectorySubset, ImageDirectory, Interpolation, LabelMode,
    Labels, Loader, Stream, check_dataset, image_dataset_from_directory,
};
use files::{Scratch, png, zip};
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");

fn grey(value: u8) -> Vec<u8> {
    png(png::ColorType::Grayscale, [1, 1], &[value])
}

fn image(data: &dyn Dataset, index: usize) -> Vec<f32> {
    let mut batch = Batch::new();
    data.read_batch(&[index], &mut batch).unwrap();
    batch.inputs[0].to_vec().unwrap()
}

fn names(data: &deckle_data::Images) -> Vec<String> {
    let last = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().into();
    data.file_paths().map(last).collect()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

#[test]
fn jpeg_files_are_read_as_pillow_reads_them() {
    let text = fs::read_to_string(format!("{FIXTURES}/pillow.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    for (name, images) in expected.as_object().unwrap() {
        for (mode, text) in [(ColorMode::Rgb, "rgb"), (ColorMode::Grayscale, "grayscale")]
        {
            let scratch = Scratch::new();
            scratch.write(name, &fs::read(format!("{FIXTURES}/{name}")).unwrap());
            let data = image_dataset_from_directory(&scratch.0)
                .labels(Labels::None)
                .color_mode(mode)
                .original_size()
                .load()
                .unwrap();
            let (got, expected) = (image(&data, 0), numbers(&images[text]));
            assert_eq!(got.len(), expected.len(), "{name}");
            let distance = |(a, b): (&f32, &f32)| (a - b).abs();
            let sum: f32 = got.iter().zip(&expected).map(distance).sum();
            let most = got.iter().zip(&expected).map(distance).fold(0.0, f32::max);
            // Decoders may differ in the transform and in how they smooth colours; of CMYK also in
            // the conversion.
            let mean = sum / got.len() as f32;
            assert!(mean < 1.0 && most <= 6.0, "{name} {text}: {mean} {most}");
        }
    }
}

#[test]
fn images_get_another_size_as_in_keras() {
    let text = fs::read_to_string(format!("{FIXTURES}/resize.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 55);
    for case in &cases {
        let pair = |key: &str| [0, 1].map(|at| case[key][at].as_u64().unwrap() as usize);
        let (given, made) = (pair("given"), pair("made"));
        let pixels: Vec<u8> =
            (0..given[0] * given[1] * 3).map(|at| (at * 37 % 256) as u8).collect();
        let scratch = Scratch::new();
        scratch.write("a/b.png", &png(png::ColorType::Rgb, given, &pixels));
        let interpolation = match case["interpolation"].as_str().unwrap() {
            "nearest" => Interpolation::Nearest,
            "bilinear" => Interpolation::Bilinear,
            "bicubic" => Interpolation::Bicubic,
            _ => Interpolation::Lanczos3,
        };
        let data = image_dataset_from_directory(&scratch.0)
            .image_size(made[0], made[1])
            .interpolation(interpolation)
            .crop_to_aspect_ratio(case["shape"] == "cropped")
            .pad_to_aspect_ratio(case["shape"] == "padded")
            .load()
            .unwrap();
        let (got, expected) = (image(&data, 0), numbers(&case["y"]));
        assert_eq!(got.len(), expected.len());
        for (a, b) in got.iter().zip(&expected) {
            // Of numbers up to 255, in another order of sums.
            assert!((a - b).abs() < 2e-3, "{case}: {got:?}");
        }
    }
}

#[test]
fn png_files_of_all_kinds_get_the_channels_of_the_mode() {
    use png::ColorType::{Grayscale, GrayscaleAlpha, Rgb, Rgba};
    for (color, pixel, as_grey, as_rgba) in [
        (Grayscale, &[7][..], 7.0, [7.0, 7.0, 7.0, 255.0]),
        (GrayscaleAlpha, &[7, 9], 7.0, [7.0, 7.0, 7.0, 9.0]),
        (Rgb, &[10, 20, 30], 18.0, [10.0, 20.0, 30.0, 255.0]),
        (Rgba, &[10, 20, 30, 9], 18.0, [10.0, 20.0, 30.0, 9.0]),
    ] {
        let scratch = Scratch::new();
        scratch.write("a/b.PNG", &png(color, [1, 1], pixel));
        let read = |mode| {
            let directory = image_dataset_from_directory(&scratch.0).original_size();
            image(&directory.color_mode(mode).load().unwrap(), 0)
        };
        assert_eq!(read(ColorMode::Grayscale), [as_grey]);
        assert_eq!(read(ColorMode::Rgb), as_rgba[..3]);
        assert_eq!(read(ColorMode::Rgba), as_rgba);
    }
}

/// Ten images of two classes, whose pixels are their numbers.
fn ten(scratch: &Scratch) -> ImageDirectory {
    for number in 0..10 {
        let class = if number < 4 { "Éclair" } else { "cake" };
        scratch.write(&format!("{class}/{number}.png"), &grey(number));
    }
    scratch.write("cake/notes.txt", b"not an image");
    scratch.write(".hidden/x.png", &grey(99));
    image_dataset_from_directory(&scratch.0)
        .image_size(1, 1)
        .color_mode(ColorMode::Grayscale)
}

#[test]
fn files_are_in_the_order_of_classes_and_names_unless_shuffled() {
    let scratch = Scratch::new();
    let directory = ten(&scratch);
    let plain = directory.clone().shuffle(false).load().unwrap();
    check_dataset(&plain).unwrap();
    assert_eq!(plain.class_names(), ["cake", "Éclair"]);
    assert_eq!(plain.to_string(), "Found 10 files belonging to 2 classes.");
    let order = [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 0.0, 1.0, 2.0, 3.0];
    let mut batch = Batch::new();
    plain.read_batch(&(0..10).collect::<Vec<_>>(), &mut batch).unwrap();
    assert_eq!(batch.inputs[0].to_vec::<f32>().unwrap(), order);
    assert_eq!(batch.targets[0].to_vec::<i32>().unwrap(), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);

    let shuffled = directory.clone().seed(3).load().unwrap();
    assert_ne!(names(&shuffled), names(&plain));
    assert_eq!(names(&shuffled), names(&directory.clone().seed(3).load().unwrap()));

    let named = directory.class_names(["Éclair"]).shuffle(false).load().unwrap();
    assert_eq!((named.len(), named.class_names()), (4, &["Éclair".to_owned()][..]));
}

#[test]
fn subsets_are_all_files_each_once() {
    let scratch = Scratch::new();
    let directory = ten(&scratch).validation_split(0.35).seed(1);
    let (train, validation) = directory.load_both().unwrap();
    assert_eq!((train.len(), validation.len()), (7, 3));
    let mut all = [names(&train), names(&validation)].concat();
    all.sort();
    assert_eq!(all.len(), 10);
    all.dedup();
    assert_eq!(all.len(), 10);
    let only = directory.subset(DirectorySubset::Validation).load().unwrap();
    assert_eq!(names(&only), names(&validation));
}

#[test]
fn labels_have_the_form_that_is_asked_for() {
    let scratch = Scratch::new();
    let directory = ten(&scratch).shuffle(false);
    let mut batch = Batch::new();
    for (mode, expected) in [
        (LabelMode::Binary, Some((vec![2, 1], vec![0.0f32, 1.0]))),
        (LabelMode::Categorical, Some((vec![2, 2], vec![1.0, 0.0, 0.0, 1.0]))),
        (LabelMode::None, None),
    ] {
        let data = directory.clone().label_mode(mode).load().unwrap();
        check_dataset(&data).unwrap();
        let last = data.len() - 1;
        data.read_batch(&[0, last], &mut batch).unwrap();
        let got =
            batch.targets.first().map(|y| (y.shape().to_vec(), y.to_vec().unwrap()));
        assert_eq!(got, expected, "{mode:?}");
    }
    // Without labels, the hidden folder counts neither.
    let all = directory.clone().labels(Labels::None).load().unwrap();
    assert_eq!(all.to_string(), "Found 10 files.");
    let given: Vec<i32> = (0..10).map(|at| at % 3).collect();
    let data = directory.clone().labels(Labels::Given(given)).load().unwrap();
    assert_eq!(data.class_names(), ["0", "1", "2"]);
    assert!(directory.labels(Labels::Given(vec![0])).load().is_err());
}

#[test]
fn an_archive_is_read_as_a_folder() {
    let scratch = Scratch::new();
    let pixels: Vec<u8> = (0..75).collect();
    let big = png(png::ColorType::Rgb, [5, 5], &pixels);
    scratch.write(
        "pets.zip",
        &zip(&[
            ("train/dogs/b.png", big.clone()),
            ("train/cats/c.png", big.clone()),
            ("train/cats/a.png", big.clone()),
            ("__MACOSX/cats/._a.png", vec![1]),
            ("test/dogs/d.png", big),
        ]),
    );
    let train = image_dataset_from_directory(scratch.0.path().join("pets.zip/train"))
        .original_size()
        .shuffle(false)
        .load()
        .unwrap();
    check_dataset(&train).unwrap();
    assert_eq!(names(&train), ["a.png", "c.png", "b.png"]);
    assert_eq!(train.class_names(), ["cats", "dogs"]);
    let expected: Vec<f32> = (0..75).map(|value| value as f32).collect();
    for index in 0..3 {
        assert_eq!(image(&train, index), expected);
    }
    let root =
        image_dataset_from_directory(scratch.0.path().join("pets.zip")).load().unwrap();
    assert_eq!(root.class_names(), ["test", "train"]);
    let error =
        image_dataset_from_directory(scratch.0.path().join("pets.zip/none")).load();
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("pets.zip: the archive has no folder `none`"), "{error}");
}

#[test]
fn batches_are_the_same_on_any_number_of_threads() {
    let scratch = Scratch::new();
    let directory = ten(&scratch).batch_size(3);
    let read = |stream: &mut dyn Stream| {
        let (mut batch, mut all) = (Batch::new(), Vec::new());
        for pass in 0..2 {
            assert!(stream.restart(pass).unwrap());
            while stream.next_batch(&mut batch).unwrap() {
                all.push(batch.inputs[0].to_vec::<f32>().unwrap());
            }
        }
        all
    };
    let mut plain = directory.loader().unwrap();
    assert_eq!(plain.batches(), Some(4));
    let expected = read(&mut plain);
    assert_ne!(expected[0], expected[4]);
    for workers in 1..4 {
        let mut ahead = directory.loader().unwrap().prefetch(workers, 2).unwrap();
        assert_eq!(read(&mut ahead), expected);
    }
}

#[track_caller]
fn fails(result: Result<impl Sized, deckle_data::Error>, folder: &Path, expected: &str) {
    let Err(error) = result else { panic!("nothing wrong") };
    let text = error.to_string().replace(&format!("{}", folder.display()), "DATA");
    assert_eq!(text, expected);
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let scratch = Scratch::new();
    let folder = scratch.0.path();
    let load = |name: &str| image_dataset_from_directory(folder.join(name)).load();
    fails(
        load("none"),
        folder,
        "DATA/none: there is no such folder\n  expected: a folder of images, or a zip archive of \
         one",
    );
    scratch.write("flat/a.png", &grey(1));
    fails(
        load("flat"),
        folder,
        "DATA/flat: has no subfolder\n  expected: a subfolder of images for each class\n      \
         help: Labels::None reads images without classes",
    );
    scratch.write("half/cats/a.png", &grey(1));
    scratch.write("half/dogs/a.gif", b"GIF89a");
    fails(
        load("half"),
        folder,
        "DATA/half/dogs: the class has no images\n  expected: files that end in .jpeg, .jpg, \
         .png\n      help: remove the folder, or name the other classes: class_names",
    );
    let named = image_dataset_from_directory(folder.join("half")).class_names(["cows"]);
    fails(
        named.load(),
        folder,
        "DATA/half: has no subfolder `cows`\n  expected: class_names that are subfolders, all or \
         some\n       got: the subfolders cats, dogs",
    );
    scratch.write("no.zip", b"PK, but no archive");
    let error = load("no.zip").unwrap_err().to_string();
    assert!(error.contains("no.zip: cannot be read as a zip archive\n"), "{error}");
    scratch.write("one/a/a.png", &grey(1));
    let binary =
        image_dataset_from_directory(folder.join("one")).label_mode(LabelMode::Binary);
    fails(
        binary.load(),
        folder,
        "`image_dataset_from_directory`: cannot take this input\n  expected: two classes for \
         binary labels\n       got: 1: a\n      help: LabelMode::Categorical or LabelMode::Int",
    );
    let split = image_dataset_from_directory(folder.join("one")).validation_split(0.5);
    fails(
        split.load_both(),
        folder,
        "DATA/one: is too small to be split\n  expected: a file for each subset\n       got: 1 \
         files, of which 0 to validate",
    );
    assert!(split.load().is_err());
    assert!(split.validation_split(f64::NAN).load_both().is_err());
    let one = || image_dataset_from_directory(folder.join("one"));
    assert!(one().image_size(0, 3).load().is_err());
    assert!(one().crop_to_aspect_ratio(true).pad_to_aspect_ratio(true).load().is_err());
    assert!(one().batch_size(0).loader().is_err());
}

#[test]
fn what_is_wrong_with_an_image_is_said() {
    let jpeg = fs::read(format!("{FIXTURES}/subsampled.jpg")).unwrap();
    let scratch = Scratch::new();
    let folder = scratch.0.path();
    for (bytes, got) in [
        (&b""[..], "an empty file"),
        (b"GIF89a...", "a GIF image"),
        (b"hello, world", "a file that begins with \"hello, w\""),
        (&jpeg[..jpeg.len() / 2], "a JPEG image that is cut off"),
        (&jpeg[..4], "a JPEG image that is cut off"),
    ] {
        scratch.write("cats/broken.jpg", bytes);
        let data = image_dataset_from_directory(folder).load().unwrap();
        fails(
            data.read_batch(&[0], &mut Batch::new()),
            folder,
            &format!(
                "DATA/cats/broken.jpg: cannot be read as an image\n  expected: a JPEG or PNG \
                 image\n       got: {got}"
            ),
        );
    }
    // Any damage is an error or an image, never a panic.
    let small = png(png::ColorType::Rgb, [3, 3], &[5; 27]);
    for original in [jpeg, small] {
        for at in (0..original.len()).step_by(3) {
            let mut bytes = original.clone();
            bytes[at] ^= 0x55;
            scratch.write("cats/broken.jpg", &bytes);
            let data =
                image_dataset_from_directory(folder).image_size(2, 2).load().unwrap();
            let _ = data.read_batch(&[0], &mut Batch::new());
        }
    }
}

#[test]
fn images_of_two_sizes_are_an_error_that_names_both() {
    let scratch = Scratch::new();
    scratch.write("a/1.png", &png(png::ColorType::Grayscale, [2, 3], &[0; 6]));
    scratch.write("a/2.png", &png(png::ColorType::Grayscale, [3, 2], &[0; 6]));
    let data = image_dataset_from_directory(&scratch.0)
        .shuffle(false)
        .original_size()
        .load()
        .unwrap();
    let mut loader = Loader::new(data, 2).unwrap();
    fails(
        loader.next_batch(&mut Batch::new()),
        scratch.0.path(),
        "DATA/a/2.png: is of another size than the first image\n  expected: 2 x 3 pixels, as \
         DATA/a/1.png\n       got: 3 x 2 pixels\n      help: image_size(height, width) makes all \
         images of one size",
    );
}
