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
    if let Some(big) = a.get(6) {
        let big: usize = big.parse().unwrap();
        let p = Problem::new(Kind::VanillaRnn, big, 100, 32);
        rollout(
            &*p.cell,
            p.inputs.as_view(),
            p.initial.as_view(),
            &mut tape,
            &mut [],
        )
        .unwrap();
        let p2 = Problem::new(Kind::Lstm, big, 100, 32);
        if a.len() > 7 {
            rollout(
                &*p2.cell,
                p2.inputs.as_view(),
                p2.initial.as_view(),
                &mut tape,
                &mut [],
            )
            .unwrap();
        }
        let mut loss = p.loss();
        if a.len() > 8 {
            rollout(
                &*p.cell,
                p.inputs.as_view(),
                p.initial.as_view(),
                &mut tape,
                &mut [],
            )
            .unwrap();
            backpropagate(
                &*p.cell,
                p.inputs.as_view(),
                &tape,
                &mut loss,
                None,
                &mut ws,
                &mut [],
            )
            .unwrap();
        }
    }
    rollout(
        cell,
        p.inputs.as_view(),
        p.initial.as_view(),
        &mut tape,
        &mut [],
    )
    .unwrap();
    let t = std::time::Instant::now();
    let mut all = vec![];
    for _ in 0..reps {
        let t1 = std::time::Instant::now();
        if what == "all" {
            rollout(
                cell,
                p.inputs.as_view(),
                p.initial.as_view(),
                &mut tape,
                &mut [],
            )
            .unwrap();
        }
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
            if what == "norms" || what == "weights" || what == "all" {
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
        all.push(t1.elapsed().as_secs_f64() * 1e6);
    }
    let first = all[..4].to_vec();
    all.sort_by(f64::total_cmp);
    println!(
        "first {first:?} min {:.1} p10 {:.1} median {:.1} p90 {:.1}",
        all[0],
        all[reps / 10],
        all[reps / 2],
        all[reps * 9 / 10]
    );
    println!("{:.2} us", t.elapsed().as_secs_f64() * 1e6 / reps as f64);
}
