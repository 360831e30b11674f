#![allow(missing_docs)]
use kernels::simd::{Level, Pass, Simd, run_at};
use std::time::Instant;
struct T<'a, const N: usize, const L: bool>(&'a mut [f64]);
impl<const N: usize, const L: bool> Pass for T<'_, N, L> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for k in (0..self.0.len()).step_by(8 * N) {
            let mut x = [s.splat(0.0); N];
            for i in 0..N {
                x[i] = s.load(self.0, k + 8 * i);
            }
            let y = if L {
                kernels::logistic_of(s, x)
            } else {
                kernels::tanh_of(s, x)
            };
            for i in 0..N {
                s.store(self.0, k + 8 * i, y[i]);
            }
        }
    }
}
struct Copy0<'a>(&'a mut [f64]);
impl Pass for Copy0<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for k in (0..self.0.len()).step_by(8) {
            let x = s.load(self.0, k);
            s.store(self.0, k, s.abs(x));
        }
    }
}
struct Chain(usize, f64);
impl Pass for Chain {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let mut x = s.splat(self.1);
        for _ in 0..self.0 {
            x = kernels::tanh_of(s, [x])[0];
        }
        s.sum(x)
    }
}
fn best(mut f: impl FnMut()) -> f64 {
    let mut b = f64::INFINITY;
    let t0 = Instant::now();
    while t0.elapsed().as_secs_f64() < 0.1 {
        let t = Instant::now();
        f();
        b = b.min(t.elapsed().as_secs_f64());
    }
    b * 1e9
}
fn main() {
    let n = 1024;
    for level in [Level::Avx512, Level::Avx2, Level::Portable] {
        let mut v: Vec<f64> = (0..n).map(|i| (i as f64 * 0.37).sin()).collect();
        macro_rules! m { ($name:expr, $e:ident $(< $($a:tt),* >)?) => {{ let w = v.clone(); let t = best(|| { v.copy_from_slice(&w); run_at(level, $e$(::<$($a),*>)?(&mut v)); }); v.copy_from_slice(&w); println!("{level:?} {:30} {:.2} ns/vec", $name, t/(n as f64/8.0)); }} }
        m!("copy", Copy0);
        m!("tanh 1", T<1,false>);
        m!("tanh 2", T<2,false>);
        m!("tanh 3", T<3,false>);
        m!("tanh 4", T<4,false>);
        m!("tanh 8", T<8,false>);
        m!("log 1", T<1,true>);
        m!("log 2", T<2,true>);
        m!("log 3", T<3,true>);
        m!("log 4", T<4,true>);
        m!("log 8", T<8,true>);
        println!(
            "chain {:.2}",
            best(|| {
                std::hint::black_box(run_at(level, Chain(1000, std::hint::black_box(0.3))));
            }) / 1000.0
        );
    }
}
