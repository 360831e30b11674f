//! `list`: the experiments that come with the program.

use std::path::Path;

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
    shipped!("edge-of-chaos"),
    shipped!("forget-bias"),
    shipped!("activations"),
    shipped!("initializations"),
    shipped!("horizon"),
    shipped!("gates"),
    shipped!("closer"),
    shipped!("error-surface"),
    shipped!("lyapunov"),
    shipped!("cells"),
    shipped!("standard-sweep"),
];

/// What to run instead of a config that is not there.
pub fn suggestion(path: &Path) -> String {
    let meant = path.file_stem().and_then(|stem| stem.to_str());
    let shipped = SHIPPED.iter().find(|(name, _)| Some(*name) == meant);
    match shipped {
        Some((name, _)) => format!("did you mean experiments/configs/{name}.toml?"),
        None => "`vangrad list` shows those that come with the program".to_owned(),
    }
}

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
