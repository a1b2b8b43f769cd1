//! The checksums in HDF5 files.

/// The checksum of metadata: Jenkins's `lookup3`.
pub(super) fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let [mut a, mut b, mut c] = [start; 3];
    let mut rest = bytes;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(rest.len().min(12));
        let mut filled = [0; 12];
        filled[..block.len()].copy_from_slice(block);
        let word = |at: usize| {
            u32::from_le_bytes([
                filled[at],
                filled[at + 1],
                filled[at + 2],
                filled[at + 3],
            ])
        };
        a = a.wrapping_add(word(0));
        b = b.wrapping_add(word(4));
        c = c.wrapping_add(word(8));
        if after.is_empty() {
            for bits in [14, 11, 25, 16, 4, 14, 24] {
                c = (c ^ b).wrapping_sub(b.rotate_left(bits));
                (a, b, c) = (b, c, a);
            }
            return b;
        }
        for bits in [4, 6, 8, 16, 19, 4] {
            a = a.wrapping_sub(c) ^ c.rotate_left(bits);
            c = c.wrapping_add(b);
            (a, b, c) = (b, c, a);
        }
        rest = after;
    }
    c
}

/// Whether the checksum of the filter `fletcher32` is that of `bytes`.
pub(super) fn is_fletcher32(said: u32, bytes: &[u8]) -> bool {
    let (mut low, mut high) = (0u32, 0u32);
    for pair in bytes.chunks(2) {
        let word = u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        low = (low + word) % 65_535;
        high = (high + low) % 65_535;
    }
    // A sum of 65,535 is one of 0.
    (said >> 16) % 65_535 == high && (said & 0xffff) % 65_535 == low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup3_is_that_of_its_author() {
        // The values in the comments of `lookup3.c` for seed 0.
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn fletcher32_is_a_sum_of_words_and_of_sums() {
        assert!(is_fletcher32(0x0102_0102, b"\x01\x02"));
        assert!(is_fletcher32(0x0508_0406, b"\x01\x02\x03\x04"));
        assert!(!is_fletcher32(0x0508_0406, b"\x01\x02\x03\x05"));
    }
}
