//! `list`: the experiments that come with the program.

use crate::commands::{CommandError, Status, print};

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
    shipped!("standard-sweep"),
];

pub fn list() -> Result<Status, CommandError> {
    let mut text = String::new();
    for (name, config) in SHIPPED {
        let about = config
            .lines()
            .next()
            .unwrap_or("")
            .trim_start_matches(['#', ' ']);
        text.push_str(&format!("{name:16} {about}\n"));
        text.push_str(&format!(
            "{:16} vangrad run experiments/configs/{name}.toml\n",
            ""
        ));
    }
    print(&text)
}
