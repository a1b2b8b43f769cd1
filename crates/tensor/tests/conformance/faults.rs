//! Errors in single primitives, each of which the suite has to find.

use deckle_tensor::{
    Binary, Builder, Compare, Convolution, DType, Distribution, Pool, Primitive,
    Reduction, Result, Scan, SliceAxis, Tensor, Unary, Value,
    conformance::{self, Family, check_family},
};

use super::{Fault, NONE, Wrong};

#[track_caller]
fn rejects(family: Family, fault: Fault) {
    let report = check_family(&Wrong::new(fault), family).expect_err("a fault is found");
    assert!(!report.failures().is_empty());
    assert!(report.to_string().starts_with("backend `wrong` breaks "), "{report}");
}

/// Something else than the value.
pub(crate) fn spoil(builder: &mut Builder, value: Value) -> Result<Value> {
    let dtype = builder.spec(value).dtype;
    if dtype == DType::Bool {
        return builder.push(Primitive::Unary(Unary::Not), &[value]);
    }
    let one = builder.constant(&Tensor::scalar(1.0).cast(dtype));
    let more = scaled(builder, value, 1.0)?;
    builder.push(Primitive::Binary(Binary::Add), &[more, one])
}

#[test]
fn an_error_in_any_primitive_is_rejected() {
    let backend = Wrong { spoilt: true, ..Wrong::new(NONE) };
    let report = conformance::check(&backend).expect_err("everything is off");
    let rejected = |name: &str| {
        let word = |case: &str| case.split([' ', '{', '(']).next() == Some(name);
        report.failures().iter().any(|failure| word(&failure.case))
    };
    let mut names =
        vec!["constant", "iota", "random", "select", "cast", "argmax", "argmin"];
    names.extend([
        "cumsum",
        "Sort",
        "TopK",
        "matmul",
        "convolution",
        "convolution_to_input",
    ]);
    names.extend([
        "convolution_to_kernel",
        "max_pool",
        "max_pool_gather",
        "max_pool_scatter",
    ]);
    names.extend(["average_pool", "average_pool_to_input", "gather", "scatter_add"]);
    names.extend(["gather_along", "scatter_add_along", "pad", "Slice", "concat", "scan"]);
    names.extend(["Transpose", "Broadcast", "Reshape"]);
    names.extend(Unary::ALL.iter().map(|unary| unary.name()));
    names.extend(Binary::ALL.iter().map(|binary| binary.name()));
    names.extend(Compare::ALL.iter().map(|compare| compare.name()));
    names.extend(Reduction::ALL.iter().map(|reduction| reduction.name()));
    for name in names {
        assert!(rejected(name), "an error in {name} passes");
    }
}

/// The same primitive with other settings.
macro_rules! replaced {
    ($family:ident, $pattern:pat $(if $condition:expr)? => $other:expr) => {
        rejects(Family::$family, |builder, primitive, inputs| match primitive {
            $pattern $(if $condition)? => Some(builder.push_all($other, inputs)),
            _ => None,
        })
    };
}

/// A correct result, then spoilt by what follows.
macro_rules! spoilt {
    ($family:ident, $pattern:pat => |$builder:ident, $y:ident| $after:expr) => {
        rejects(Family::$family, |$builder, primitive, inputs| match primitive {
            $pattern => {
                let $y = match $builder.push(primitive.clone(), inputs) {
                    Ok(y) => y,
                    Err(error) => return Some(Err(error)),
                };
                Some($after.map(|value| vec![value]))
            }
            _ => None,
        })
    };
}

/// `y · (1 + error)`, in the type of `y`.
fn scaled(builder: &mut Builder, y: Value, error: f64) -> Result<Value> {
    let factor = Tensor::scalar(1.0 + error).cast(builder.spec(y).dtype);
    let factor = builder.constant(&factor);
    builder.push(Primitive::Binary(Binary::Mul), &[y, factor])
}

#[test]
fn wrong_functions_are_rejected() {
    replaced!(ElementWise, Primitive::Unary(Unary::Expm1) => Primitive::Unary(Unary::Exp));
    replaced!(ElementWise, Primitive::Unary(Unary::Floor) => Primitive::Unary(Unary::Round));
    replaced!(ElementWise, Primitive::Binary(Binary::Atan2) => Primitive::Binary(Binary::Div));
    replaced!(ElementWise, Primitive::Binary(Binary::Xor) => Primitive::Binary(Binary::Or));
    spoilt!(ElementWise, Primitive::Unary(Unary::Tanh) => |builder, y| scaled(builder, y, 1e-5));
    spoilt!(ElementWise, Primitive::Cast(DType::I32) => |builder, y| {
        builder.push(Primitive::Unary(Unary::Abs), &[y])
    });
    // Small arguments: the difference of two large numbers.
    rejects(Family::ElementWise, |builder, primitive, inputs| match primitive {
        Primitive::Unary(Unary::Log1p) => {
            let one = Tensor::scalar(1.0).cast(builder.spec(inputs[0]).dtype);
            let one = builder.constant(&one);
            let sum =
                match builder.push(Primitive::Binary(Binary::Add), &[inputs[0], one]) {
                    Ok(sum) => sum,
                    Err(error) => return Some(Err(error)),
                };
            Some(builder.push_all(Primitive::Unary(Unary::Log), &[sum]))
        }
        _ => None,
    });
    // Select takes the wrong side.
    rejects(Family::ElementWise, |builder, primitive, inputs| {
        match (primitive, inputs) {
            (Primitive::Select, &[condition, a, b]) => {
                Some(builder.push_all(Primitive::Select, &[condition, b, a]))
            }
            _ => None,
        }
    });
}

#[test]
fn each_comparison_that_errs_is_rejected() {
    use Compare::{Greater, GreaterEqual, Less, LessEqual};
    replaced!(ElementWise, Primitive::Compare(Less) => Primitive::Compare(LessEqual));
    replaced!(ElementWise, Primitive::Compare(Greater) => Primitive::Compare(GreaterEqual));
    // `a >= b` as `not a < b` is wrong for NaN.
    rejects(Family::ElementWise, |builder, primitive, inputs| match primitive {
        Primitive::Compare(GreaterEqual) => {
            let less = builder.push(Primitive::Compare(Less), inputs);
            Some(
                less.and_then(|less| {
                    builder.push_all(Primitive::Unary(Unary::Not), &[less])
                }),
            )
        }
        _ => None,
    });
}

#[test]
fn wrong_reductions_are_rejected() {
    use Reduction::{Max, Sum};
    spoilt!(Reductions, Primitive::Reduce { reduction: Sum, .. } => |builder, y| {
        scaled(builder, y, 1e-4)
    });
    replaced!(Reductions, Primitive::Reduce { reduction: Max, axes } =>
        Primitive::Reduce { reduction: Sum, axes: axes.clone() });
    replaced!(Reductions, Primitive::CumSum { axis, reverse, .. } =>
        Primitive::CumSum { axis: *axis, exclusive: false, reverse: *reverse });
    replaced!(Reductions, Primitive::ArgReduce { axis, .. } =>
        Primitive::ArgReduce { largest: true, axis: *axis });
    replaced!(Reductions, Primitive::Sort { axis, .. } =>
        Primitive::Sort { axis: *axis, descending: false });
    // The last of equal ones instead of the first.
    rejects(Family::Reductions, |builder, primitive, inputs| match primitive {
        Primitive::ArgReduce { axis, .. } => {
            let shape = builder.shape(inputs[0]).to_vec();
            let turned = shape.iter().enumerate().map(|(i, &len)| {
                if i == *axis {
                    SliceAxis { start: len - 1, len, step: -1 }
                } else {
                    SliceAxis::all(len)
                }
            });
            let last = builder.constant(&Tensor::scalar(shape[*axis] as i64 - 1));
            let turned = builder.push(Primitive::Slice(turned.collect()), inputs);
            let made = turned.and_then(|x| builder.push(primitive.clone(), &[x]));
            Some(made.and_then(|at| {
                builder.push_all(Primitive::Binary(Binary::Sub), &[last, at])
            }))
        }
        _ => None,
    });
}

#[test]
fn wrong_products_are_rejected() {
    spoilt!(MatMul, Primitive::MatMul { .. } => |builder, y| scaled(builder, y, 1e-3));
    // bfloat16 all the way.
    rejects(Family::MatMul, |builder, primitive, inputs| match primitive {
        Primitive::MatMul { .. } if builder.spec(inputs[0]).dtype == DType::F32 => {
            let cast =
                |builder: &mut Builder, x, to| builder.push(Primitive::Cast(to), &[x]);
            let rounded: Result<Vec<_>> =
                inputs.iter().map(|&x| cast(builder, x, DType::BF16)).collect();
            let made =
                rounded.and_then(|inputs| builder.push(primitive.clone(), &inputs));
            Some(made.and_then(|y| builder.push_all(Primitive::Cast(DType::F32), &[y])))
        }
        _ => None,
    });
    spoilt!(Convolution, Primitive::ConvolutionToKernel { .. } => |builder, y| {
        scaled(builder, y, 1e-3)
    });
    // The padding on the other side.
    replaced!(Convolution, Primitive::Convolution(settings) => {
        let padding = settings.padding.iter().map(|&(low, high)| (high, low)).collect();
        Primitive::Convolution(Convolution { padding, ..settings.clone() })
    });
    replaced!(Convolution, Primitive::ConvolutionToInput { convolution, spatial } => {
        let padding = convolution.padding.iter().map(|&(low, high)| (high, low)).collect();
        let convolution = Convolution { padding, ..convolution.clone() };
        Primitive::ConvolutionToInput { convolution, spatial: spatial.clone() }
    });
}

#[test]
fn wrong_windows_are_rejected() {
    fn turned(pool: &Pool) -> Pool {
        let padding = pool.padding.iter().map(|&(low, high)| (high, low)).collect();
        Pool { padding, ..pool.clone() }
    }
    replaced!(Pooling, Primitive::MaxPool(pool) => Primitive::MaxPool(turned(pool)));
    replaced!(Pooling, Primitive::AveragePool(pool) => Primitive::AveragePool(turned(pool)));
    replaced!(Pooling, Primitive::MaxPoolGather(pool) => Primitive::MaxPoolGather(turned(pool)));
    replaced!(Pooling, Primitive::MaxPoolScatter(pool) => Primitive::MaxPoolScatter(turned(pool)));
    spoilt!(Pooling, Primitive::AveragePoolToInput { .. } => |builder, y| {
        scaled(builder, y, 1e-2)
    });
}

#[test]
fn wrong_places_are_rejected() {
    // Indices that clamp instead of failing.
    rejects(Family::Indexing, |builder, primitive, inputs| match (primitive, inputs) {
        (Primitive::Gather { axis }, &[x, at]) => {
            let last = builder.shape(x)[*axis] as i64 - 1;
            let last =
                builder.constant(&Tensor::scalar(last).cast(builder.spec(at).dtype));
            let at = builder.push(Primitive::Binary(Binary::Min), &[at, last]);
            Some(at.and_then(|at| builder.push_all(primitive.clone(), &[x, at])))
        }
        _ => None,
    });
    // Sums that lose their signs.
    spoilt!(Indexing, Primitive::ScatterAdd { .. } => |builder, y| {
        builder.push(Primitive::Unary(Unary::Abs), &[y])
    });
    // Gather counts from the end.
    rejects(Family::Indexing, |builder, primitive, inputs| match (primitive, inputs) {
        (Primitive::GatherAlong { axis }, &[x, at]) => {
            let last = builder.shape(x)[*axis] as i64 - 1;
            let last =
                builder.constant(&Tensor::scalar(last).cast(builder.spec(at).dtype));
            let at = builder.push(Primitive::Binary(Binary::Sub), &[last, at]);
            Some(at.and_then(|at| builder.push_all(primitive.clone(), &[x, at])))
        }
        _ => None,
    });
}

#[test]
fn wrong_moves_are_rejected() {
    replaced!(Layout, Primitive::Pad { padding } => Primitive::Pad {
        padding: padding.iter().map(|&(low, high)| (high, low)).collect(),
    });
    rejects(Family::Layout, |builder, primitive, inputs| match primitive {
        Primitive::Transpose { permutation } => {
            let shape =
                permutation.iter().map(|&axis| builder.shape(inputs[0])[axis]).collect();
            Some(builder.push_all(Primitive::Reshape { shape }, inputs))
        }
        _ => None,
    });
    rejects(Family::Layout, |builder, primitive, inputs| match primitive {
        Primitive::Concat { .. } => {
            let mut inputs = inputs.to_vec();
            inputs.reverse();
            Some(builder.push_all(primitive.clone(), &inputs))
        }
        _ => None,
    });
    replaced!(Layout, Primitive::Slice(axes) => Primitive::Slice(
        axes.iter().map(|&axis| SliceAxis { step: if axis.step == -2 { -1 } else { axis.step }, ..axis }).collect()
    ));
}

#[test]
fn wrong_draws_are_rejected() {
    replaced!(Random, Primitive::Random { distribution, stream, shape, dtype } => Primitive::Random {
        distribution: *distribution,
        stream: stream ^ 1,
        shape: shape.clone(),
        dtype: *dtype,
    });
    replaced!(Random, Primitive::Random { distribution: Distribution::TruncatedNormal, stream, shape, dtype } =>
    Primitive::Random {
        distribution: Distribution::Normal,
        stream: *stream,
        shape: shape.clone(),
        dtype: *dtype,
    });
}

#[test]
fn wrong_loops_are_rejected() {
    // The direction is forgotten.
    replaced!(Scan, Primitive::Scan(scan) if scan.reverse =>
        Primitive::Scan(Scan { reverse: false, ..scan.clone() }));
    // A constant takes the place of a carry.
    rejects(Family::Scan, |builder, primitive, inputs| match primitive {
        Primitive::Scan(scan) if scan.constants > 0 && scan.carries > 1 => {
            let mut inputs = inputs.to_vec();
            inputs.swap(scan.constants, scan.constants + 1);
            Some(builder.push_all(primitive.clone(), &inputs))
        }
        _ => None,
    });
    // The results come in the order in which they are made.
    rejects(Family::Scan, |builder, primitive, inputs| match primitive {
        Primitive::Scan(scan) if scan.reverse && scan.length > 1 => {
            let mut made = match builder.push_all(primitive.clone(), inputs) {
                Ok(made) => made,
                Err(error) => return Some(Err(error)),
            };
            for result in &mut made[scan.carries..] {
                let mut axes: Vec<_> = builder
                    .shape(*result)
                    .iter()
                    .map(|&len| SliceAxis::all(len))
                    .collect();
                axes[0] =
                    SliceAxis { start: scan.length - 1, len: scan.length, step: -1 };
                match builder.push(Primitive::Slice(axes), &[*result]) {
                    Ok(turned) => *result = turned,
                    Err(error) => return Some(Err(error)),
                }
            }
            Some(Ok(made))
        }
        _ => None,
    });
}

#[test]
fn wrong_fusion_is_rejected() {
    spoilt!(Chains, Primitive::Unary(Unary::Rsqrt) => |builder, y| scaled(builder, y, 1e-3));
    spoilt!(Chains, Primitive::Unary(Unary::Sigmoid) => |builder, y| scaled(builder, y, 1e-4));
    replaced!(Chains, Primitive::Binary(Binary::Or) => Primitive::Binary(Binary::And));
}
