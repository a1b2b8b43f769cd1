//! Data that layers change at random, beside training: [`augmented`].

use std::sync::Arc;

use deckle_autograd::{Function, Var};
use deckle_data::{Batch, Dataset, DatasetExt, Field, Reading};
use deckle_nn::{Call, Model, Randomness, stream};
use deckle_tensor::{DType, Dim, Element, Shape, Spec, Tensor, with_element};

use crate::{Error, Result, compile::device_of_one_thread};

/// A data set whose first input goes through a model of layers that change it at random, as
/// `RandomFlip` and `RandomRotation` do, with chance that `seed` begins.
///
/// What becomes of an example is a function of the seed, the epoch and the example's index alone:
/// it is the same in any order, in any batch and on any number of threads. Give a
/// [`Loader`](deckle_data::Loader) of it to `fit` after
/// [`prefetch`](deckle_data::Loader::prefetch): then threads change the next batches while the
/// model is trained on this one, and no more batches are kept than it says.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, Dataset, Loader, Stream};
/// use deckle_nn::{Sequential, layers::{Flip, RandomFlip}};
/// use deckle_tensor::{DType, Tensor};
/// use deckle_train::augmented;
///
/// let changes = Sequential::new([4, 4, 1]).add(RandomFlip::new(Flip::Horizontal)).build()?;
/// let images = Arrays::of_inputs([Tensor::zeros(DType::F32, [10, 4, 4, 1])])?;
/// let data = augmented(images, &changes, 42)?;
/// let mut batches = Loader::new(data, 5)?.shuffle(1).prefetch(2, 2)?;
/// let mut batch = Batch::new();
/// assert!(batches.next_batch(&mut batch)?);
/// assert_eq!(batch.inputs[0].shape(), [5, 4, 4, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If the model has not one input and one output, the input is of another kind than the data set's,
/// the output's shape is unknown, or the model updates a state.
///
/// # Keras
///
/// `dataset.map(lambda x, y: (layers(x, training=True), y))` of `tf.data`.
pub fn augmented<D: Dataset + Clone>(
    data: D,
    model: &Model,
    seed: u64,
) -> Result<impl Dataset + Clone + use<D>> {
    let inputs: Vec<_> = model.inputs().collect();
    let Some(field) = data.example().inputs.first() else {
        return Err(Error::invalid("augmented data", "a data set with an input"));
    };
    let one = |lens: &[usize]| {
        let lens = std::iter::once(&1).chain(lens).map(|&len| Dim::Known(len));
        lens.collect::<Shape>()
    };
    let given = one(&field.spec.shape);
    let fits = matches!(&inputs[..], [(_, shape, dtype)]
        if shape.may_equal(&given) && *dtype == field.spec.dtype);
    if !fits || model.outputs().count() != 1 {
        let expected = format!("a model of one output, and of one input like {field}");
        let got = inputs
            .iter()
            .map(|(name, shape, dtype)| format!("`{name}`: {dtype} {shape}"));
        return Err(Error::invalid("augmented data", expected)
            .got(got.collect::<Vec<_>>().join(", ")));
    }
    let x = Var::input("x", given, field.spec.dtype);
    let [seed_input, step] =
        ["seed", "step"].map(|name| Var::input(name, Shape::default(), DType::I64));
    let mut call = Call::training(Randomness { seed: &seed_input, step: &step });
    let outputs = model.call(std::slice::from_ref(&x), &mut call)?;
    if !call.updates().is_empty() {
        return Err(Error::invalid("augmented data", "layers that keep no state")
            .help("make layers that learn a part of the model that is trained"));
    }
    let output = &outputs[0];
    let lens: Option<Vec<usize>> =
        output.shape().dims().iter().skip(1).map(Dim::known).collect();
    let Some(lens) = lens else {
        return Err(Error::invalid("augmented data", "an output of known shape")
            .got(output.shape()));
    };
    let function = Function::new([&x, &seed_input, &step], &outputs);
    let change = Arc::new(function.compile(&device_of_one_thread())?);
    let mut example = data.example().clone();
    let name = example.inputs[0].name.clone();
    example.inputs[0] = Field { name, spec: Spec::new(output.dtype(), lens) };
    let seed = Tensor::scalar(seed.cast_signed());
    let read = move |reading: Reading<'_>, from: &Batch, to: &mut Batch| {
        // All but the first input stay as they are.
        let rest = to.inputs.iter_mut().zip(&from.inputs).skip(1);
        let targets = to.targets.iter_mut().zip(&from.targets);
        let weights = to.weights.iter_mut().zip(&from.weights);
        for (to, from) in rest.chain(targets).chain(weights) {
            with_element!(from.dtype(), T => copy::<T>(from, to.make_mut()));
        }
        let epoch = reading.epoch.to_string();
        for (at, &index) in reading.indices.iter().enumerate() {
            let row = from.inputs[0].slice(at as isize..at as isize + 1)?;
            // A step for each example of each epoch.
            let step = stream(&epoch, index as u64).cast_signed();
            let inputs = [row, seed.clone(), Tensor::scalar(step)];
            let made = change.call(&inputs).map_err(deckle_data::Error::other)?.remove(0);
            with_element!(made.dtype(), T => {
                let all = to.inputs[0].make_mut();
                copy::<T>(&made, &mut all[at * made.size()..][..made.size()]);
            });
        }
        Ok(())
    };
    Ok(data.map(example, read))
}

fn copy<T: Element>(from: &Tensor, to: &mut [T]) {
    let from = from.contiguous();
    to.copy_from_slice(from.as_slice().expect("in order, and of that type"));
}

#[cfg(test)]
mod tests {
    use deckle_data::{Arrays, Loader, Stream, check_dataset};
    use deckle_nn::{
        Sequential,
        layers::{
            BatchNormalization, RandomBrightness, RandomRotation, RandomTranslation,
        },
    };

    use super::*;

    fn data() -> Arrays {
        let x: Vec<f32> = (0..7 * 25).map(|at| (at * 31 % 97) as f32).collect();
        let x = Tensor::new(x, [7, 5, 5, 1]).unwrap();
        Arrays::new(x, Tensor::arange(0i64..7)).unwrap()
    }

    fn changes() -> Model {
        Sequential::new([5, 5, 1])
            .add(RandomRotation::new(0.2))
            .add(RandomTranslation::new(0.1, 0.1))
            .add(RandomBrightness::new(0.2))
            .build()
            .unwrap()
    }

    fn passes(stream: &mut dyn Stream) -> Vec<Vec<f32>> {
        let (mut batch, mut all) = (Batch::new(), Vec::new());
        for pass in 0..2 {
            assert!(stream.restart(pass).unwrap());
            while stream.next_batch(&mut batch).unwrap() {
                all.push(batch.inputs[0].to_vec().unwrap());
            }
        }
        all
    }

    #[test]
    fn an_example_depends_on_seed_epoch_and_index_alone() {
        let of_seed = |seed| augmented(data(), &changes(), seed).unwrap();
        check_dataset(&of_seed(3)).unwrap();
        let expected = passes(&mut Loader::new(of_seed(3), 3).unwrap());
        assert_ne!(expected[0], expected[3]);
        for workers in 1..4 {
            let loader = Loader::new(of_seed(3), 3).unwrap();
            assert_eq!(passes(&mut loader.prefetch(workers, 2).unwrap()), expected);
        }
        let one_by_one = passes(&mut Loader::new(of_seed(3), 1).unwrap());
        assert_eq!(one_by_one.concat(), expected.concat());
        assert_ne!(passes(&mut Loader::new(of_seed(4), 3).unwrap()), expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let bytes = Arrays::of_inputs([Tensor::zeros(DType::U8, [3, 5, 5, 1])]).unwrap();
        let error = augmented(bytes, &changes(), 1).err().unwrap().to_string();
        assert!(error.contains("`x0`: uint8 (5, 5, 1)"), "{error}");
        let learning =
            Sequential::new([5, 5, 1]).add(BatchNormalization::new()).build().unwrap();
        let error = augmented(data(), &learning, 1).err().unwrap().to_string();
        assert!(error.contains("layers that keep no state"), "{error}");
    }
}
