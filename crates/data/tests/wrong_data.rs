//! What is wrong with folders, images, texts and tables is said word for word.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;

use std::{fmt::Display, fs, path::Path};

use deckle_data::{
    Arrays, Batch, ColumnType, Csv, Dataset, ImageDirectory, LabelMode, Labels, Missing,
    Stream, image_dataset_from_directory, text_dataset_from_directory,
};
use deckle_tensor::{DType, Tensor};
use files::{Scratch, png, zip};

/// The error's text, with the folder as `DATA`.
#[track_caller]
fn fails(result: Result<impl Sized, impl Display>, folder: &Path, expected: &str) {
    let Err(error) = result else { panic!("nothing wrong") };
    let text = error.to_string().replace(&format!("{}", folder.display()), "DATA");
    assert_eq!(text, expected);
}

fn grey(size: [usize; 2]) -> Vec<u8> {
    png(png::ColorType::Grayscale, size, &vec![1; size[0] * size[1]])
}

fn images(folder: &Path) -> ImageDirectory {
    image_dataset_from_directory(folder).shuffle(false)
}

#[test]
fn folders_without_what_is_looked_for() {
    let scratch = Scratch::new();
    let folder = scratch.0.path();
    let none = folder.join("none");
    fails(
        image_dataset_from_directory(&none).load(),
        folder,
        "DATA/none: there is no such folder\n  expected: a folder of images, or a zip archive of \
         one",
    );
    fails(
        text_dataset_from_directory(&none).load(),
        folder,
        "DATA/none: there is no such folder\n  expected: a folder of texts, or a zip archive of one",
    );
    fails(
        images(folder).load(),
        folder,
        "DATA: has no subfolder\n  expected: a subfolder of images for each class\n      help: \
         Labels::None reads images without classes",
    );
    fails(
        images(folder).labels(Labels::None).load(),
        folder,
        "DATA: has no images\n  expected: files that end in .jpeg, .jpg, .png",
    );
    // A class without examples, in a folder and in an archive.
    scratch.write("pets/cats/a.PNG", &grey([1, 1]));
    fs::create_dir_all(folder.join("pets/dogs/puppies")).unwrap();
    fails(
        images(&folder.join("pets")).load(),
        folder,
        "DATA/pets/dogs: the class has no images\n  expected: files that end in .jpeg, .jpg, .png\n      \
         help: remove the folder, or name the other classes: class_names",
    );
    let named = images(&folder.join("pets")).class_names(["cats"]).load().unwrap();
    assert_eq!(named.len(), 1);
    let archive = zip(&[("cats/a.png", grey([1, 1])), ("dogs/read.me", vec![])]);
    scratch.write("pets.zip", &archive);
    fails(
        images(&folder.join("pets.zip")).load(),
        folder,
        "DATA/pets.zip/dogs: the class has no images\n  expected: files that end in .jpeg, .jpg, \
         .png\n      help: remove the folder, or name the other classes: class_names",
    );
    scratch.write("reviews/neg/a.text", b"bad");
    fails(
        text_dataset_from_directory(folder.join("reviews")).load(),
        folder,
        "DATA/reviews/neg: the class has no texts\n  expected: files that end in .txt\n      help: \
         remove the folder, or name the other classes: class_names",
    );
}

#[test]
fn labels_and_settings_that_do_not_fit() {
    let scratch = Scratch::new();
    let folder = scratch.0.path();
    scratch.write("a/1.png", &grey([1, 1]));
    scratch.write("b/2.png", &grey([1, 1]));
    let given =
        |labels: &[i32]| images(folder).labels(Labels::Given(labels.to_vec())).load();
    fails(
        given(&[0]),
        folder,
        "DATA: does not fit the labels\n  expected: 1 files, one for each label\n       got: 2 files",
    );
    fails(
        given(&[0, 5]),
        folder,
        "DATA/b/2.png: has a label that is not a class\n  expected: 0 <= label < 2, for 2 \
         classes\n       got: 5",
    );
    fails(
        given(&[-1, 0]),
        folder,
        "DATA/a/1.png: has a label that is not a class\n  expected: 0 <= label < 2, for 2 \
         classes\n       got: -1",
    );
    let cannot = |rest: &str| {
        format!(
            "`image_dataset_from_directory`: cannot take this input\n  expected: {rest}"
        )
    };
    fails(
        images(folder).image_size(0, 3).load(),
        folder,
        &cannot("sides of 1 to 16384 pixels as image_size\n       got: 0 x 3"),
    );
    fails(
        images(folder).crop_to_aspect_ratio(true).pad_to_aspect_ratio(true).load(),
        folder,
        &cannot("one of crop_to_aspect_ratio and pad_to_aspect_ratio\n       got: both"),
    );
    fails(
        images(folder).validation_split(0.5).load(),
        folder,
        &cannot(
            "both or neither of validation_split and subset\n      help: load_both gives both \
             subsets",
        ),
    );
    fails(
        images(folder).load_both(),
        folder,
        &cannot("a validation_split for two subsets"),
    );
    fails(
        images(folder).validation_split(f64::NAN).load_both(),
        folder,
        "`validation_split`: cannot take this input\n  expected: a number between 0 and 1\n       \
         got: NaN",
    );
    fails(
        images(folder).labels(Labels::None).class_names(["a"]).load(),
        folder,
        &cannot("class_names only with inferred labels"),
    );
    fails(
        images(folder).class_names(["a"]).label_mode(LabelMode::Binary).load(),
        folder,
        &cannot(
            "two classes for binary labels\n       got: 1: a\n      help: LabelMode::Categorical or \
             LabelMode::Int",
        ),
    );
    fails(
        images(folder).batch_size(0).loader(),
        folder,
        "`batches`: cannot take this input\n  expected: batch_size of at least 1\n       got: \
         batch_size 0\n      help: batch_size(32) is Keras's default",
    );
}

#[test]
fn files_that_cannot_be_read() {
    let scratch = Scratch::new();
    let folder = scratch.0.path();
    scratch.write("a/1.png", &grey([2, 2]));
    scratch.write("a/2.png", &grey([2, 2])[..40]);
    scratch.write("a/3.png", &grey([2, 2]));
    let data = images(folder).image_size(2, 2).load().unwrap();
    let read = |indices: &[usize]| data.read_batch(indices, &mut Batch::new());
    assert!(read(&[0, 2]).is_ok());
    // Among others, it is the one that is named.
    fails(
        read(&[0, 1, 2]),
        folder,
        "DATA/a/2.png: cannot be read as an image\n  expected: a JPEG or PNG image\n       got: a \
         PNG image that is cut off",
    );
    fails(
        read(&[3]),
        folder,
        "data set: index out of range\n  expected: 0 <= index < 3\n       got: 3",
    );
    // The first image says how large all are.
    fs::rename(folder.join("a/2.png"), folder.join("a/0.png")).unwrap();
    fails(
        images(folder).original_size().load(),
        folder,
        "DATA/a/0.png: cannot be read as an image\n  expected: a JPEG or PNG image\n       got: a \
         PNG image that is cut off",
    );
    let data = images(folder).image_size(2, 2).load().unwrap();
    fs::remove_file(folder.join("a/0.png")).unwrap();
    let gone = std::io::Error::from_raw_os_error(2);
    fails(
        data.read_batch(&[0], &mut Batch::new()),
        folder,
        &format!("DATA/a/0.png: cannot be read\n       got: {gone}"),
    );

    scratch.write("mixed/1.png", &grey([2, 3]));
    scratch.write("mixed/2.png", &grey([3, 2]));
    let data = images(&folder.join("mixed")).labels(Labels::None).original_size();
    fails(
        data.load().unwrap().read_batch(&[0, 1], &mut Batch::new()),
        folder,
        "DATA/mixed/2.png: is of another size than the first image\n  expected: 2 x 3 pixels, as \
         DATA/mixed/1.png\n       got: 3 x 2 pixels\n      help: image_size(height, width) makes \
         all images of one size",
    );

    scratch.write("texts/neg/1.txt", b"caf\xe9");
    let texts = text_dataset_from_directory(folder.join("texts")).load().unwrap();
    fails(
        texts.read(0),
        folder,
        "DATA/texts/neg/1.txt: cannot be read as a text\n  expected: UTF-8\n       got: incomplete \
         utf-8 byte sequence from index 3",
    );
    fails(
        texts.read(1),
        folder,
        "data set: index out of range\n  expected: 0 <= index < 1\n       got: 1",
    );
}

#[test]
fn members_that_cannot_be_read() {
    let scratch = Scratch::new();
    let folder = scratch.0.path();
    scratch.write(
        "pets.zip",
        &zip(&[("a/1.png", grey([2, 2])), ("a/2.png", b"GIF89a".to_vec())]),
    );
    let data = images(&folder.join("pets.zip")).image_size(2, 2).load().unwrap();
    fails(
        data.read_batch(&[0, 1], &mut Batch::new()),
        folder,
        "DATA/pets.zip/a/2.png: cannot be read as an image\n  expected: a JPEG or PNG image\n       \
         got: a GIF image",
    );
    fails(
        images(&folder.join("pets.zip/b")).load(),
        folder,
        "DATA/pets.zip: the archive has no folder `b`",
    );
    scratch.write("no.zip", b"");
    fails(
        images(&folder.join("no.zip")).load(),
        folder,
        "DATA/no.zip: cannot be read as a zip archive\n  expected: a folder, or a zip archive of \
         one\n       got: Missing end of central directory",
    );
}

#[test]
fn arrays_of_different_lengths() {
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
    fails(
        Arrays::new(zeros(&[4, 2]), zeros(&[3])),
        Path::new("?"),
        "data set: arrays disagree in their number of examples\n  expected: 4 examples, as in \
         `x0`\n       got: 3 examples in `y0`\n      help: the first axis of every array counts the \
         examples",
    );
}

fn csv(text: &'static str) -> Csv {
    Csv::embedded("t.csv", text.as_bytes())
}

#[test]
fn cells_of_a_stream() {
    let next = |csv: Csv| {
        let mut rows = csv.stream(["a"], "y", 2)?;
        while rows.next_batch(&mut Batch::new())? {}
        Ok::<_, deckle_data::Error>(())
    };
    let text = "a,y\n1,2\n\"3\n\",x\n";
    fails(
        next(csv(text)),
        Path::new("?"),
        "t.csv, line 3, column `y`: the cell is no number\n  expected: a number\n       got: `x`",
    );
    fails(
        next(csv("a,y\n1,2\n1,2\n,3\n")),
        Path::new("?"),
        "t.csv, line 4, column `a`: the cell is missing\n      help: Csv::missing or missing_in: \
         Fill, NaN or DropRow",
    );
    fails(
        next(csv("a,y\n1,2.5\n").column("y", ColumnType::Int)),
        Path::new("?"),
        "t.csv, line 2, column `y`: the cell is no whole number\n  expected: a whole number\n       \
         got: `2.5`",
    );
    fails(
        next(csv("a,y\n1,2\n3\n")),
        Path::new("?"),
        "t.csv, line 3: the row has another number of cells\n  expected: 2 cells\n       got: 1 \
         cells",
    );
    fails(
        next(csv("a,y\n1,2\n").column("a", ColumnType::Text)),
        Path::new("?"),
        "t.csv: column `a` holds texts\n  expected: a column of numbers, or of classes that are \
         named\n      help: ColumnType::Category(Some(classes))",
    );
    fails(
        csv("a,y\n").stream(["b"], "y", 2),
        Path::new("?"),
        "t.csv: has no column `b`\n  expected: one of a, y",
    );
    fails(
        csv("a,y\n").stream(["a"], "y", 0),
        Path::new("?"),
        "`Csv::stream`: cannot take this input\n  expected: an input and a batch_size above 0",
    );
}

#[test]
fn cells_of_a_table() {
    fails(
        csv("a\n1\n\n")
            .has_header(true)
            .missing(Missing::NaN)
            .column("b", ColumnType::Int)
            .read(),
        Path::new("?"),
        "t.csv: has no column `b`\n  expected: one of a",
    );
    fails(
        csv("a,b\n1,\n").missing(Missing::NaN).column("b", ColumnType::Int).read(),
        Path::new("?"),
        "t.csv, line 2, column `b`: the cell is no whole number\n  expected: a whole number\n       \
         got: `NaN`",
    );
    fails(
        csv("1,2\n").has_header(false).names(["a"]).read(),
        Path::new("?"),
        "t.csv: does not fit the names\n  expected: 1 columns, one for each name\n       got: 2 \
         columns",
    );
    fails(
        csv("a\nx\n").read().unwrap().floats("a"),
        Path::new("?"),
        "t.csv: column `a` holds texts\n  expected: a column of numbers or classes\n      help: \
         ColumnType::Category makes texts classes",
    );
    let scratch = Scratch::new();
    let folder = scratch.0.path();
    let gone = std::io::Error::from_raw_os_error(2);
    fails(
        Csv::open(folder.join("none.csv")).read(),
        folder,
        &format!("DATA/none.csv: cannot be read\n       got: {gone}"),
    );
    scratch.write("cut.csv.gz", b"\x1f\x8b\x08");
    fails(
        Csv::open(folder.join("cut.csv.gz")).read(),
        folder,
        "DATA/cut.csv.gz: cannot be read\n       got: unexpected end of file",
    );
    scratch.write("latin.csv", b"a,b\n1,2\n3,\xe9\n");
    fails(
        Csv::open(folder.join("latin.csv")).read(),
        folder,
        "DATA/latin.csv: cannot be read\n       got: CSV parse error: record 2 (line 3, field: 1, \
         byte: 8): invalid utf-8: invalid UTF-8 in field 1 near byte index 0",
    );
}
