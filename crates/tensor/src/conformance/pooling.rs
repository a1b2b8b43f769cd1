//! Windows of images and sequences.

use super::{
    Suite,
    data::{Domain, Draft, FLOATS, Feed, numbers, of_numbers},
};
use crate::{DType, Pool, Primitive, shape_text};

struct Shapes {
    x: &'static [usize],
    window: &'static [usize],
    strides: &'static [usize],
    padding: &'static [(usize, usize)],
}

const SETTINGS: [Shapes; 9] = [
    shapes(&[2, 9, 3], &[2], &[2], &[(0, 0)]),
    shapes(&[2, 9, 1], &[3], &[1], &[(1, 1)]),
    shapes(&[1, 5, 2], &[1], &[3], &[(4, 2)]),
    shapes(&[0, 5, 2], &[2], &[1], &[(0, 0)]),
    shapes(&[2, 5, 0], &[2], &[1], &[(0, 0)]),
    shapes(&[2, 6, 8, 4], &[2, 2], &[2, 2], &[(0, 0), (0, 0)]),
    shapes(&[2, 7, 5, 17], &[3, 2], &[2, 1], &[(1, 0), (0, 1)]),
    shapes(&[1, 4, 4, 3], &[4, 4], &[1, 1], &[(0, 0), (0, 0)]),
    shapes(&[1, 3, 4, 3, 2], &[2, 2, 2], &[1, 2, 1], &[(0, 0), (1, 1), (0, 0)]),
];

const fn shapes(
    x: &'static [usize],
    window: &'static [usize],
    strides: &'static [usize],
    padding: &'static [(usize, usize)],
) -> Shapes {
    Shapes { x, window, strides, padding }
}

impl Shapes {
    fn pool(&self) -> Pool {
        Pool {
            window: self.window.to_vec(),
            strides: self.strides.to_vec(),
            padding: self.padding.to_vec(),
        }
    }

    fn y(&self) -> Vec<usize> {
        let mut y = self.x.to_vec();
        for axis in 0..self.window.len() {
            let padded = self.x[axis + 1] + self.padding[axis].0 + self.padding[axis].1;
            y[axis + 1] = (padded - self.window[axis]) / self.strides[axis] + 1;
        }
        y
    }

    fn text(&self) -> String {
        let Self { x, window, strides, padding } = self;
        format!(
            "{} window {window:?} strides {strides:?} padding {padding:?}",
            shape_text(x)
        )
    }
}

pub(super) fn check(suite: &mut Suite<'_>) {
    for (i, shapes) in SETTINGS.iter().enumerate() {
        for (j, dtype) in numbers().enumerate() {
            // Few different numbers: the first of equals counts.
            check_max(suite, shapes, dtype, Domain::Below(5), i + j);
            check_max(suite, shapes, dtype, Domain::Between(-90.0, 90.0), i + j + 4);
        }
        for (j, dtype) in FLOATS.into_iter().enumerate() {
            check_average(suite, shapes, dtype, i + j);
        }
    }
    check_nan(suite);
}

fn check_max(
    suite: &mut Suite<'_>,
    shapes: &Shapes,
    dtype: DType,
    domain: Domain,
    nth: usize,
) {
    let feed = Feed::nth(nth);
    let text = format!("{dtype} {} {domain:?} {feed:?}", shapes.text());

    let mut draft = Draft::new(format!("max_pool {text}")).relative(0.0, 0.0);
    let x = draft.operand(dtype, shapes.x, domain, feed);
    let y = draft.push(Primitive::MaxPool(shapes.pool()), &[x]);
    suite.check(&draft.finish(&[y]));

    let mut draft = Draft::new(format!("max_pool_gather {text}")).relative(0.0, 0.0);
    let x = draft.operand(dtype, shapes.x, domain, feed);
    let values =
        draft.operand(dtype, shapes.x, Domain::Between(-9.0, 9.0), Feed::nth(nth + 3));
    let y = draft.push(Primitive::MaxPoolGather(shapes.pool()), &[x, values]);
    suite.check(&draft.finish(&[y]));

    let mut draft = Draft::new(format!("max_pool_scatter {text}"));
    let x = draft.operand(dtype, shapes.x, domain, feed);
    let dy =
        draft.operand(dtype, &shapes.y(), Domain::Between(-9.0, 9.0), Feed::nth(nth + 5));
    let dx = draft.push(Primitive::MaxPoolScatter(shapes.pool()), &[x, dy]);
    suite.check(&draft.finish(&[dx]));
}

fn check_average(suite: &mut Suite<'_>, shapes: &Shapes, dtype: DType, nth: usize) {
    let (feed, domain) = (Feed::nth(nth), Domain::Between(-2.0, 2.0));
    let text = format!("{dtype} {} {feed:?}", shapes.text());

    let mut draft = Draft::new(format!("average_pool {text}"));
    let x = draft.operand(dtype, shapes.x, domain, feed);
    let y = draft.push(Primitive::AveragePool(shapes.pool()), &[x]);
    suite.check(&draft.finish(&[y]));

    let mut draft = Draft::new(format!("average_pool_to_input {text}"));
    let dy = draft.operand(dtype, &shapes.y(), domain, feed);
    let spatial = shapes.x[1..shapes.x.len() - 1].to_vec();
    let primitive = Primitive::AveragePoolToInput { pool: shapes.pool(), spatial };
    let dx = draft.push(primitive, &[dy]);
    suite.check(&draft.finish(&[dx]));
}

fn check_nan(suite: &mut Suite<'_>) {
    let pool = Pool { window: vec![3], strides: vec![1], padding: vec![(1, 0)] };
    let numbers = [1.0, f64::NAN, 3.0, f64::NEG_INFINITY, f64::NAN, f64::INFINITY, 0.0];
    for dtype in FLOATS {
        let mut draft = Draft::new(format!("max_pool {dtype} of nan")).relative(0.0, 0.0);
        let x = draft.input_of(of_numbers(dtype, &numbers, &[1, 7, 1]));
        let values = draft.input(dtype, &[1, 7, 1], Domain::Between(1.0, 9.0));
        let y = draft.push(Primitive::MaxPool(pool.clone()), &[x]);
        let taken = draft.push(Primitive::MaxPoolGather(pool.clone()), &[x, values]);
        let least =
            draft.input_of(of_numbers(dtype, &[f64::NEG_INFINITY; 3], &[1, 3, 1]));
        let of_least = draft.push(Primitive::MaxPool(pool.clone()), &[least]);
        suite.check(&draft.finish(&[y, taken, of_least]));
        let mut draft = Draft::new(format!("max_pool_scatter {dtype} of nan"));
        let x = draft.input_of(of_numbers(dtype, &numbers, &[1, 7, 1]));
        let dy = draft.input(dtype, &[1, 6, 1], Domain::Between(1.0, 9.0));
        let made = draft.push(Primitive::MaxPoolScatter(pool.clone()), &[x, dy]);
        suite.check(&draft.finish(&[made]));
    }
}
