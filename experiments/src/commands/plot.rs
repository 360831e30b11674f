//! `plot`: figures from stored tables alone.

use std::cell::RefCell;
use std::path::Path;

use crate::cli::Format;
use crate::commands::trace::draw_trace_into;
use crate::commands::{CommandError, Status, print};
use crate::config::Config;
use crate::figures::{self, Figure, FigureError, Plot};
use crate::store::{self, LockedFolder, ResultsFolder};

pub fn plot(results: &Path, formats: &[Format]) -> Result<Status, CommandError> {
    if ResultsFolder::is_of_trace(results)? {
        let folder = LockedFolder::existing_other(results)?;
        return print(&lines(results, &draw_trace_into(&folder, formats)?));
    }
    if ResultsFolder::is_of_claims(results)? {
        let folder = LockedFolder::existing_other(results)?;
        let mut figures = Vec::new();
        for id in folder.folder.claims_with_plots()? {
            figures.extend(draw_claim_into(&folder, &id, formats)?);
        }
        return print(&lines(results, &figures));
    }
    let folder = LockedFolder::existing(results)?;
    let text = folder.folder.config()?;
    let file = results.join(store::CONFIG);
    let config = Config::load(&text, &file.display().to_string(), &[])?.config;
    print(&lines(results, &draw_into(&config, &folder, formats)?))
}

/// Where the files of some figures are, one a line.
fn lines(results: &Path, figures: &[String]) -> String {
    let paths = figures.iter().map(|figure| results.join(figure));
    paths.map(|path| format!("{}\n", path.display())).collect()
}

/// Draws the figure of a claim from its stored data and returns the names of the files.
pub fn draw_claim_into(
    folder: &LockedFolder,
    id: &str,
    formats: &[Format],
) -> Result<Vec<String>, CommandError> {
    let name = store::plot_name(id);
    let Some(text) = folder.folder.text(&name)? else {
        return Ok(Vec::new());
    };
    let plot = Plot::from_json(&text).map_err(|problem| {
        CommandError::Usage(format!(
            "{}: {problem}; `vangrad reproduce {id}` writes it again",
            folder.folder.path().join(&name).display()
        ))
    })?;
    let figure = Figure {
        name: id.to_owned(),
        svg: plot.draw(),
    };
    write_figures(folder, &[figure], formats)
}

/// Draws every figure of `config` into `folder` and returns the names of the files.
pub fn draw_into(
    config: &Config,
    folder: &LockedFolder,
    formats: &[Format],
) -> Result<Vec<String>, CommandError> {
    write_figures(folder, &drawn_from(config, &folder.folder)?, formats)
}

/// Writes figures and returns the names of the files.
pub fn write_figures(
    folder: &LockedFolder,
    figures: &[Figure],
    formats: &[Format],
) -> Result<Vec<String>, CommandError> {
    let mut written = Vec::new();
    for figure in figures {
        say_what_is_missing(figure, formats);
        for format in formats {
            let (name, bytes) = format.file(figure);
            folder.write(&name, &bytes)?;
            written.push(name);
        }
    }
    Ok(written)
}

/// One line, if a drawing with the shipped font alone lacks some of the figure's text.
fn say_what_is_missing(figure: &Figure, formats: &[Format]) {
    let missing = figures::missing_characters(&figure.svg);
    if missing.is_empty() || formats.iter().all(|format| *format == Format::Svg) {
        return;
    }
    let missing: Vec<String> = missing.iter().map(|c| format!("`{c}`")).collect();
    eprintln!(
        "note: figure `{}` lacks {} in PNG and PDF: their font, {}, has no such characters; write its text \
         without them",
        figure.name,
        missing.join(", "),
        figures::FONT_NAME
    );
}

/// Every figure of `config`, drawn from the tables that `folder` holds.
pub fn drawn_from(config: &Config, folder: &ResultsFolder) -> Result<Vec<Figure>, CommandError> {
    drawn(folder, |files| figures::draw(config, files))
}

/// What `draw` makes of the files of `folder`.
pub fn drawn(
    folder: &ResultsFolder,
    draw: impl FnOnce(&dyn Fn(&str) -> Option<String>) -> Result<Vec<Figure>, FigureError>,
) -> Result<Vec<Figure>, CommandError> {
    let unreadable = RefCell::new(None);
    let drawn = draw(&|name| {
        folder.text(name).unwrap_or_else(|error| {
            unreadable.replace(Some(error));
            None
        })
    });
    // A file that cannot be read looks absent to the figure; the reason comes first.
    match unreadable.into_inner() {
        Some(error) => Err(error.into()),
        None => drawn.map_err(|problem| CommandError::Figure {
            folder: folder.path().to_owned(),
            problem,
        }),
    }
}

impl Format {
    /// The name and contents of the figure's file in this format.
    pub fn file(self, figure: &Figure) -> (String, Vec<u8>) {
        let (extension, bytes) = match self {
            Format::Svg => ("svg", figure.svg.clone().into_bytes()),
            Format::Png => ("png", figures::render_png(&figure.svg)),
            Format::Pdf => ("pdf", figures::render_pdf(&figure.svg)),
        };
        (store::figure_name(&figure.name, extension), bytes)
    }
}
