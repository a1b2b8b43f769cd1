//! Elements at places that other elements name.

use super::{
    Suite,
    case::{buffer, outputs, read},
    data::{Domain, Draft, Feed, INTEGERS, numbers},
};
use crate::{DType, Error, Primitive, Result, Tensor, Value, shape_text};

pub(super) fn check(suite: &mut Suite<'_>) {
    for (i, dtype) in numbers().chain([DType::Bool]).enumerate() {
        for (j, indices) in INTEGERS.into_iter().enumerate() {
            check_gather(suite, dtype, indices, i + j);
            check_gather_along(suite, dtype, indices, i + j);
        }
    }
    for primitive in [
        Primitive::Gather { axis: 1 },
        Primitive::ScatterAdd { axis: 1, len: 3 },
        Primitive::GatherAlong { axis: 1 },
        Primitive::ScatterAddAlong { axis: 1, len: 3 },
    ] {
        for index in [3, -1, i64::MIN, i64::MAX] {
            check_out_of_range(suite, &primitive, index);
        }
    }
}

fn check_gather(suite: &mut Suite<'_>, dtype: DType, indices: DType, nth: usize) {
    let x: [&[usize]; 6] = [&[4], &[1], &[3, 5], &[2, 3, 4], &[3, 0], &[50, 16]];
    let at: [&[usize]; 5] = [&[], &[0], &[3], &[2, 3], &[41]];
    for (k, shape) in x.into_iter().enumerate() {
        for (l, places) in at.into_iter().enumerate() {
            let axis = (k + l) % shape.len();
            let len = shape[axis];
            if len == 0 && !places.contains(&0) {
                continue;
            }
            let (feed, other) = (Feed::nth(nth + k + l), Feed::nth(nth + 3 * k + l));
            let text = format!(
                "{dtype} {} axis {axis} at {indices} {} {feed:?}",
                shape_text(shape),
                shape_text(places)
            );
            let (some, index) = (Domain::Between(-9.0, 9.0), Domain::Below(len));
            let mut draft = Draft::new(format!("gather {text}")).relative(0.0, 0.0);
            let x = draft.operand(dtype, shape, some, feed);
            let at = draft.operand(indices, places, index, other);
            let y = draft.push(Primitive::Gather { axis }, &[x, at]);
            suite.check(&draft.finish(&[y]));

            if dtype == DType::Bool {
                continue;
            }
            let updates = [&shape[..axis], places, &shape[axis + 1..]].concat();
            let mut draft = Draft::new(format!("scatter_add {text}"));
            let at = draft.operand(indices, places, index, other);
            let updates = draft.operand(dtype, &updates, some, feed);
            let y = draft.push(Primitive::ScatterAdd { axis, len }, &[at, updates]);
            suite.check(&draft.finish(&[y]));
        }
    }
}

fn check_gather_along(suite: &mut Suite<'_>, dtype: DType, indices: DType, nth: usize) {
    let shapes: [&[usize]; 5] = [&[4], &[3, 5], &[2, 3, 4], &[3, 0], &[20, 11]];
    for (k, shape) in shapes.into_iter().enumerate() {
        for count in [0, 1, 3, 7] {
            let axis = (k + count) % shape.len();
            let len = shape[axis];
            if len == 0 && count > 0 {
                continue;
            }
            let mut places = shape.to_vec();
            places[axis] = count;
            let (feed, other) =
                (Feed::nth(nth + k + count), Feed::nth(nth + 3 * k + count));
            let text = format!(
                "{dtype} {} axis {axis} at {indices} {} {feed:?}",
                shape_text(shape),
                shape_text(&places)
            );
            let (some, index) = (Domain::Between(-9.0, 9.0), Domain::Below(len));
            let mut draft = Draft::new(format!("gather_along {text}")).relative(0.0, 0.0);
            let x = draft.operand(dtype, shape, some, feed);
            let at = draft.operand(indices, &places, index, other);
            let y = draft.push(Primitive::GatherAlong { axis }, &[x, at]);
            suite.check(&draft.finish(&[y]));

            if dtype == DType::Bool {
                continue;
            }
            let mut draft = Draft::new(format!("scatter_add_along {text}"));
            let at = draft.operand(indices, &places, index, other);
            let updates = draft.operand(dtype, &places, some, feed);
            let y = draft.push(Primitive::ScatterAddAlong { axis, len }, &[at, updates]);
            suite.check(&draft.finish(&[y]));
        }
    }
}

/// An index that lies outside is the error that names it, and changes no variable.
fn check_out_of_range(suite: &mut Suite<'_>, primitive: &Primitive, index: i64) {
    let name = format!("{} at index {index} of 3", primitive.name());
    let result = run_out_of_range(suite, primitive, index, &name);
    let (error, unchanged) = match result {
        Ok(found) => found,
        Err(error) => return suite.expect(&name, false, format_args!("failed: {error}")),
    };
    let expected = Error::Index {
        op: primitive.name().into(),
        path: "layer".to_owned(),
        index,
        len: 3,
    };
    let text = error.as_ref().map_or_else(|| "no error".to_owned(), Error::to_string);
    suite.expect(
        &name,
        error.as_ref() == Some(&expected),
        format_args!("gives {text}\ninstead of {expected}"),
    );
    suite.expect(&name, unchanged, "changes a variable although it fails");
}

/// The error of the run, and whether the variable stayed as it was.
fn run_out_of_range(
    suite: &Suite<'_>,
    primitive: &Primitive,
    index: i64,
    name: &str,
) -> Result<(Option<Error>, bool)> {
    let mut draft = Draft::new(name);
    draft.builder.set_path(&"layer".into());
    let indices: &[i64] =
        if matches!(primitive, Primitive::Gather { .. } | Primitive::ScatterAdd { .. }) {
            &[0, index, 2]
        } else {
            &[0, 1, 2, 0, index, 2]
        };
    let shape: &[usize] = if indices.len() == 3 { &[3] } else { &[2, 3] };
    let at: Value = draft.input_of(Tensor::new(indices, shape)?);
    let x = draft.input(DType::F32, &[2, 3], Domain::Between(-1.0, 1.0));
    let variable = draft.variable(DType::F32, &[2, 3], Domain::Between(-1.0, 1.0));
    let inputs = match primitive {
        Primitive::Gather { .. } | Primitive::GatherAlong { .. } => [x, at],
        _ => [at, x],
    };
    let y = draft.push(primitive.clone(), &inputs);
    let case = draft.finish_with(&[y, variable], &[(0, x)]);

    let backend = suite.backend;
    let executable = backend.compile(&case.program)?;
    let inputs = case
        .inputs
        .iter()
        .map(|tensor| buffer(backend, tensor))
        .collect::<Result<Vec<_>>>()?;
    let variable = buffer(backend, &case.variables[0])?;
    let outputs = outputs(backend, &case.program)?;
    let error = executable.run(&inputs, std::slice::from_ref(&variable), &outputs).err();
    Ok((error, read(backend, &variable)?.bits_equal(&case.variables[0])))
}
