//! A report as a Markdown file, in the dialect of GitHub, which has tables.

use std::fmt::Write;

use super::content::{Block, Figure, Inline, Report, Section, Table, Text};

/// Appends to a text in memory, which cannot fail.
macro_rules! put {
    ($page:expr, $($arguments:tt)*) => {{
        let _ = write!($page, $($arguments)*);
    }};
}

/// The file.
pub fn write(report: &Report) -> String {
    let mut file = String::new();
    put!(
        file,
        "# {}\n\n*{}*\n",
        inline(&Text::new(&report.title)),
        escape(&report.kind)
    );
    for text in &report.lead {
        put!(file, "\n{}\n", inline(text));
    }
    for section in &report.sections {
        write_section(section, &mut file);
    }
    file
}

fn write_section(section: &Section, file: &mut String) {
    put!(file, "\n## {}\n", escape(&section.heading));
    for block in &section.blocks {
        file.push('\n');
        match block {
            Block::Heading { text, .. } => put!(file, "### {}\n", escape(text)),
            Block::Paragraph(text) => put!(file, "{}\n", inline(text)),
            Block::List(items) => {
                for item in items {
                    put!(file, "- {}\n", inline(item));
                }
            }
            Block::Terms(terms) => {
                for (term, what) in terms {
                    put!(file, "- **{}**: {}\n", inline(term), inline(what));
                }
            }
            Block::Verbatim(text) => fenced(text, file),
            Block::File { summary, text } => {
                put!(
                    file,
                    "<details>\n<summary>{}</summary>\n\n",
                    super::html::escape(summary)
                );
                fenced(text, file);
                file.push_str("\n</details>\n");
            }
            Block::Figure(figure) => write_figure(figure, file),
            Block::Table(table) => write_table(table, file),
        }
    }
}

/// A block of code, between fences longer than any in it.
fn fenced(text: &str, file: &mut String) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    put!(
        file,
        "{fence}text\n{}\n{fence}\n",
        text.trim_end_matches('\n')
    );
}

fn write_figure(figure: &Figure, file: &mut String) {
    let link = |file: &String| format!("[{}]({file})", escape(file));
    let all = |files: &[String]| files.iter().map(link).collect::<Vec<_>>().join(", ");
    let drawing = figure.files.first().map_or("", String::as_str);
    put!(
        file,
        "![{}]({drawing})\n\n{}\n\nFiles: {}.",
        escape(&figure.title),
        inline(&figure.caption),
        all(&figure.files)
    );
    if !figure.data.is_empty() {
        put!(file, " Drawn from {}.", all(&figure.data));
    }
    file.push('\n');
}

fn write_table(table: &Table, file: &mut String) {
    if table.is_long() {
        put!(
            file,
            "<details>\n<summary>{} ({} rows)</summary>\n\n",
            super::html::escape(&table.caption),
            table.rows.len()
        );
    } else {
        put!(file, "**{}**\n\n", escape(&table.caption));
    }
    let line = |entries: &mut dyn Iterator<Item = String>| {
        format!("| {} |\n", entries.collect::<Vec<_>>().join(" | "))
    };
    let columns = &table.columns;
    file.push_str(&line(
        &mut columns.iter().map(|column| escape(&column.heading)),
    ));
    let rule = |is_numeric: bool| if is_numeric { "---:" } else { "---" };
    file.push_str(&line(
        &mut columns
            .iter()
            .map(|column| rule(column.is_numeric).to_owned()),
    ));
    for row in table.written() {
        file.push_str(&line(&mut row.iter().map(|entry| escape(entry))));
    }
    put!(file, "\n{}\n", inline(&table.whole_source()));
    if table.is_long() {
        file.push_str("\n</details>\n");
    }
}

fn inline(text: &Text) -> String {
    let part = |part: &Inline| match part {
        Inline::Plain(text) => escape(text),
        Inline::File(file) => format!("[{}]({file})", escape(file)),
        Inline::Code(code) => {
            // Between more backticks than there are in it.
            let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
            let ticks = "`".repeat(longest + 1);
            let pad = if longest > 0 { " " } else { "" };
            format!("{ticks}{pad}{code}{pad}{ticks}")
        }
    };
    text.0.iter().map(part).collect()
}

/// Text that means itself: what Markdown would read as markup is escaped, line breaks are spaces.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' | '\r' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&' | '~' | '$' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_to_markdown_is_escaped() {
        assert_eq!(escape("h_carried | <b>"), "h\\_carried \\| \\<b\\>");
        assert_eq!(escape("two\nlines"), "two lines");
    }

    #[test]
    fn fences_are_longer_than_those_inside() {
        let mut file = String::new();
        fenced("a\n```\nb\n", &mut file);
        assert_eq!(file, "````text\na\n```\nb\n````\n");
        assert_eq!(
            inline(&Text(vec![Inline::Code("a`b".to_owned())])),
            "`` a`b ``"
        );
    }
}
