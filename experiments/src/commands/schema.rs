//! `schema`: the JSON Schema of the config.

use crate::commands::{CommandError, Status, print};
use crate::config::Config;

pub fn schema() -> Result<Status, CommandError> {
    print(&format!("{:#}\n", Config::schema()))
}
