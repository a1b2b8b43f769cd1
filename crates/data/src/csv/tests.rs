//! Tests of tables in files.

use std::io::Write;

use deckle_tensor::DType;

use super::*;
use crate::{Batch, Dataset, Stream};

fn csv(text: &'static str) -> Csv {
    Csv::embedded("t.csv", text.as_bytes())
}

#[test]
fn columns_without_a_type_are_what_their_cells_are() {
    let table = csv("a,b, c ,d\n1,1.5,x,\"1, \"\"2\"\"\"\n-2,3,é,\n")
        .missing(Missing::Fill(0.0))
        .read()
        .unwrap();
    assert_eq!(table.names(), ["a", "b", "c", "d"]);
    assert_eq!(table.column("a").unwrap(), &Column::Int(vec![1, -2]));
    assert_eq!(table.column("b").unwrap(), &Column::Float(vec![1.5, 3.0]));
    let text = |all: [&str; 2]| Column::Text(all.map(str::to_owned).into());
    assert_eq!(table.column("c").unwrap(), &text(["x", "é"]));
    assert_eq!(table.column("d").unwrap(), &text(["1, \"2\"", ""]));
    assert_eq!(table.tensor("a").unwrap().dtype(), DType::I64);
}

#[test]
fn files_come_in_many_forms() {
    let plain = csv("1;2\n3;4\n").delimiter(b';').has_header(false).read().unwrap();
    assert_eq!(plain.names(), ["c0", "c1"]);
    assert_eq!(plain.len(), 2);
    let named =
        csv("about this file\n1,2\n").skip_rows(1).has_header(false).names(["x", "y"]);
    assert_eq!(named.read().unwrap().column("y").unwrap(), &Column::Int(vec![2]));
    let marked = csv("\u{feff}x\r\n1\r\n").read().unwrap();
    assert_eq!(marked.names(), ["x"]);
    let quoted = csv("x,y\n'a,b',2\n").quote(b'\'').read().unwrap();
    assert_eq!(quoted.column("x").unwrap(), &Column::Text(vec!["a,b".into()]));
    let none = csv("x,y\n").read().unwrap();
    assert!(none.is_empty());

    let scratch = tempfile::TempDir::new().unwrap();
    let path = scratch.path().join("table.csv.gz");
    let file = File::create(&path).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    gzip.write_all(b"x\n7\n").unwrap();
    gzip.finish().unwrap();
    assert_eq!(Csv::open(&path).read().unwrap().floats("x").unwrap(), [7.0]);
}

#[test]
fn missing_cells_become_what_is_asked_for() {
    let text = "a,b\n1,x\nNA,y\n3,z\n";
    let nan = csv(text).missing(Missing::NaN).read().unwrap();
    let values = nan.floats("a").unwrap();
    assert!(values[1].is_nan() && nan.len() == 3);
    let filled = csv(text).missing_in("a", Missing::Fill(9.0)).read().unwrap();
    assert_eq!(filled.column("a").unwrap(), &Column::Int(vec![1, 9, 3]));
    let half = csv(text).missing(Missing::Fill(0.5)).read().unwrap();
    assert_eq!(half.column("a").unwrap(), &Column::Float(vec![1.0, 0.5, 3.0]));
    let dropped = csv(text).missing(Missing::DropRow).read().unwrap();
    assert_eq!(dropped.column("a").unwrap(), &Column::Int(vec![1, 3]));
    let other = csv("a\n1\n?\n").missing_tokens(["?"]).missing(Missing::DropRow);
    assert_eq!(other.read().unwrap().len(), 1);
}

#[track_caller]
fn fails(csv: &Csv, expected: &str) {
    assert_eq!(csv.read().unwrap_err().to_string(), expected);
}

#[test]
fn a_bad_cell_is_named_with_its_line_and_column() {
    fails(
        &csv("a,b\n1,2\n\n3,x4\n").column("b", ColumnType::Float),
        "t.csv, line 4, column `b`: the cell is no number\n  expected: a number\n       got: `x4`",
    );
    fails(
        &csv("a,b\n\"two\nlines\",1.5\n").column("b", ColumnType::Int),
        "t.csv, line 2, column `b`: the cell is no whole number\n  expected: a whole number\n       \
         got: `1.5`",
    );
    fails(
        &csv("a,b\n1,2\n,3\n"),
        "t.csv, line 3, column `a`: the cell is missing\n      help: Csv::missing or missing_in: \
         Fill, NaN or DropRow",
    );
    let classes = ColumnType::Category(Some(vec!["x".into(), "y".into()]));
    fails(
        &csv("a\nx\nz\n").column("a", classes),
        "t.csv, line 3, column `a`: the cell is no class\n  expected: x, y\n       got: `z`",
    );
    fails(
        &csv("a,b\n1,2\n3\n"),
        "t.csv, line 3: the row has another number of cells\n  expected: 2 cells\n       got: 1 \
         cells",
    );
    fails(
        &csv("a,b\n").column("c", ColumnType::Int),
        "t.csv: has no column `c`\n  expected: one of a, b",
    );
    fails(&csv(""), "t.csv: the table is empty");
    let none = Csv::open("no/such/file.csv").read().unwrap_err().to_string();
    assert!(none.starts_with("no/such/file.csv: cannot be read\n"), "{none}");
    let table = csv("a,b\n1,x\n").read().unwrap();
    assert_eq!(
        table.matrix(["a", "b"]).unwrap_err().to_string(),
        "t.csv: column `b` holds texts\n  expected: a column of numbers or classes\n      help: \
         ColumnType::Category makes texts classes"
    );
    let latin = Csv::embedded("t.csv", b"a\n\xe9\n").read().unwrap_err().to_string();
    assert!(latin.starts_with("t.csv: cannot be read\n"), "{latin}");
}

#[test]
fn a_table_becomes_examples() {
    let table = csv("a,kind,y\n1,v,0.5\n2,u,1.5\n")
        .column("kind", ColumnType::Category(None))
        .read()
        .unwrap();
    let data = table.arrays(["kind", "a"], "y").unwrap();
    assert_eq!(data.len(), 2);
    assert_eq!(data.x().to_vec::<f32>().unwrap(), [1.0, 1.0, 0.0, 2.0]);
    let Column::Category { ids, classes } = table.column("kind").unwrap() else {
        panic!("no classes")
    };
    assert_eq!(
        (&ids[..], &classes[..]),
        (&[1, 0][..], &["u".to_owned(), "v".to_owned()][..])
    );
}

#[test]
fn a_stream_gives_the_rows_of_the_table() {
    let classes = ColumnType::Category(Some(vec!["n".into(), "p".into()]));
    let csv = csv("a,b,y\n1,2,p\n3,NA,n\n5,6,p\n7,8,n\n")
        .column("y", classes)
        .missing(Missing::DropRow);
    let mut stream = csv.stream(["b", "a"], "y", 2).unwrap();
    let (mut batch, mut x, mut y) = (Batch::new(), Vec::new(), Vec::new());
    for pass in 0..2 {
        assert!(stream.restart(pass).unwrap());
        while stream.next_batch(&mut batch).unwrap() {
            x.extend(batch.inputs[0].to_vec::<f32>().unwrap());
            y.push(batch.targets[0].to_vec::<i64>().unwrap());
        }
        assert!(!stream.next_batch(&mut batch).unwrap());
    }
    assert_eq!(x, [2.0, 1.0, 6.0, 5.0, 8.0, 7.0].repeat(2));
    assert_eq!(y, [vec![1, 1], vec![0], vec![1, 1], vec![0]]);
    assert!(stream.seek(0, 1).unwrap() && stream.next_batch(&mut batch).unwrap());
    assert_eq!(batch.len(), 1);
    assert!(csv.stream(["z"], "y", 2).is_err());
    assert!(csv.stream(["a"], "y", 0).is_err());
    assert!(csv.clone().column("y", ColumnType::Text).stream(["a"], "y", 2).is_err());
}
