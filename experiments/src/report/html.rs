//! A report as one HTML page that needs nothing but itself.
//!
//! No scripts, no fonts, no pictures from elsewhere: the page's own security policy forbids them, so
//! that a browser would refuse even what this module let through. What there is to fold unfolds
//! without a script, and in print everything is unfolded.

use std::borrow::Cow;
use std::fmt::Write;

use super::content::{Block, Figure, Inline, Report, Section, Table, Text};

const STYLE: &str = include_str!("style.css");

/// Text as it may stand in an element or in an attribute between double quotes.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped.into()
}

/// Appends to a text in memory, which cannot fail.
macro_rules! put {
    ($page:expr, $($arguments:tt)*) => {{
        let _ = write!($page, $($arguments)*);
    }};
}

/// The page.
pub fn write(report: &Report) -> String {
    let mut page = String::new();
    put!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{kind}: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">Skip to the content</a>\n\
         <header>\n<p class=\"kind\">{kind}</p>\n<h1>{title}</h1>\n",
        kind = escape(&report.kind),
        title = inline(&Text::new(&report.title), false),
    );
    for text in &report.lead {
        put!(page, "<p class=\"lead\">{}</p>\n", inline(text, true));
    }
    page.push_str("</header>\n<nav aria-label=\"Contents\">\n<ul>\n");
    for section in &report.sections {
        let (id, heading) = (section.id, escape(&section.heading));
        put!(page, "<li><a href=\"#{id}\">{heading}</a></li>\n");
    }
    page.push_str("</ul>\n</nav>\n<main id=\"content\">\n");
    let mut tables = 0;
    for section in &report.sections {
        write_section(section, &mut tables, &mut page);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn write_section(section: &Section, tables: &mut usize, page: &mut String) {
    let (id, heading) = (section.id, escape(&section.heading));
    put!(
        page,
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n"
    );
    for block in &section.blocks {
        match block {
            Block::Heading { id, text } => {
                put!(page, "<h3 id=\"{}\">{}</h3>\n", escape(id), escape(text))
            }
            Block::Paragraph(text) => put!(page, "<p>{}</p>\n", inline(text, true)),
            Block::List(items) => {
                page.push_str("<ul>\n");
                for item in items {
                    put!(page, "<li>{}</li>\n", inline(item, true));
                }
                page.push_str("</ul>\n");
            }
            Block::Terms(terms) => {
                page.push_str("<dl>\n");
                for (term, what) in terms {
                    let (term, what) = (inline(term, true), inline(what, true));
                    put!(page, "<div><dt>{term}</dt><dd>{what}</dd></div>\n");
                }
                page.push_str("</dl>\n");
            }
            Block::Verbatim(text) => put!(
                page,
                "<pre tabindex=\"0\"><code>{}</code></pre>\n",
                escape(text)
            ),
            Block::File { summary, text } => put!(
                page,
                "<details>\n<summary>{}</summary>\n<pre tabindex=\"0\"><code>{}</code></pre>\n</details>\n",
                escape(summary),
                escape(text)
            ),
            Block::Figure(figure) => write_figure(figure, page),
            Block::Table(table) => {
                *tables += 1;
                write_table(table, *tables, page);
            }
        }
    }
    page.push_str("</section>\n");
}

fn write_figure(figure: &Figure, page: &mut String) {
    // Wider than the page's column, so that it is drawn smaller than it should be.
    const COLUMN: f64 = 880.0;
    let wide = match figure.width {
        Some(width) if width > COLUMN => " class=\"wide\"",
        _ => "",
    };
    put!(
        page,
        "<figure id=\"figure-{}\"{wide}>\n<div class=\"drawing\" tabindex=\"0\" role=\"group\" aria-label=\"Figure {}\">{}</div>\n<figcaption>\n<p class=\"hint\">Tap or click the figure to enlarge it, then move it sideways.</p>\n<p>{}</p>\n",
        escape(&figure.name),
        escape(&figure.name),
        figure.drawing,
        inline(&figure.caption, true)
    );
    let link = |file: &String| {
        let file = escape(file);
        format!("<a href=\"{file}\">{file}</a>")
    };
    let all = |files: &[String]| files.iter().map(link).collect::<Vec<_>>().join(", ");
    put!(page, "<p class=\"files\">Files: {}.", all(&figure.files));
    if !figure.data.is_empty() {
        put!(page, " Drawn from {}.", all(&figure.data));
    }
    page.push_str("</p>\n</figcaption>\n</figure>\n");
}

fn write_table(table: &Table, number: usize, page: &mut String) {
    let caption = escape(&table.caption);
    if table.is_long() {
        put!(
            page,
            "<details>\n<summary>{caption} <span class=\"count\">({} rows)</span></summary>\n",
            table.rows.len()
        );
    }
    put!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-labelledby=\"table-{number}\">\n<table>\n\
         <caption id=\"table-{number}\"><span>{caption}</span></caption>\n<thead>\n<tr>"
    );
    // Words that may be broken into lines, so that they do not take all the width; names may not.
    const LONG: usize = 28;
    let is_long = |index: usize| {
        table
            .written()
            .iter()
            .any(|row| row[index].chars().count() > LONG)
    };
    let classes: Vec<&str> = (table.columns.iter().enumerate())
        .map(|(index, column)| match column.is_numeric {
            true => " class=\"number\"",
            false if is_long(index) => " class=\"long\"",
            false => "",
        })
        .collect();
    for (column, class) in table.columns.iter().zip(&classes) {
        put!(
            page,
            "<th scope=\"col\"{class}>{}</th>",
            escape(&column.heading)
        );
    }
    page.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in table.written() {
        page.push_str("<tr>");
        for (index, (entry, class)) in row.iter().zip(&classes).enumerate() {
            let entry = escape(entry);
            if index < table.row_headers {
                put!(page, "<th scope=\"row\"{class}>{entry}</th>");
            } else {
                put!(page, "<td{class}>{entry}</td>");
            }
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
    put!(
        page,
        "<p class=\"files\">{}</p>\n",
        inline(&table.whole_source(), true)
    );
    if table.is_long() {
        page.push_str("</details>\n");
    }
}

/// Running text; without elements where there can be none, as in a title.
fn inline(text: &Text, with_elements: bool) -> String {
    let part = |part: &Inline| match part {
        Inline::Code(code) if with_elements => format!("<code>{}</code>", escape(code)),
        Inline::File(file) if with_elements => {
            let file = escape(file);
            format!("<a href=\"{file}\">{file}</a>")
        }
        Inline::Plain(text) | Inline::Code(text) | Inline::File(text) => escape(text).into_owned(),
    };
    text.0.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::super::content::Column;
    use super::*;

    #[test]
    fn of_a_very_long_table_the_first_rows_are_written_and_where_all_are() {
        let page = |rows: usize| {
            let table = Table {
                caption: String::new(),
                columns: vec![Column::words("cell")],
                rows: (1..=rows).map(|row| vec![format!("row {row}")]).collect(),
                row_headers: 1,
                source: Text::default().file("fits.csv").and(": all columns."),
            };
            let mut page = String::new();
            write_table(&table, 1, &mut page);
            page
        };
        let (all, thinned) = (page(1000), page(1001));
        assert!(all.contains(">row 1000<") && all.contains("<p class=\"files\"><a href"));
        assert!(thinned.contains(">row 1000<") && !thinned.contains(">row 1001<"));
        let source = "The first 1000 of 1001 rows; all of them are in <a href=\"fits.csv\">";
        assert!(thinned.contains(source), "{thinned}");
    }

    #[test]
    fn what_means_something_to_a_browser_is_escaped() {
        assert_eq!(
            escape("<a href=\"x\">'&'"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;"
        );
        assert!(matches!(escape("ρ(W) = 1"), Cow::Borrowed(_)));
    }
}
