//! Every composite in every combination of kernel and body, forward and backward.

use std::{collections::BTreeSet, path::Path};

use deckle_autograd::{Device, Function, Var, grad};
use deckle_cpu::Cpu;
use deckle_tensor::{Backend, DType, Reference, Tensor, conformance::check_composite};

use crate::{
    Result,
    layers::{
        gru::composite::Gru,
        heads::composite::Attention,
        lstm::{composite::Lstm, gates::LstmGates},
        recurrent::composite::Extras,
        simple_rnn::composite::Simple,
    },
};

/// What is computed from a case's inputs.
type Run = Box<dyn Fn(&[Var]) -> Result<Vec<Var>>>;

/// A composite on the inputs that [`numbers`] makes of the shapes.
struct Case {
    /// The composites that the program has: forward, then backward.
    names: [&'static str; 2],
    shapes: Vec<Vec<usize>>,
    /// What comes after the floating-point inputs, and has no gradient.
    more: Vec<Tensor>,
    run: Run,
}

fn case(
    names: [&'static str; 2],
    shapes: &[&[usize]],
    run: impl Fn(&[Var]) -> Result<Vec<Var>> + 'static,
) -> Case {
    let shapes = shapes.iter().map(|shape| shape.to_vec()).collect();
    Case { names, shapes, more: Vec::new(), run: Box::new(run) }
}

/// Numbers from -1.2 to 1.2 that are all different for a while.
fn numbers(shape: &[usize], start: usize, dtype: DType) -> Tensor {
    let size: usize = shape.iter().product();
    let numbers: Vec<_> =
        (0..size).map(|i| ((start + i) * 7919 % 241) as f64 * 0.01 - 1.2).collect();
    Tensor::new(numbers, shape).unwrap().cast(dtype)
}

/// Class numbers below `classes`.
fn classes(shape: &[usize], classes: i32) -> Tensor {
    let size: usize = shape.iter().product();
    let labels: Vec<_> = (0..size as i32).map(|i| i * 5 % classes.max(1)).collect();
    Tensor::new(labels, shape).unwrap()
}

fn one(y: deckle_autograd::Result<Var>) -> Result<Vec<Var>> {
    Ok(vec![y?])
}

/// The programs: no elements, one, odd numbers, more than a vector, a tile, a row's limit.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let rows: [&[usize]; 8] =
        [&[0, 4], &[1, 1], &[3, 5], &[7, 17], &[2, 3, 10], &[33, 33], &[2, 1025], &[9]];
    for shape in rows {
        let softmax = ["softmax", "softmax_backward"];
        cases.push(case(softmax, &[shape], |x| one(x[0].softmax(-1))));
        cases.push(case(softmax, &[shape], |x| one(x[0].softmax(0))));
        let log_softmax = ["log_softmax", "log_softmax_backward"];
        cases.push(case(log_softmax, &[shape], |x| one(x[0].log_softmax(-1))));
        cases.push(case(log_softmax, &[shape], |x| one(x[0].log_softmax(0))));
        let sigmoid = ["sigmoid_cross_entropy", "sigmoid_cross_entropy_backward"];
        cases.push(case(sigmoid, &[shape, shape], |x| {
            one(x[0].sigmoid_cross_entropy(&x[1]))
        }));
        let softmax = ["softmax_cross_entropy", "softmax_cross_entropy_backward"];
        cases.push(case(softmax, &[shape, shape], |x| {
            one(x[0].softmax_cross_entropy(&x[1]))
        }));
        let (&last, leading) = shape.split_last().unwrap();
        let sparse =
            ["sparse_softmax_cross_entropy", "sparse_softmax_cross_entropy_backward"];
        let mut labelled =
            case(sparse, &[shape], |x| one(x[0].sparse_softmax_cross_entropy(&x[1])));
        labelled.more.push(classes(leading, last as i32));
        cases.push(labelled);
        // A large epsilon, so that one element's gradient is more than rounding.
        let layer = ["layer_normalization", "layer_normalization_backward"];
        cases.push(case(layer, &[shape, &[last], &[last]], |x| {
            one(x[0].layer_normalization(&x[1], &x[2], 0.5))
        }));
        let rms = ["rms_normalization", "rms_normalization_backward"];
        cases.push(case(rms, &[shape, &[last]], |x| {
            one(x[0].rms_normalization(&x[1], 0.5))
        }));
    }
    // A label for each row of the logits: one of them is repeated.
    let sigmoid = ["sigmoid_cross_entropy", "sigmoid_cross_entropy_backward"];
    cases.push(case(sigmoid, &[&[4, 3], &[3]], |x| {
        one(x[0].sigmoid_cross_entropy(&x[1]))
    }));
    let gates = ["lstm_gates", "lstm_gates_backward"];
    for (shape, units) in [
        (vec![0, 3], 8),
        (vec![1], 1),
        (vec![5, 2], 9),
        (vec![700], 16),
        (vec![4, 3, 2], 23),
    ] {
        let [z, c] = [4 * units, units].map(|width| [&shape[..], &[width]].concat());
        cases.push(case(gates, &[&z, &z, &c], |x| {
            Ok(Var::composite(LstmGates, &all(x))?)
        }));
        // The same numbers: no state is needed later.
        cases.push(case(gates, &[&z, &c], |x| {
            let mut states = Var::composite(LstmGates, &[&x[0], &x[0], &x[1]])?;
            states.truncate(1);
            Ok(states)
        }));
    }
    cases.extend(attentions());
    cases.extend(loops());
    cases
}

/// Attention without a mask, with one for all heads, and with one for all queries; one block of
/// queries, and several.
fn attentions() -> Vec<Case> {
    let names = ["attention", "attention_backward"];
    let sizes: [[usize; 6]; 8] = [
        [0, 2, 3, 4, 2, 2],
        [2, 2, 0, 4, 2, 2],
        [1, 1, 1, 1, 1, 1],
        [2, 3, 5, 4, 3, 2],
        [1, 2, 17, 18, 7, 5],
        [2, 2, 33, 300, 3, 2],
        [1, 1, 70, 260, 2, 1],
        [2, 2, 64, 64, 16, 16],
    ];
    let mut cases = Vec::new();
    for [batch, heads, queries, keys, features, values] in sizes {
        let shapes = vec![
            vec![batch, queries, heads, features],
            vec![batch, keys, heads, features],
            vec![batch, keys, heads, values],
        ];
        let masks =
            [None, Some([batch, 1, queries, keys]), Some([batch, heads, 1, keys])];
        for mask in masks {
            let flags = mask.map(|shape| {
                let size: usize = shape.iter().product();
                let flags: Vec<_> = (0..size).map(|i| i % 5 != 0).collect();
                Tensor::new(flags, shape).unwrap()
            });
            let more = flags.into_iter().collect();
            let masked = mask.is_some();
            let run = move |x: &[Var]| Ok(Var::composite(Attention { masked }, &all(x))?);
            let run = Box::new(run);
            cases.push(Case { names, shapes: shapes.clone(), more, run });
        }
    }
    cases
}

/// Recurrent layers: all steps or the last states alone; all steps count, or some; with and
/// without dropout. The last shapes have kernels whose gradients are products over all steps.
fn loops() -> Vec<Case> {
    let sizes =
        [[0, 2, 3], [4, 0, 2], [1, 1, 1], [5, 3, 7], [3, 9, 17], [2, 3, 75], [3, 2, 130]];
    let mut cases = Vec::new();
    for [time, batch, units] in sizes {
        for (names, gates, states, has_bias, run) in kinds() {
            let width = gates * units;
            let mut shapes = vec![vec![time, batch, width]];
            shapes.extend(vec![vec![batch, units]; states]);
            shapes.push(vec![units, width]);
            shapes.extend(has_bias.then(|| vec![width]));
            for variant in 0..8 {
                let [ends, dropped, masked] = [1, 2, 4].map(|bit| variant & bit != 0);
                // Large ones take long in the reference.
                if units > 70 && (units < 100) != (gates > 1) {
                    continue;
                }
                let mut more = Vec::new();
                more.extend(
                    dropped.then(|| numbers(&[gates, batch, units], 70, DType::F64)),
                );
                more.extend(masked.then(|| {
                    let mask: Vec<_> = (0..time * batch).map(|i| i % 5 != 0).collect();
                    Tensor::new(mask, [time, batch]).unwrap()
                }));
                let extras = Extras { dropped, masked };
                let run = move |x: &[Var]| {
                    let mut made = run(extras, &all(x))?;
                    Ok(if ends { made.split_off(1) } else { made })
                };
                let run = Box::new(run);
                cases.push(Case { names, shapes: shapes.clone(), more, run });
            }
        }
    }
    cases
}

type Loop = fn(Extras, &[&Var]) -> deckle_autograd::Result<Vec<Var>>;

/// Names, gates, states and whether there is a bias of each recurrent layer's loop.
fn kinds() -> [([&'static str; 2], usize, usize, bool, Loop); 4] {
    [
        (["lstm", "lstm_backward"], 4, 2, false, |e, x| Var::composite(Lstm(e), x)),
        (["gru", "gru_backward"], 3, 1, true, |extras, x| {
            Var::composite(Gru { reset_after: true, extras }, x)
        }),
        (["gru", "gru_backward"], 3, 1, false, |extras, x| {
            Var::composite(Gru { reset_after: false, extras }, x)
        }),
        (["simple_rnn", "simple_rnn_backward"], 1, 1, false, |extras, x| {
            Var::composite(Simple(extras), x)
        }),
    ]
}

/// Recurrent layers of inputs that are multiplied by their kernel right before: with and without
/// a bias, of inputs that are learned and of data.
fn projected() -> Vec<Case> {
    let mut cases = Vec::new();
    for [time, batch, units, features] in
        [[3, 17, 5, 4], [2, 33, 20, 3], [2, 15, 1, 1], [2, 64, 9, 40]]
    {
        for (names, gates, states, has_bias, run) in kinds() {
            let width = gates * units;
            for variant in 0..8 {
                let [ends, biased, data] = [1, 2, 4].map(|bit| variant & bit != 0);
                let inputs = vec![time, batch, features];
                let mut shapes = vec![vec![features, width]];
                shapes.extend(biased.then(|| vec![width]));
                shapes.extend(vec![vec![batch, units]; states]);
                shapes.push(vec![units, width]);
                shapes.extend(has_bias.then(|| vec![width]));
                let mut more = Vec::new();
                if data {
                    let mask: Vec<_> = (0..time * batch).map(|i| i % 5 != 0).collect();
                    more.push(Tensor::new(mask, [time, batch]).unwrap());
                    more.push(numbers(&inputs, 70, DType::F64));
                } else {
                    shapes.push(inputs);
                }
                let extras = Extras { dropped: false, masked: data };
                let run = move |x: &[Var]| {
                    let (inputs, own) = x.split_last().unwrap();
                    let mut z = inputs.matmul(&own[0])?;
                    if biased {
                        z = z.add(&own[1])?;
                    }
                    let others = &own[1 + usize::from(biased)..];
                    let all: Vec<_> = std::iter::once(&z).chain(others).collect();
                    let mut made = run(extras, &all)?;
                    Ok(if ends { made.split_off(1) } else { made })
                };
                cases.push(Case { names, shapes, more, run: Box::new(run) });
            }
        }
    }
    cases
}

fn all(x: &[Var]) -> Vec<&Var> {
    x.iter().collect()
}

#[test]
fn kernels_and_bodies_agree_forward_and_backward() -> Result<()> {
    let backends: [Box<dyn Backend>; 3] = [
        Box::new(Reference::new()),
        Box::new(Cpu::with_threads(1)),
        Box::new(Cpu::with_threads(3)),
    ];
    let mut checked = BTreeSet::new();
    let (others, projected) = (cases(), projected());
    let joined = others.len();
    for (number, case) in others.into_iter().chain(projected).enumerate() {
        let Case { names, shapes, more, run } = case;
        for dtype in [DType::F32, DType::F64] {
            let with_gradients = shapes.len();
            let mut given: Vec<_> = shapes
                .iter()
                .enumerate()
                .map(|(i, shape)| numbers(shape, 100 * i, dtype))
                .collect();
            given.extend(more.iter().map(|x| match x.dtype() {
                DType::F64 => x.cast(dtype),
                _ => x.clone(),
            }));
            let vars: Vec<_> =
                given.iter().map(|x| Var::input("x", x.shape(), x.dtype())).collect();
            let results = run(&vars)?;
            // Gradients that differ from element to element: softmax's cancel where they are equal.
            let mut loss = Var::constant(&Tensor::scalar(0.0).cast(dtype));
            for y in &results {
                let shape = y.shape().known().unwrap();
                let weights = Var::constant(&numbers(&shape, 50, dtype));
                loss = loss.add(&y.mul(&weights)?.add(&y.square()?)?.sum(..)?)?;
            }
            let inputs = all(&vars);
            let gradients = grad(&loss, &inputs[..with_gradients])?;
            let function = Function::new(inputs, results.iter().chain(&gradients));
            let specs: Vec<_> = given.iter().map(Tensor::spec).collect();
            let program = function.compile(&Device::reference())?.program(&specs)?;
            let text = program.to_string();
            let case = format!("{} {shapes:?} {dtype}", names[0]);
            for name in names {
                assert!(
                    text.contains(&format!("= {name}(")),
                    "{case}: no {name}\n{text}"
                );
                checked.insert(name.to_owned());
            }
            if number >= joined {
                // The loops multiply the inputs themselves, forward and backward.
                let plan = backends[1].compile(&program)?.plan();
                assert!(!plan.contains("matmul"), "{case}:\n{plan}");
            }
            for backend in &backends {
                check_composite(backend.as_ref(), &program, &given)
                    .unwrap_or_else(|report| panic!("{case}: {report}"));
            }
        }
    }
    let known = declared();
    assert!(known.is_subset(&checked), "not checked: {:?}", &known - &checked);
    Ok(())
}

/// The names of all composites that this crate and the operations' crate declare.
fn declared() -> BTreeSet<String> {
    fn read(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            // The name is the first text after the line that begins the implementation.
            for part in text.split("\nimpl Composite for ").skip(1) {
                let name = part.split_once("fn name(").and_then(|(_, rest)| {
                    let (_, rest) = rest.split_once('"')?;
                    Some(rest.split_once('"')?.0)
                });
                let name = name.unwrap_or_else(|| panic!("{}: no name", path.display()));
                found.insert(name.to_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    read(&own.join("src"), &mut found);
    let operations = own.parent().unwrap().join("autograd/src");
    if operations.is_dir() {
        read(&operations, &mut found);
        assert!(found.len() >= 16, "there were more composites: {found:?}");
    }
    found
}
