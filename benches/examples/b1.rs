#![allow(missing_docs)]
use benches::*;
use gradient_tracking::{probes::*, *};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let kind = if a[1] == "rnn" {
        Kind::VanillaRnn
    } else {
        Kind::Lstm
    };
    let (h, b): (usize, usize) = (a[2].parse().unwrap(), a[3].parse().unwrap());
    let what = &a[4];
    let reps: usize = a[5].parse().unwrap();
    let p = Problem::new(kind, h, 100, b);
    let cell = &*p.cell;
    let (mut tape, mut ws) = (Tape::new(), Workspace::new());
    rollout(
        cell,
        p.inputs.as_view(),
        p.initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    let t = std::time::Instant::now();
    for _ in 0..reps {
        if what == "fwd" {
            rollout(
                cell,
                p.inputs.as_view(),
                p.initial.as_view(),
                &mut tape,
                &mut [],
            )
            .unwrap();
        } else {
            let mut norms = BlockNorms::new(cell, 100, b, false);
            let mut w = ParameterGradient::new(cell, 100, b);
            let mut v: Vec<&mut dyn Probe> = vec![];
            if what == "norms" || what == "weights" {
                v.push(&mut norms);
            }
            if what == "weights" {
                v.push(&mut w);
            }
            let mut loss = p.loss();
            backpropagate(
                cell,
                p.inputs.as_view(),
                &tape,
                &mut loss,
                None,
                &mut ws,
                &mut v,
            )
            .unwrap();
        }
    }
    println!("{:.2} us", t.elapsed().as_secs_f64() * 1e6 / reps as f64);
}
