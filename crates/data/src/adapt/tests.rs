//! Data sets that are made of one that does not give what it says.

use deckle_tensor::{DType, Spec, Tensor};

use super::*;
use crate::Arrays;

/// What is given where as many examples are asked for.
type Given = fn(usize) -> Batch;

/// Says that it has five pairs of numbers, and gives something else.
#[derive(Clone)]
struct Wrong {
    example: Example,
    given: Given,
}

impl Dataset for Wrong {
    fn len(&self) -> usize {
        5
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        *into = (self.given)(indices.len());
        Ok(())
    }
}

fn batch(tensors: impl IntoIterator<Item = Tensor>) -> Batch {
    let mut batch = Batch::new();
    batch.set(tensors.into_iter().collect(), Vec::new());
    batch
}

fn wrong(given: Given) -> Wrong {
    let example = Example::new().input("x0", Spec::new(DType::I64, [2]));
    Wrong { example, given }
}

#[test]
fn what_a_data_set_gives_has_to_be_what_it_says() {
    let given: [(Given, &str); 5] = [
        (|_| Batch::new(), ""),
        (|len| batch([Tensor::zeros(DType::I64, [len + 1, 2])]), "int64 (3, 2)"),
        (|len| batch([Tensor::zeros(DType::I64, [len])]), "int64 (2,)"),
        (|len| batch([Tensor::zeros(DType::F64, [len, 2])]), "float64 (2, 2)"),
        (
            |len| batch([(); 2].map(|()| Tensor::zeros(DType::I64, [len, 2]))),
            "int64 (2, 2), int64 (2, 2)",
        ),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("file");
    for (given, got) in given {
        let right = || {
            let none = [] as [(&str, Tensor); 0];
            Arrays::named([("right", Tensor::zeros(DType::I64, [5, 2]))], none).unwrap()
        };
        let made: [Box<dyn Dataset>; 4] = [
            Box::new(wrong(given).cache()),
            Box::new(right().concatenate(wrong(given)).unwrap().skip(5)),
            Box::new(wrong(given).zip(right()).unwrap()),
            Box::new(right().zip(wrong(given)).unwrap()),
        ];
        let got =
            if got.is_empty() { String::new() } else { format!("\n       got: {got}") };
        let expected = format!(
            "`batch`: cannot take this input\n  expected: 2 examples of `x0`: int64 (2,){got}"
        );
        for made in made {
            let error = made.read_batch(&[3, 1], &mut Batch::new()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let error = wrong(given).cache_to(&path).unwrap_err().to_string();
        assert!(error.contains("expected: 5 examples of `x0`"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn views_are_examples_as_others_are() {
    let columns = wrong(|len| {
        let numbers = Tensor::arange(0i64..2 * len as i64).reshape([2, len]).unwrap();
        batch([numbers.transpose()])
    });
    let right = Arrays::named(
        [("right", Tensor::zeros(DType::I64, [5, 2]))],
        [] as [(&str, Tensor); 0],
    );
    let made: [Box<dyn Dataset>; 3] = [
        Box::new(columns.clone().cache()),
        Box::new(columns.clone().concatenate(columns.clone()).unwrap()),
        Box::new(columns.zip(right.unwrap()).unwrap()),
    ];
    for made in made {
        let mut batch = Batch::new();
        made.read_batch(&[1, 2, 4], &mut batch).unwrap();
        assert_eq!(batch.inputs[0].to_vec::<i64>().unwrap(), [0, 3, 1, 4, 2, 5]);
    }
}
