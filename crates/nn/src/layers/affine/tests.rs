//! Tests of the layers that change where pixels are.

use deckle_tensor::Tensor;
use serde_json::Value;

use super::*;
use crate::{
    AnyLayer, Randomness, Sequential, check_layer,
    layers::{RandomBrightness, RandomContrast},
};

#[test]
fn keeps_the_promises_of_a_layer() -> Result<()> {
    let first = DataFormat::ChannelsFirst;
    check_layer(&RandomRotation::new(0.2), [[2, 3, 4, 1]])?;
    check_layer(
        &RandomRotation::new((0.1, 0.3)).seed(3).data_format(first),
        [[2, 1, 3, 2]],
    )?;
    let moved = RandomTranslation::new(0.2, (-0.3, 0.1)).fill_mode(FillMode::Wrap);
    check_layer(&moved, [[2, 3, 3, 2]])?;
    let zoomed = RandomZoom::new(0.3).fill_mode(FillMode::Constant).fill_value(2.0);
    check_layer(&zoomed.clone().width_factor((0.1, 0.2)), [[2, 3, 3, 1]])?;
    check_layer(&zoomed, [[1, 1, 2, 1]])?;
    let sheared = RandomShear::new(0.2, (0.1, 0.3)).fill_mode(FillMode::Nearest);
    check_layer(&sheared.interpolation(Interpolation::Nearest), [[2, 3, 3, 1]])
}

fn trained(layer: impl AnyLayer, x: &Tensor, step: i64) -> Result<Tensor> {
    let model = Sequential::new(&x.shape()[1..]).add(layer).build()?;
    let [seed, step] = [1, step].map(|number| Var::constant(&Tensor::scalar(number)));
    let mut call = Call::training(Randomness { seed: &seed, step: &step });
    Ok(model.call(&[Var::constant(x)], &mut call)?[0].eval()?)
}

#[test]
fn where_chance_has_no_choice_images_are_keras() -> Result<()> {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../tests/augmentation.json"))
            .expect("a list");
    assert!(cases.len() > 100);
    for case in &cases {
        let numbers = |value: &Value| -> Vec<f32> {
            let all = value.as_array().expect("a list").iter();
            all.map(|number| number.as_f64().expect("a number") as f32).collect()
        };
        let shape = numbers(&case["shape"]).into_iter().map(|len| len as usize);
        let x = Tensor::new(numbers(&case["x"]), shape.collect::<Vec<_>>())?;
        let config = case["config"].clone();
        macro_rules! with {
            ($layer:ty) => {{
                let layer: $layer = serde_json::from_value(config).expect("a layer");
                trained(layer, &x, 1)
            }};
        }
        let y = match case["class_name"].as_str() {
            Some("RandomRotation") => with!(RandomRotation),
            Some("RandomTranslation") => with!(RandomTranslation),
            Some("RandomZoom") => with!(RandomZoom),
            Some("RandomShear") => with!(RandomShear),
            Some("RandomContrast") => with!(RandomContrast),
            _ => with!(RandomBrightness),
        };
        let y = y?.to_vec::<f32>()?;
        let ways: Vec<_> =
            case["y"].as_array().expect("a list").iter().map(numbers).collect();
        // Coordinates are computed in another order, of numbers up to 100.
        let is = |way: &Vec<f32>| {
            way.len() == y.len() && way.iter().zip(&y).all(|(a, b)| (a - b).abs() < 2e-3)
        };
        assert!(ways.iter().any(is), "{}: {y:?}, expected {:?}", case["config"], ways[0]);
    }
    Ok(())
}

#[test]
fn each_image_is_changed_in_its_own_way_and_differently_each_step() -> Result<()> {
    let x: Vec<f32> = (0..25).map(|at| (at * 7 % 25) as f32).collect();
    let x = Tensor::new(x.repeat(3), [3, 5, 5, 1])?;
    for layer in [RandomRotation::new(0.3), RandomRotation::new((0.1, 0.4)).seed(8)] {
        let first = trained(layer.clone(), &x, 1)?.to_vec::<f32>()?;
        assert_ne!(first[..25], first[25..50]);
        assert_ne!(first[25..50], first[50..]);
        assert_eq!(first, trained(layer.clone(), &x, 1)?.to_vec::<f32>()?);
        assert_ne!(first, trained(layer, &x, 2)?.to_vec::<f32>()?);
    }
    Ok(())
}

#[test]
fn two_numbers_of_a_turn_only_have_to_reach_the_range() {
    let image = [[1, 4, 4, 3].into()];
    let turned = |factor| RandomRotation::new(factor).output_shape(&image);
    assert!(turned((0.5, 1.5)).is_ok() && turned((-2.0, -1.0)).is_ok());
    assert!(turned((1.25, 1.5)).is_err() && turned((0.5, f64::INFINITY)).is_err());
}

#[test]
fn what_makes_no_sense_is_named() {
    let image = [[1, 4, 4, 3].into()];
    assert_eq!(
        RandomRotation::new(1.5).output_shape(&image).unwrap_err().to_string(),
        "`factor` makes no sense\n  expected: one or two numbers from -1 to 1\n       got: 1.5"
    );
    assert!(RandomZoom::new(0.2).width_factor(7.0).output_shape(&image).is_err());
    assert!(RandomTranslation::new(0.2, f64::NAN).output_shape(&image).is_err());
    let cubic = RandomShear::new(0.1, 0.1).interpolation(Interpolation::Bicubic);
    assert_eq!(
        cubic.output_shape(&image).unwrap_err().to_string(),
        "`interpolation` makes no sense\n  expected: nearest or bilinear\n       got: Bicubic"
    );
    assert!(RandomRotation::new(0.1).output_shape(&[[1, 0, 4, 3].into()]).is_err());
    assert!(RandomRotation::new(0.1).output_shape(&[[4, 4, 3].into()]).is_err());
}

#[test]
fn places_outside_are_those_of_the_mode() -> Result<()> {
    for len in [1i64, 2, 3, 7, 28, 224, 1000] {
        let at: Vec<i64> = (-5 * len - 3..5 * len + 3).collect();
        let values: Vec<f32> = at.iter().map(|&at| at as f32).collect();
        let given = Var::constant(&Tensor::new(values, [at.len()])?);
        for mode in [FillMode::Reflect, FillMode::Wrap, FillMode::Nearest] {
            let expected = at.iter().map(|&at| match mode {
                FillMode::Reflect => {
                    let twice = at.rem_euclid(2 * len);
                    twice.min(2 * len - 1 - twice) as f32
                }
                FillMode::Wrap => at.rem_euclid(len) as f32,
                _ => at.clamp(0, len - 1) as f32,
            });
            let got = mode.place(&given, len as usize)?.eval()?.to_vec::<f32>()?;
            assert!(got.iter().copied().eq(expected), "{mode:?} of {len}: {got:?}");
            // Wherever a place is said to be, it is inside.
            let far = [1e7f32, -1e7, 16_777_216.0, 1e12, -1e38, 1e38];
            let far = Var::constant(&Tensor::from(far));
            let got = mode.place(&far, len as usize)?.eval()?.to_vec::<f32>()?;
            let last = (len - 1) as f32;
            assert!(got.iter().all(|at| (0.0..=last).contains(at)), "{mode:?}: {got:?}");
        }
    }
    Ok(())
}
