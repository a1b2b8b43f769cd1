//! Hashes that are the same everywhere: `FarmHash`, `SipHash`, MD5.
//!
//! `FarmHash`'s `Fingerprint64` is what TensorFlow hashes strings with, and so Keras; `SipHash`-2-4 is
//! what it uses with a salt. MD5 is the stable hash of Keras's `hashing_trick`.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;

fn fetch_64(s: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(s[at..at + 8].try_into().unwrap_or_default())
}

fn fetch_32(s: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes(s[at..at + 4].try_into().unwrap_or_default()))
}

const fn shift_mix(v: u64) -> u64 {
    v ^ (v >> 47)
}

const fn hash_16(u: u64, v: u64, mul: u64) -> u64 {
    let a = shift_mix((u ^ v).wrapping_mul(mul));
    shift_mix((v ^ a).wrapping_mul(mul)).wrapping_mul(mul)
}

/// Mixes 32 bytes with two seeds.
fn weak_32(s: &[u8], at: usize, a: u64, b: u64) -> (u64, u64) {
    let (w, x, y, z) = (
        fetch_64(s, at),
        fetch_64(s, at + 8),
        fetch_64(s, at + 16),
        fetch_64(s, at + 24),
    );
    let a = a.wrapping_add(w);
    let b = b.wrapping_add(a).wrapping_add(z).rotate_right(21);
    let sum = a.wrapping_add(x).wrapping_add(y);
    (sum.wrapping_add(z), b.wrapping_add(sum.rotate_right(44)).wrapping_add(a))
}

/// `FarmHash`'s `Fingerprint64`.
pub(crate) fn fingerprint_64(s: &[u8]) -> u64 {
    let len = s.len();
    let mul = K2.wrapping_add((len as u64).wrapping_mul(2));
    match len {
        0 => K2,
        1..=3 => {
            let y = u32::from(s[0]).wrapping_add(u32::from(s[len >> 1]) << 8);
            let z = (len as u32).wrapping_add(u32::from(s[len - 1]) << 2);
            let (y, z) = (u64::from(y).wrapping_mul(K2), u64::from(z).wrapping_mul(K0));
            shift_mix(y ^ z).wrapping_mul(K2)
        }
        4..=7 => hash_16(
            (len as u64).wrapping_add(fetch_32(s, 0) << 3),
            fetch_32(s, len - 4),
            mul,
        ),
        8..=16 => {
            let (a, b) = (fetch_64(s, 0).wrapping_add(K2), fetch_64(s, len - 8));
            let c = b.rotate_right(37).wrapping_mul(mul).wrapping_add(a);
            let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(mul);
            hash_16(c, d, mul)
        }
        17..=32 => {
            let (a, b) = (fetch_64(s, 0).wrapping_mul(K1), fetch_64(s, 8));
            let c = fetch_64(s, len - 8).wrapping_mul(mul);
            let d = fetch_64(s, len - 16).wrapping_mul(K2);
            hash_16(
                a.wrapping_add(b)
                    .rotate_right(43)
                    .wrapping_add(c.rotate_right(30))
                    .wrapping_add(d),
                a.wrapping_add(b.wrapping_add(K2).rotate_right(18)).wrapping_add(c),
                mul,
            )
        }
        33..=64 => {
            let (a, b) = (fetch_64(s, 0).wrapping_mul(K2), fetch_64(s, 8));
            let c = fetch_64(s, len - 8).wrapping_mul(mul);
            let d = fetch_64(s, len - 16).wrapping_mul(K2);
            let y = a
                .wrapping_add(b)
                .rotate_right(43)
                .wrapping_add(c.rotate_right(30))
                .wrapping_add(d);
            let z = hash_16(
                y,
                a.wrapping_add(b.wrapping_add(K2).rotate_right(18)).wrapping_add(c),
                mul,
            );
            let (e, f) = (fetch_64(s, 16).wrapping_mul(mul), fetch_64(s, 24));
            let g = y.wrapping_add(fetch_64(s, len - 32)).wrapping_mul(mul);
            let h = z.wrapping_add(fetch_64(s, len - 24)).wrapping_mul(mul);
            hash_16(
                e.wrapping_add(f)
                    .rotate_right(43)
                    .wrapping_add(g.rotate_right(30))
                    .wrapping_add(h),
                e.wrapping_add(f.wrapping_add(a).rotate_right(18)).wrapping_add(g),
                mul,
            )
        }
        _ => fingerprint_long(s),
    }
}

/// For more than 64 bytes: blocks of 64, and the last 64 once more.
fn fingerprint_long(s: &[u8]) -> u64 {
    const SEED: u64 = 81;
    let mut y = SEED.wrapping_mul(K1).wrapping_add(113);
    let mut z = shift_mix(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2);
    let mut x = SEED.wrapping_mul(K2).wrapping_add(fetch_64(s, 0));
    let (mut v, mut w) = ((0u64, 0u64), (0u64, 0u64));
    let tail = (s.len() - 1) & 63;
    for at in (0..s.len() - 1 - tail).step_by(64) {
        x = x
            .wrapping_add(y)
            .wrapping_add(v.0)
            .wrapping_add(fetch_64(s, at + 8))
            .rotate_right(37)
            .wrapping_mul(K1);
        y = y
            .wrapping_add(v.1)
            .wrapping_add(fetch_64(s, at + 48))
            .rotate_right(42)
            .wrapping_mul(K1);
        x ^= w.1;
        y = y.wrapping_add(v.0).wrapping_add(fetch_64(s, at + 40));
        z = z.wrapping_add(w.0).rotate_right(33).wrapping_mul(K1);
        v = weak_32(s, at, v.1.wrapping_mul(K1), x.wrapping_add(w.0));
        w = weak_32(
            s,
            at + 32,
            z.wrapping_add(w.1),
            y.wrapping_add(fetch_64(s, at + 16)),
        );
        (x, z) = (z, x);
    }
    let mul = K1.wrapping_add((z & 0xff) << 1);
    let at = s.len() - 64;
    w.0 = w.0.wrapping_add(tail as u64);
    v.0 = v.0.wrapping_add(w.0);
    w.0 = w.0.wrapping_add(v.0);
    x = x
        .wrapping_add(y)
        .wrapping_add(v.0)
        .wrapping_add(fetch_64(s, at + 8))
        .rotate_right(37)
        .wrapping_mul(mul);
    y = y
        .wrapping_add(v.1)
        .wrapping_add(fetch_64(s, at + 48))
        .rotate_right(42)
        .wrapping_mul(mul);
    x ^= w.1.wrapping_mul(9);
    y = y.wrapping_add(v.0.wrapping_mul(9)).wrapping_add(fetch_64(s, at + 40));
    z = z.wrapping_add(w.0).rotate_right(33).wrapping_mul(mul);
    v = weak_32(s, at, v.1.wrapping_mul(mul), x.wrapping_add(w.0));
    w = weak_32(s, at + 32, z.wrapping_add(w.1), y.wrapping_add(fetch_64(s, at + 16)));
    (x, z) = (z, x);
    hash_16(
        hash_16(v.0, w.0, mul)
            .wrapping_add(shift_mix(y).wrapping_mul(K0))
            .wrapping_add(z),
        hash_16(v.1, w.1, mul).wrapping_add(x),
        mul,
    )
}

/// Joins two fingerprints, as TensorFlow's `FingerprintCat64`.
pub(crate) const fn join_fingerprints(first: u64, second: u64) -> u64 {
    const MUL: u64 = 0xc6a4_a793_5bd1_e995;
    let mixed = shift_mix(second.wrapping_mul(MUL)).wrapping_mul(MUL);
    let joined = (first ^ MUL ^ mixed).wrapping_mul(MUL);
    shift_mix(shift_mix(joined).wrapping_mul(MUL))
}

/// `SipHash`-2-4 with that key.
pub(crate) fn sip_hash(key: [u64; 2], s: &[u8]) -> u64 {
    fn round(v: &mut [u64; 4]) {
        v[0] = v[0].wrapping_add(v[1]);
        v[2] = v[2].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].rotate_left(32).wrapping_add(v[3]);
        v[2] = v[2].wrapping_add(v[1]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    }
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let mut blocks = s.chunks_exact(8);
    for block in &mut blocks {
        let m = fetch_64(block, 0);
        v[3] ^= m;
        round(&mut v);
        round(&mut v);
        v[0] ^= m;
    }
    let mut last = [0; 8];
    last[..blocks.remainder().len()].copy_from_slice(blocks.remainder());
    last[7] = s.len() as u8;
    let m = u64::from_le_bytes(last);
    v[3] ^= m;
    round(&mut v);
    round(&mut v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// The MD5 sum, as the number whose digits in base 16 it is written with.
pub(crate) fn md5(s: &[u8]) -> u128 {
    const SHIFTS: [[u32; 4]; 4] =
        [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut message = s.to_vec();
    message.push(0x80);
    message.resize(message.len().next_multiple_of(64), 0);
    if message.len() - s.len() < 9 {
        message.resize(message.len() + 64, 0);
    }
    let end = message.len() - 8;
    message[end..].copy_from_slice(&(s.len() as u64).wrapping_mul(8).to_le_bytes());
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in message.chunks_exact(64) {
        let word = |i: usize| fetch_32(block, 4 * i) as u32;
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64 {
            let (f, g) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            // The table of MD5: |sin(i + 1)| · 2³².
            let sine = ((i as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(f).wrapping_add(sine).wrapping_add(word(g));
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
        }
        for (sum, value) in state.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(value);
        }
    }
    state.iter().fold(0, |sum, word| sum << 32 | u128::from(word.swap_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_has_the_published_sums() {
        // RFC 1321, A.5.
        for (text, sum) in [
            ("", 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e_u128),
            ("abc", 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                0x57ed_f4a2_2be3_c955_ac49_da2e_2107_b67a,
            ),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                0xd174_ab98_d277_d9f5_a561_1c2c_9f41_9d9f,
            ),
        ] {
            assert_eq!(md5(text.as_bytes()), sum, "{text}");
        }
        for len in 50..70 {
            // Around the padding's edge: every length has a sum of its own.
            assert_ne!(md5(&vec![b'a'; len]), md5(&vec![b'a'; len + 1]));
        }
    }

    #[test]
    fn sip_hash_has_the_published_values() {
        // Aumasson and Bernstein's test vectors: bytes 0, 1, 2, ... with the key 0 to 15.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(sip_hash(key, &[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(sip_hash(key, &bytes), 0xa129_ca61_49be_45e5);
    }
}
