//! `list`: the experiments that come with the program.

use crate::commands::Status;

macro_rules! shipped {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../configs/", $name, ".toml")),
        )
    };
}

/// Each shipped config, by name. A new experiment is one file and one line here.
const SHIPPED: &[(&str, &str)] = &[
    shipped!("decay"),
    shipped!("spectral-radius"),
    shipped!("forget-bias"),
    shipped!("activations"),
    shipped!("initializations"),
    shipped!("horizon"),
    shipped!("gates"),
    shipped!("closer"),
    shipped!("standard-sweep"),
];

pub fn list() -> Status {
    for (name, config) in SHIPPED {
        let about = config
            .lines()
            .next()
            .unwrap_or("")
            .trim_start_matches(['#', ' ']);
        println!("{name:16} {about}");
        println!("{:16} vangrad run experiments/configs/{name}.toml", "");
    }
    Status::Done
}
