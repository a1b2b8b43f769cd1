//! Random numbers as pure functions of (seed, stream, step, element).
//!
//! The generator is Philox4x32-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2,
//! 3*, SC 2011). A [`Draw`] first derives a key of its own, `philox(seed; stream, step)`; block
//! `i` of its numbers is `philox(key; i)`. So every element can be computed alone, in any
//! order, on any number of threads.

use crate::Distribution;

/// Ten rounds of Philox 4×32: 128 random bits for a counter under a key.
///
/// # Examples
///
/// ```
/// use deckle_tensor::random::philox;
///
/// // The published test vector for an all-zero counter and key.
/// assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
/// ```
#[inline]
#[must_use]
pub const fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let mut round = 0;
    while round < 10 {
        let a = 0xD251_1F53_u64 * counter[0] as u64;
        let b = 0xCD9E_8D57_u64 * counter[2] as u64;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        round += 1;
    }
    counter
}

/// One sequence of random numbers: a function of the position alone.
///
/// # Examples
///
/// ```
/// use deckle_tensor::random::Draw;
///
/// let draw = Draw::new(42, 7, 0);
/// assert_eq!(draw.bits(5), Draw::new(42, 7, 0).bits(5));
/// assert!((0.0..1.0).contains(&draw.uniform(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    key: [u32; 2],
}

impl Draw {
    /// The sequence of that seed, stream and step.
    #[must_use]
    pub const fn new(seed: u64, stream: u64, step: u64) -> Self {
        let counter =
            [stream as u32, (stream >> 32) as u32, step as u32, (step >> 32) as u32];
        let [a, b, ..] = philox(counter, [seed as u32, (seed >> 32) as u32]);
        Self { key: [a, b] }
    }

    /// The numbers at positions `4 · block` to `4 · block + 3`.
    #[inline]
    #[must_use]
    pub const fn block(self, block: u64) -> [u32; 4] {
        philox([block as u32, (block >> 32) as u32, 0, 0], self.key)
    }

    /// 32 random bits.
    #[inline]
    #[must_use]
    pub const fn bits(self, position: u64) -> u32 {
        self.block(position / 4)[(position % 4) as usize]
    }

    /// From 0 (included) to 1 (excluded), a multiple of 2⁻²⁴, exact in an `f32`.
    #[inline]
    #[must_use]
    pub fn uniform(self, position: u64) -> f64 {
        uniform(self.bits(position))
    }

    /// Normally distributed, mean 0, standard deviation 1; see [`normal`].
    #[inline]
    #[must_use]
    pub fn normal(self, position: u64) -> f64 {
        normal(self.bits(position))
    }

    /// As [`Draw::normal`], but within -2 and 2.
    #[inline]
    #[must_use]
    pub fn truncated_normal(self, position: u64) -> f64 {
        truncated_normal(self.bits(position))
    }

    /// The number at a position, of that distribution.
    #[inline]
    #[must_use]
    pub fn sample(self, distribution: Distribution, position: u64) -> f64 {
        let bits = self.bits(position);
        match distribution {
            Distribution::Bits => f64::from(bits),
            Distribution::Uniform => uniform(bits),
            Distribution::Normal => normal(bits),
            Distribution::TruncatedNormal => truncated_normal(bits),
        }
    }

    /// An integer below `bound`, for shuffles; the bias is below `bound` / 2⁶⁴.
    #[must_use]
    pub fn below(self, position: u64, bound: u64) -> u64 {
        let [a, b, c, d] = self.block(position / 2);
        let (low, high) = if position.is_multiple_of(2) { (a, b) } else { (c, d) };
        let wide = u128::from(u64::from(high) << 32 | u64::from(low)) * u128::from(bound);
        (wide >> 64) as u64
    }
}

/// 24 of the bits as a number from 0 (included) to 1 (excluded).
#[inline]
#[must_use]
pub fn uniform(bits: u32) -> f64 {
    f64::from(bits >> 8) * (1.0 / 16_777_216.0)
}

/// A standard normal number: the quantile function at the middle of the bits' cell.
///
/// `√2 · erfinv(2u - 1)` with `u = (bits + ½) / 2³²`, so that every finite value up to 6.2
/// standard deviations can occur.
#[inline]
#[must_use]
pub fn normal(bits: u32) -> f64 {
    let centred = (f64::from(bits) + 0.5) * (2.0 / 4_294_967_296.0) - 1.0;
    std::f64::consts::SQRT_2 * erfinv(centred)
}

/// The share of the normal distribution within two standard deviations: erf(2 / √2).
pub const TWO_DEVIATIONS: f64 = 0.954_499_736_103_641_6;

/// A standard normal number within -2 and 2: the quantile function over that part.
#[inline]
#[must_use]
pub fn truncated_normal(bits: u32) -> f64 {
    let centred = (f64::from(bits) + 0.5) * (2.0 / 4_294_967_296.0) - 1.0;
    std::f64::consts::SQRT_2 * erfinv(TWO_DEVIATIONS * centred)
}

/// The inverse of the error function, for arguments between -1 and 1.
///
/// Two polynomials of M. Giles, *Approximating the erfinv function*, GPU Computing Gems (2012),
/// double-precision version; relative error below 1e-14 over most of the range.
#[must_use]
pub fn erfinv(x: f64) -> f64 {
    let w = -((1.0 - x) * (1.0 + x)).ln();
    let horner = |w: f64, coefficients: &[f64]| {
        coefficients.iter().fold(0.0, |sum: f64, &c| sum * w + c)
    };
    if w < 6.25 {
        x * horner(w - 3.125, &GILES_CENTRAL)
    } else if w < 16.0 {
        x * horner(w.sqrt() - 3.25, &GILES_MIDDLE)
    } else if w.is_finite() {
        x * horner(w.sqrt() - 5.0, &GILES_TAIL)
    } else {
        x * f64::INFINITY
    }
}

const GILES_CENTRAL: [f64; 23] = [
    -3.644_412_064_017_82e-21,
    -1.685_059_138_182_016_6e-19,
    1.285_848_071_525_64e-18,
    1.115_787_767_802_518_1e-17,
    -1.333_171_662_854_621e-16,
    2.097_276_787_596_856_2e-17,
    6.637_638_134_358_324e-15,
    -4.054_566_272_975_207e-14,
    -8.151_934_197_605_472e-14,
    2.633_509_315_308_232_3e-12,
    -1.297_513_325_345_353_2e-11,
    -5.415_412_054_294_628e-11,
    1.051_212_273_321_532_3e-9,
    -4.112_633_980_346_984e-9,
    -2.907_036_995_788_200_5e-8,
    4.234_787_782_793_240_4e-7,
    -1.365_469_200_083_467_9e-6,
    -1.388_252_336_278_646_9e-5,
    0.000_186_734_208_034_057_14,
    -0.000_740_702_534_166_267,
    -0.006_033_670_871_430_149,
    0.240_158_182_425_589_62,
    1.653_654_562_683_102_7,
];

const GILES_MIDDLE: [f64; 19] = [
    2.213_737_692_177_578_7e-9,
    9.075_656_193_888_539e-8,
    -2.751_740_629_706_454_5e-7,
    1.823_962_921_438_922_8e-8,
    1.502_740_396_890_982_8e-6,
    -4.013_867_526_981_546e-6,
    2.923_444_908_995_544_6e-6,
    1.247_530_448_167_177_9e-5,
    -4.731_822_900_905_573_4e-5,
    6.828_485_145_957_318e-5,
    2.403_111_038_709_789_4e-5,
    -0.000_355_037_520_362_847_5,
    0.000_953_289_379_737_380_5,
    -0.001_688_275_556_023_504_7,
    0.002_491_442_096_107_851,
    -0.003_751_208_507_569_241,
    0.005_370_914_553_590_064,
    1.005_258_967_694_159_2,
    3.083_885_610_492_220_8,
];

const GILES_TAIL: [f64; 17] = [
    -2.710_992_061_643_857_3e-11,
    -2.555_641_816_996_525e-10,
    1.507_657_269_350_054_8e-9,
    -3.789_465_440_126_737e-9,
    7.615_701_208_078_34e-9,
    -1.496_002_662_714_924e-8,
    2.914_795_345_090_108e-8,
    -6.771_199_775_845_234e-8,
    2.290_048_222_802_665_5e-7,
    -9.929_827_294_231_7e-7,
    4.526_062_597_223_154e-6,
    -1.968_177_810_553_167e-5,
    7.599_527_703_001_776e-5,
    -0.000_215_030_119_300_444_77,
    -0.000_138_719_318_336_231_22,
    1.010_300_464_864_534_4,
    4.849_906_401_408_584,
];
