//! `report`: what a results folder holds, as a page to read.

use std::cell::RefCell;
use std::path::Path;

use crate::commands::{CommandError, Status, print};
use crate::config::Config;
use crate::report::content::Report;
use crate::report::{self, Folder, ReportError};
use crate::store::{self, LockedFolder, ResultsFolder, StoreError};

pub fn report(results: &Path) -> Result<Status, CommandError> {
    let (folder, report) = if ResultsFolder::is_of_trace(results)? {
        let folder = LockedFolder::existing_other(results)?;
        let report = told(&folder.folder, report::of_trace)?;
        (folder, report)
    } else if ResultsFolder::is_of_claims(results)? {
        let folder = LockedFolder::existing_other(results)?;
        let report = told(&folder.folder, report::of_claims)?;
        (folder, report)
    } else {
        let folder = LockedFolder::existing(results)?;
        let text = folder.folder.config()?;
        let file = results.join(store::CONFIG);
        let config = Config::load(&text, &file.display().to_string(), &[])?.config;
        let manifest = folder.folder.manifest()?;
        let report = told(&folder.folder, |files| {
            report::of_run(&config, &text, manifest.as_ref(), files)
        })?;
        (folder, report)
    };
    let mut lines = String::new();
    for (name, text) in report::files(&report) {
        folder.write(name, text.as_bytes())?;
        lines.push_str(&format!("{}\n", results.join(name).display()));
    }
    print(&lines)
}

/// What `tell` makes of the files of `folder`.
fn told(
    folder: &ResultsFolder,
    tell: impl FnOnce(&Folder) -> Result<Report, ReportError>,
) -> Result<Report, CommandError> {
    let unreadable = RefCell::new(None);
    let if_readable = |found: Result<Option<String>, StoreError>| {
        found.unwrap_or_else(|error| {
            unreadable.replace(Some(error));
            None
        })
    };
    let report = tell(&Folder {
        name: &folder.name()?,
        text: &|name| if_readable(folder.text(name)),
        first_line: &|name| if_readable(folder.first_line(name)),
        has: &|name| folder.has(name),
    });
    // A file that cannot be read looks absent to the report; the reason comes first.
    match unreadable.into_inner() {
        Some(error) => Err(error.into()),
        None => report.map_err(|problem| CommandError::Report {
            folder: folder.path().to_owned(),
            problem,
        }),
    }
}
