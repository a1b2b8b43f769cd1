//! The fast CPU backend: fusion, memory plan, vector kernels, threads.

pub mod gemm;
pub mod simd;
pub mod threads;

pub use simd::Simd;
pub use threads::Threads;
