//! The heading of a drawing, read from its SVG.

use resvg::usvg::roxmltree::{Document, Node};

/// The colour of what figures print small.
const SMALL_PRINT: &str = "#5F5F5F";
const NAMESPACE: &str = "http://www.w3.org/2000/svg";

/// The lines of text at the top of a drawing: its heading, in bold, and what stands small below it.
pub fn heading(svg: &str) -> (String, String) {
    let (mut bold, mut small) = (Vec::new(), Vec::new());
    let Ok(document) = Document::parse(svg) else {
        return Default::default();
    };
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name((NAMESPACE, "text")));
    for text in texts {
        let words = words(text);
        let is_bold = text.attribute("font-weight") == Some("bold");
        if is_bold && small.is_empty() {
            bold.push(words);
        } else if !is_bold && text.attribute("fill") == Some(SMALL_PRINT) {
            small.push(words);
        } else {
            break;
        }
    }
    (bold.join(" "), small.join(" "))
}

/// The words of a text; before a part that is lower than the rest stands `_`, before one that is higher `^`, as
/// where the figure was described.
fn words(text: Node) -> String {
    let mut words = String::new();
    for node in text.descendants().filter(Node::is_text) {
        let part = node
            .parent()
            .filter(|part| part.attribute("font-size").is_some());
        let shift = part
            .filter(|part| *part != text)
            .and_then(|part| part.attribute("dy"));
        words.push_str(match shift {
            None => "",
            Some(up) if up.starts_with('-') => "^",
            Some(_) => "_",
        });
        words.push_str(node.text().unwrap_or(""));
    }
    words.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(content: &str) -> String {
        format!("<svg xmlns=\"{NAMESPACE}\" width=\"1\">{content}</svg>")
    }

    #[test]
    fn the_heading_is_what_stands_in_bold_at_the_top() {
        let bold = |text| format!("<text font-weight=\"bold\">\n{text}\n</text>");
        let small = |text| format!("<text fill=\"{SMALL_PRINT}\">\n{text}\n</text>");
        let parts = [
            "<rect/>".to_owned(),
            bold("A &lt; B,"),
            bold("seen"),
            small(
                "Median of σ<tspan dy=\"22\" font-size=\"72\">w</tspan><tspan dy=\"-22\"> and \
                 0.9<tspan dy=\"-34\" font-size=\"72\">k</tspan></tspan>.",
            ),
            "<text>lag</text>".to_owned(),
            small("later"),
        ];
        assert_eq!(
            heading(&svg(&parts.concat())),
            (
                "A < B, seen".to_owned(),
                "Median of σ_w and 0.9^k.".to_owned()
            )
        );
    }
}
