//! The composites `attention` and `attention_backward`.

use deckle_tensor::{Composite, DType, Result, Spec};

use super::Kernel;
use crate::{
    Simd,
    attention::{Attention, Given, Gradients, Mask},
    graph::Id,
    place::{Context, Dense, Plain},
    simd::Float,
};

/// The heads that are tasks enough for many threads: with fewer, large products are shared.
const ENOUGH: usize = 4;

/// The scores of a head that are hardly worth sharing.
const SMALL: usize = 1 << 14;

/// Attention; inputs and results are those that the composites document.
pub(super) struct Attend {
    attention: Attention,
    backward: bool,
    masked: bool,
    dtype: DType,
    inputs: Vec<Dense>,
    results: Vec<Dense>,
    scratch: Option<Dense>,
}

/// The composite that it is, if its inputs and results look like it.
fn claimed(composite: &Composite) -> Option<(Attention, bool, bool)> {
    let body = &composite.body;
    let inputs: Vec<_> = body.inputs().iter().map(|&value| body.spec(value)).collect();
    let masked = composite.int("masked").is_some_and(|masked| masked != 0);
    let backward = &*composite.name == "attention_backward";
    let (&[batch, queries, heads, features], &[_, keys, _, values]) =
        (&inputs.first()?.shape[..], &inputs.get(2)?.shape[..])
    else {
        return None;
    };
    let attention = Attention { batch, heads, queries, keys, features, values };
    let dtype = inputs[0].dtype;
    let mut shapes = vec![
        vec![batch, queries, heads, features],
        vec![batch, keys, heads, features],
        vec![batch, keys, heads, values],
    ];
    let shares = vec![batch, heads, queries, keys];
    let found = vec![batch, queries, heads, values];
    let results = if backward {
        let gradients = shapes.clone();
        shapes.extend([shares, found]);
        gradients
    } else {
        vec![found, shares]
    };
    let outputs = body.output_specs();
    let floats = inputs.len().checked_sub(usize::from(masked))?;
    let (floats, mask) = inputs.split_at(floats);
    let fits = matches!(dtype, DType::F32 | DType::F64)
        && floats.len() == shapes.len()
        && floats.iter().zip(&shapes).all(|(a, b)| a.shape == *b && a.dtype == dtype)
        && outputs.len() == results.len()
        && outputs.iter().zip(&results).all(|(a, b)| a.shape == *b)
        && mask
            .iter()
            .all(|mask| mask.dtype == DType::Bool && strides(mask, &attention).is_some());
    let shared = batch * heads >= ENOUGH || queries * keys <= SMALL;
    (fits && shared).then_some((attention, backward, masked))
}

/// The mask's distances along (batch, heads, queries, keys): each axis is there, or has one
/// element for all.
fn strides(mask: &Spec, attention: &Attention) -> Option<[usize; 4]> {
    let Attention { batch, heads, queries, keys, .. } = *attention;
    let shape: [usize; 4] = mask.shape[..].try_into().ok()?;
    let mut strides = [0; 4];
    let mut step = 1;
    for (axis, len) in [batch, heads, queries, keys].into_iter().enumerate().rev() {
        if shape[axis] != 1 {
            if shape[axis] != len {
                return None;
            }
            strides[axis] = step;
        }
        step *= shape[axis];
    }
    Some(strides)
}

impl Attend {
    /// Whether there is a kernel for the composite.
    pub(super) fn takes(composite: &Composite) -> bool {
        claimed(composite).is_some()
    }

    pub(super) fn make(
        composite: &Composite,
        inputs: Vec<Dense>,
        results: Vec<Dense>,
    ) -> Option<Box<dyn Kernel>> {
        let (attention, backward, masked) = claimed(composite)?;
        let dtype = inputs.first()?.spec.dtype;
        let scratch = None;
        Some(Box::new(Self {
            attention,
            backward,
            masked,
            dtype,
            inputs,
            results,
            scratch,
        }))
    }

    fn compute<T: Float + Plain>(&self, context: &Context<'_>) {
        let read = |i: usize| context.read::<T>(&self.inputs[i]);
        let write = |i: usize| context.write::<T>(&self.results[i]);
        let mask = self.inputs.last().filter(|_| self.masked);
        let mask = mask.map(|mask| Mask {
            flags: context.read(mask),
            strides: strides(&mask.spec, &self.attention).unwrap_or_default(),
        });
        let scratch: &mut [T] = match &self.scratch {
            Some(scratch) => context.write(scratch),
            None => &mut [],
        };
        let given = Given { query: read(0), key: read(1), value: read(2), mask };
        let (simd, threads) = (context.simd, context.threads);
        if self.backward {
            let (shares, dy) = (read(3), read(4));
            let to = Gradients { query: write(0), key: write(1), value: write(2) };
            self.attention.backward(simd, threads, &given, [shares, dy], to, scratch);
        } else {
            let to = [write(0), write(1)];
            self.attention.forward(simd, threads, &given, to, scratch);
        }
    }

    fn elements<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        if self.backward {
            self.attention.backward_scratch::<T>(simd, threads)
        } else {
            self.attention.forward_scratch::<T>(simd, threads)
        }
    }
}

impl Kernel for Attend {
    fn scratch(&self, simd: Simd, threads: usize) -> usize {
        let elements = match self.dtype {
            DType::F64 => self.elements::<f64>(simd, threads),
            _ => self.elements::<f32>(simd, threads),
        };
        self.dtype.size() * elements
    }

    fn set_scratch(&mut self, id: Id, bytes: usize) {
        let width = self.dtype.size();
        self.scratch = Some(Dense::scratch(id, bytes / width, width));
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        match self.dtype {
            DType::F64 => self.compute::<f64>(context),
            _ => self.compute::<f32>(context),
        }
        Ok(())
    }
}
