//! Matrix products against naive loops.
#![expect(unsafe_code, reason = "a transpose between raw matrices")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use deckle_cpu::{
    Simd, Threads,
    gemm::{Base, Gemm, GemmFloat, Packed, Plan, Source, Turn},
    simd::Float,
};
use deckle_tensor::random::Draw;

/// Numbers in [-1, 1) that depend on the position alone.
fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let draw = Draw::new(seed, 0, 0);
    (0..len).map(|i| T::from_f64(2.0 * draw.uniform(i as u64) - 1.0)).collect()
}

struct Case<T> {
    gemm: Gemm,
    a: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
}

impl<T: Float> Case<T> {
    fn new(gemm: Gemm) -> Self {
        let Gemm { m, n, k, .. } = gemm;
        let len = |rows: usize, columns: usize, [row, column]: [usize; 2]| {
            rows.saturating_sub(1) * row + columns.saturating_sub(1) * column + 1
        };
        let a = numbers(len(m, k, gemm.a), 1);
        let b = numbers(len(k, n, gemm.b), 2);
        let c = numbers(m * gemm.c_row + 3, 3);
        Self { gemm, a, b, c }
    }

    fn expected(&self, row: usize, column: usize) -> (f64, f64) {
        let gemm = &self.gemm;
        let start = self.c[row * gemm.c_row + column].to_f64();
        let (mut sum, mut size) =
            if gemm.accumulate { (start, start.abs()) } else { (0.0, 0.0) };
        for p in 0..gemm.k {
            let a = self.a[row * gemm.a[0] + p * gemm.a[1]].to_f64();
            let b = self.b[p * gemm.b[0] + column * gemm.b[1]].to_f64();
            sum += a * b;
            size += (a * b).abs();
        }
        (sum, size)
    }

    #[track_caller]
    fn check(&self, simd: Simd, threads: &[Threads], epsilon: f64) {
        let gemm = &self.gemm;
        let mut first: Option<Vec<T>> = None;
        for threads in threads {
            let count = threads.count();
            let mut c = self.c.clone();
            let mut scratch = numbers(gemm.scratch::<T>(simd, count), 4);
            scratch.fill(T::from_f64(f64::NAN));
            let calls = std::sync::Mutex::new(vec![0; gemm.m * gemm.n]);
            let double = |row: usize, column: usize, part: &mut [T]| {
                let mut calls = calls.lock().unwrap();
                for (i, element) in part.iter_mut().enumerate() {
                    *element = *element + *element;
                    calls[row * gemm.n + column + i] += 1;
                }
            };
            gemm.run(
                simd,
                threads,
                &self.a,
                &self.b,
                &mut c,
                &mut scratch,
                Some(&double),
            );
            assert!(calls.into_inner().unwrap().iter().all(|&n| n == 1), "{gemm:?}");
            if let Some(first) = &first {
                let same = c.iter().zip(first).all(|(a, b)| a == b);
                assert!(same, "{gemm:?} differs on {count} threads");
            } else {
                for (i, &value) in c.iter().enumerate() {
                    let (row, column) = (i / gemm.c_row.max(1), i % gemm.c_row.max(1));
                    if row >= gemm.m || column >= gemm.n {
                        assert!(value == self.c[i], "{gemm:?} writes outside of C");
                        continue;
                    }
                    let (sum, size) = self.expected(row, column);
                    let error = (value.to_f64() - 2.0 * sum).abs();
                    let limit =
                        4.0 * epsilon * (1.0 + size) * (1.0 + (gemm.k as f64).sqrt());
                    assert!(
                        error <= limit,
                        "{gemm:?} on {simd:?}: C[{row}, {column}] = {value:?}, expected {}",
                        2.0 * sum
                    );
                }
                first = Some(c);
            }
        }
    }
}

fn variants(m: usize, n: usize, k: usize) -> Vec<Gemm> {
    let gemm = Gemm::new(m, n, k);
    vec![
        gemm,
        gemm.transpose_a(true).accumulate(true),
        gemm.transpose_b(true),
        gemm.transpose_a(true).transpose_b(true).c_stride(n + 1),
        gemm.a_strides(k + 3, 1).b_strides(n + 5, 1).c_stride(n + 2).accumulate(true),
        gemm.a_strides(2 * k + 1, 2).b_strides(3, 3 * k + 2),
    ]
}

fn check_all(shapes: &[(usize, usize, usize)]) {
    let threads = [1, 2, 3, 5].map(Threads::new);
    for simd in Simd::available() {
        for &(m, n, k) in shapes {
            for gemm in variants(m, n, k) {
                Case::<f32>::new(gemm).check(simd, &threads, f64::from(f32::EPSILON));
                Case::<f64>::new(gemm).check(simd, &threads, f64::EPSILON);
            }
        }
    }
}

#[test]
fn small_shapes_agree_with_the_definition() {
    let lengths = [0, 1, 2, 3, 5, 8, 13, 17, 33];
    let mut shapes = Vec::new();
    for m in lengths {
        for n in lengths {
            for k in [0, 1, 2, 7, 16, 19] {
                shapes.push((m, n, k));
            }
        }
    }
    check_all(&shapes);
}

#[test]
fn shapes_that_are_cut_into_tasks_agree_with_the_definition() {
    check_all(&[
        (1, 700, 401),
        (700, 1, 401),
        (3, 300, 530),
        (29, 131, 600),
        (129, 67, 513),
        (67, 515, 130),
        (300, 10, 300),
        (10, 300, 300),
        (9, 33, 3100),
        (128, 128, 70),
        (1100, 16, 130),
        (260, 272, 50),
        (130, 520, 12),
    ]);
}

#[test]
fn operands_are_read_where_they_are_or_copied() {
    let packed = [Source::Private, Source::Shared];
    let threads = [1, 3].map(Threads::new);
    for simd in Simd::available() {
        let check = |gemm: Gemm, a: &[Source], b: &[Source]| {
            let Plan::Blocks(blocks) = Plan::new(&gemm, f32::kernels(simd)) else {
                panic!("{gemm:?} is not cut into blocks")
            };
            assert!(a.contains(&blocks.a) && b.contains(&blocks.b), "{blocks:?}");
            Case::<f32>::new(gemm).check(simd, &threads, f64::from(f32::EPSILON));
        };
        let direct = [Source::Direct];
        // More of B than the second cache holds, and a last panel that ends within a vector.
        check(Gemm::new(300, 520, 300), &direct, &direct);
        check(Gemm::new(130, 523, 70), &direct, &direct);
        let spaced = Gemm::new(260, 523, 530).b_strides(528, 1).c_stride(525);
        check(spaced.accumulate(true), &direct, &direct);
        Case::<f64>::new(spaced).check(simd, &threads, f64::EPSILON);
        // B is copied by all threads, in parts of its steps and of its columns.
        check(Gemm::new(300, 290, 530).transpose_b(true), &direct, &[Source::Shared]);
        // Few rows, of more columns: wider tiles.
        check(Gemm::new(4, 1100, 140), &packed, &direct);
        // Rows of A, then of B, a multiple of a page apart.
        check(Gemm::new(130, 270, 1024), &packed, &direct);
        check(Gemm::new(60, 1024, 30), &direct, &packed);
        // For few rows a copy is not worth it.
        check(Gemm::new(16, 1024, 30), &direct, &direct);
        check(Gemm::new(300, 30, 530).transpose_a(true), &[Source::Steps], &direct);
    }
}

#[test]
fn long_sums_are_cut_into_slices() {
    let gemm = Gemm::new(60, 40, 2100);
    let threads = [1, 2, 3, 5].map(Threads::new);
    for simd in Simd::available() {
        let plan = Plan::new(&gemm, f32::kernels(simd));
        assert!(matches!(plan, Plan::Blocks(blocks) if blocks.slices > 1));
        Case::<f32>::new(gemm).check(simd, &threads, f64::from(f32::EPSILON));
        Case::<f32>::new(gemm.transpose_a(true).accumulate(true)).check(
            simd,
            &threads,
            f64::from(f32::EPSILON),
        );
    }
}

#[test]
fn large_results_of_short_sums_are_written_row_by_row() {
    let gemm = Gemm::new(521, 4099, 3).transpose_b(true);
    let threads = [1, 3].map(Threads::new);
    for simd in Simd::available() {
        let plan = Plan::new(&gemm, f32::kernels(simd));
        assert!(matches!(plan, Plan::Blocks(blocks) if blocks.far && blocks.tasks() > 1));
        Case::<f32>::new(gemm).check(simd, &threads, f64::from(f32::EPSILON));
    }
}

#[test]
fn a_batch_is_many_products() {
    let simd = Simd::detect();
    for (m, n, k) in [(5, 7, 9), (130, 140, 150), (0, 3, 2)] {
        let gemm = Gemm::new(m, n, k).transpose_b(true);
        let (a, b) = (numbers::<f32>(2 * m * k, 1), numbers::<f32>(3 * k * n, 2));
        let offsets: Vec<_> = (0..6).map(|i| (i / 3 * m * k, i % 3 * k * n)).collect();
        for count in [1, 3] {
            let threads = Threads::new(count);
            let mut c = vec![0.0; 6 * m * n];
            let mut scratch = vec![0.0; gemm.scratch_batch::<f32>(simd, count)];
            let number = |row: usize, column: usize, part: &mut [f32]| {
                for (i, element) in part.iter_mut().enumerate() {
                    *element += (row + (column + i) / n) as f32;
                }
            };
            gemm.run_batch(
                simd,
                &threads,
                (&a, &b),
                &offsets,
                &mut c,
                &mut scratch,
                Some(&number),
            );
            for (i, &(a_start, b_start)) in offsets.iter().enumerate() {
                let mut one = vec![0.0; m * n];
                let mut scratch = vec![0.0; gemm.scratch::<f32>(simd, count)];
                let (a, b) = (&a[a_start..], &b[b_start..]);
                gemm.run(simd, &threads, a, b, &mut one, &mut scratch, None);
                for (j, value) in one.into_iter().enumerate() {
                    let expected = value + (i * m + j / n) as f32;
                    assert_eq!(c[i * m * n + j].to_bits(), expected.to_bits());
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "A holds 3 x 4")]
fn slices_that_are_too_short_are_refused() {
    let (a, b, mut c) = ([0.0_f32; 11], [0.0; 8], [0.0; 6]);
    let mut scratch = vec![0.0; 4096];
    Gemm::new(3, 2, 4).run(
        Simd::detect(),
        &Threads::new(1),
        &a,
        &b,
        &mut c,
        &mut scratch,
        None,
    );
}

/// Every element of a matrix at its place in the transpose, and nothing else written.
fn check_transpose<T: Float>(
    simd: Simd,
    from_bits: impl Fn(u32) -> T,
    bits: impl Fn(T) -> u64,
) {
    let lens = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33];
    for rows in lens {
        for columns in lens {
            let (row, to_row) = (columns + 3, rows + 2);
            let at = |i: usize| from_bits(0x7fc0_0000 | u32::try_from(i).unwrap());
            let from: Vec<T> = (0..rows * row).map(at).collect();
            let untouched = from_bits(0);
            let mut to = vec![untouched; columns * to_row];
            // SAFETY: both matrices lie within their vectors.
            unsafe {
                T::kernels(simd).transpose(Turn {
                    from: from.as_ptr(),
                    row,
                    to: to.as_mut_ptr(),
                    to_row,
                    rows,
                    columns,
                });
            }
            for (place, element) in to.iter().enumerate() {
                let (p, i) = (place / to_row, place % to_row);
                let expected = if i < rows { from[i * row + p] } else { untouched };
                // Each is NaN, with bits of its own.
                assert_eq!(bits(*element), bits(expected), "{simd:?} {rows} {columns}");
            }
        }
    }
}

#[test]
fn a_transpose_keeps_every_bit() {
    for simd in Simd::available() {
        check_transpose(simd, f32::from_bits, |x| x.to_bits().into());
        let twice = |bits: u32| f64::from_bits(u64::from(bits) << 32 | u64::from(bits));
        check_transpose(simd, twice, f64::to_bits);
    }
}

#[test]
fn products_with_a_copy_are_those_without() {
    for [m, n, k] in
        [[1, 1, 1], [3, 17, 5], [32, 128, 32], [29, 33, 520], [9, 150, 90], [40, 7, 2000]]
    {
        let c_row = n + 3;
        let gemm = Gemm::new(m, n, k).c_stride(c_row);
        let (a, b): (Vec<f64>, Vec<f64>) = (numbers(m * k, 1), numbers(k * n, 2));
        let (row, rows): (Vec<f64>, Vec<f64>) = (numbers(n, 3), numbers(m * c_row, 4));
        let c: Vec<f64> = numbers(m * c_row, 5);
        let bases = [Base::Zero, Base::C, Base::Row(&row), Base::Rows(&rows)];
        for (simd, transposed) in
            Simd::available().flat_map(|simd| [(simd, false), (simd, true)])
        {
            let gemm = if transposed { gemm.transpose_a(true) } else { gemm };
            let packed = Packed::<f64>::new(&gemm, simd);
            let mut copy = vec![f64::NAN; packed.copy_len()];
            packed.pack(None, &b, &mut copy);
            let mut scratch = vec![f64::NAN; packed.scratch()];
            for base in bases {
                let mut found = c.clone();
                packed.run(&a, &copy, base, &mut found, &mut scratch, None);
                for (at, &found) in found.iter().enumerate() {
                    let (i, j) = (at / c_row, at % c_row);
                    let a = |p| if transposed { a[p * m + i] } else { a[i * k + p] };
                    let sum: f64 = (0..k).map(|p| a(p) * b[p * n + j.min(n - 1)]).sum();
                    let expected = match base {
                        _ if j >= n => c[at],
                        Base::Zero => sum,
                        Base::C => c[at] + sum,
                        Base::Row(row) => row[j] + sum,
                        Base::Rows(rows) => rows[at] + sum,
                    };
                    let error = (found - expected).abs();
                    assert!(error < 1e-10, "{m} {n} {k} {base:?} {simd:?} {i} {j}");
                }
            }
        }
    }
}
