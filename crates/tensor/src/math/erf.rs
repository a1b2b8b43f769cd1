//! The error function.

use std::f64::consts::PI;

/// `2/√π ∫₀ˣ e^(-t²) dt`, with a relative error of a few units in the last place.
///
/// # References
///
/// W. J. Cody, *Rational Chebyshev approximations for the error function*, Mathematics of
/// Computation 23 (1969).
pub(crate) fn erf(x: f64) -> f64 {
    let y = x.abs();
    if y <= 0.46875 {
        x * quotient(y * y, &SMALL)
    } else if y <= 4.0 {
        (1.0 - exp_of_minus_square(y) * quotient(y, &MIDDLE)).copysign(x)
    } else if y < 6.0 {
        let inverse = 1.0 / (y * y);
        let series = (1.0 / PI.sqrt() - inverse * quotient(inverse, &LARGE)) / y;
        (1.0 - exp_of_minus_square(y) * series).copysign(x)
    } else {
        // 1 is the nearest number; NaN stays.
        if x.is_nan() { x } else { 1.0f64.copysign(x) }
    }
}

/// Two polynomials, the coefficients of the highest power first, divided.
fn quotient<const N: usize>(x: f64, coefficients: &[[f64; N]; 2]) -> f64 {
    let [above, below] = coefficients;
    let horner = |c: &[f64; N]| c.iter().fold(0.0, |sum: f64, &c| sum * x + c);
    horner(above) / horner(below)
}

/// `e^(-y²)`; the square is split, because its rounding error would be magnified.
fn exp_of_minus_square(y: f64) -> f64 {
    let head = (y * 16.0).trunc() / 16.0;
    (-head * head).exp() * (-(y - head) * (y + head)).exp()
}

const SMALL: [[f64; 5]; 2] = [
    [
        0.185_777_706_184_603_15,
        3.161_123_743_870_565_5,
        113.864_154_151_050_16,
        377.485_237_685_302,
        3_209.377_589_138_469_4,
    ],
    [
        1.0,
        23.601_290_952_344_122,
        244.024_637_934_444_17,
        1_282.616_526_077_372_3,
        2_844.236_833_439_171,
    ],
];

const MIDDLE: [[f64; 9]; 2] = [
    [
        2.153_115_354_744_038_3e-8,
        0.564_188_496_988_670_1,
        8.883_149_794_388_377,
        66.119_190_637_141_63,
        298.635_138_197_400_1,
        881.952_221_241_769,
        1_712.047_612_634_070_7,
        2_051.078_377_826_071_6,
        1_230.339_354_797_997_2,
    ],
    [
        1.0,
        15.744_926_110_709_835,
        117.693_950_891_312_5,
        537.181_101_862_009_9,
        1_621.389_574_566_690_3,
        3_290.799_235_733_459_7,
        4_362.619_090_143_247,
        3_439.367_674_143_721_6,
        1_230.339_354_803_749_5,
    ],
];

const LARGE: [[f64; 6]; 2] = [
    [
        0.016_315_387_137_302_097,
        0.305_326_634_961_232_36,
        0.360_344_899_949_804_45,
        0.125_781_726_111_229_26,
        0.016_083_785_148_742_275,
        0.000_658_749_161_529_837_8,
    ],
    [
        1.0,
        2.568_520_192_289_822,
        1.872_952_849_923_467_3,
        0.527_905_102_951_428_5,
        0.060_518_341_312_441_32,
        0.002_335_204_976_268_691_8,
    ],
];

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn erf_agrees_with_forty_digits_of_mpmath() {
        // mpmath 1.3, `mp.dps = 40`, rounded to the nearest double.
        let table = [
            (1e-300, 1.128_379_167_095_512_6e-300),
            (1e-10, 1.128_379_167_095_512_6e-10),
            (0.1, 0.112_462_916_018_284_9),
            (0.25, 0.276_326_390_168_236_96),
            (0.46874, 0.492_604_415_244_111_36),
            (0.46876, 0.492_622_531_106_846_5),
            (0.5, 0.520_499_877_813_046_5),
            (0.75, 0.711_155_633_653_515_1),
            (1.0, 0.842_700_792_949_714_9),
            (1.5, 0.966_105_146_475_310_8),
            (2.0, 0.995_322_265_018_952_7),
            (2.5, 0.999_593_047_982_555),
            (3.0, 0.999_977_909_503_001_4),
            (3.9999, 0.999_999_984_570_038_8),
            (4.0001, 0.999_999_984_595_435_3),
            (5.0, 0.999_999_999_998_462_6),
            (5.9, 0.999_999_999_999_999_9),
        ];
        for (x, expected) in table {
            let error = (erf(x) - expected).abs() / expected;
            assert!(error < 3e-16, "erf({x}) is off by {error:e}");
            assert!((erf(-x) + erf(x)).abs() == 0.0, "erf is odd at {x}");
        }
    }

    #[test]
    fn erf_keeps_its_limits() {
        assert!(erf(f64::NAN).is_nan());
        let limits = [erf(7.0), erf(f64::INFINITY), -erf(-f64::INFINITY)];
        assert_eq!(limits.map(f64::to_bits), [1.0f64.to_bits(); 3]);
        assert_eq!(erf(-0.0).to_bits(), (-0.0f64).to_bits());
    }
}
