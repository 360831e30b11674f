//! A stored SVG made fit to stand in a page.
//!
//! A file of a results folder may be anybody's. What goes into the page is a drawing and nothing
//! else: no scripts, no styles that would reach the page's own text, no references to anything
//! outside, and no ids that another drawing might have too.

use std::fmt::Write;

use resvg::usvg::roxmltree::{Document, Node, NodeType};

use super::html::escape;

/// The elements a drawing is made of.
const ELEMENTS: [&str; 17] = [
    "svg",
    "g",
    "defs",
    "title",
    "desc",
    "clipPath",
    "linearGradient",
    "stop",
    "path",
    "line",
    "polyline",
    "polygon",
    "rect",
    "circle",
    "ellipse",
    "text",
    "tspan",
];
const NAMESPACE: &str = "http://www.w3.org/2000/svg";

/// The drawing of an SVG file as an element of a page: with `name` before each of its ids, and `label` as
/// what it shows for those who cannot see it.
///
/// # Errors
///
/// Says what the file has that no drawing of this program has.
pub fn inline(svg: &str, name: &str, label: &str) -> Result<String, String> {
    let document = Document::parse(svg).map_err(|error| error.to_string())?;
    let root = document.root_element();
    if root.tag_name().name() != "svg" {
        return Err(format!("the element `{}`", root.tag_name().name()));
    }
    let mut page = String::with_capacity(svg.len());
    let label = format!(" role=\"img\" aria-label=\"{}\"", escape(label));
    element(root, name, &label, &mut page)?;
    Ok(page)
}

/// The width of a drawing in pixels, if it says so.
pub fn width(svg: &str) -> Option<f64> {
    let document = Document::parse(svg).ok()?;
    document.root_element().attribute("width")?.parse().ok()
}

/// Writes an element, and `further` attributes.
fn element(node: Node, name: &str, further: &str, page: &mut String) -> Result<(), String> {
    let tag = node.tag_name();
    if tag.namespace() != Some(NAMESPACE) || !ELEMENTS.contains(&tag.name()) {
        return Err(format!("the element `{}`", tag.name()));
    }
    let _ = write!(page, "<{}{further}", tag.name());
    for attribute in node.attributes() {
        let key = attribute.name();
        let value = own(key, attribute.value(), name)
            .ok_or_else(|| format!("the attribute `{key}` = `{}`", attribute.value()))?;
        let _ = write!(page, " {key}=\"{}\"", escape(&value));
    }
    page.push('>');
    for child in node.children() {
        match child.node_type() {
            NodeType::Element => element(child, name, "", page)?,
            // Between elements there is nothing but line breaks, and a text's own ends mean nothing.
            NodeType::Text => page.push_str(&escape(child.text().unwrap_or("").trim_matches('\n'))),
            _ => {}
        }
    }
    let _ = write!(page, "</{}>", tag.name());
    Ok(())
}

/// The value of an attribute, with ids, and references to them, made the drawing's own; `None` for what may
/// do more than draw.
fn own(key: &str, value: &str, name: &str) -> Option<String> {
    let references = value.matches("url(").count();
    // HTML does not tell capital letters from small ones.
    match key.to_ascii_lowercase().as_str() {
        "id" => Some(format!("{name}-{value}")),
        "style" | "href" | "class" => None,
        key if key.starts_with("on") => None,
        _ if references != value.matches("url(#").count() => None,
        _ => Some(value.replace("url(#", &format!("url(#{name}-"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(content: &str) -> String {
        format!("<svg xmlns=\"{NAMESPACE}\" width=\"1\">{content}</svg>")
    }

    #[test]
    fn ids_become_the_drawings_own() {
        let file = "<?xml version=\"1.0\"?>\n".to_owned()
            + &svg(
                "<clipPath id='a'/><g clip-path=\"url(#a)\" id=\"b\"><text>\na &lt;<tspan> b</tspan>\n</text></g>",
            )
            + "\n";
        assert_eq!(
            inline(&file, "decay", "a \"quoted\" title").unwrap(),
            "<svg role=\"img\" aria-label=\"a &quot;quoted&quot; title\" width=\"1\">\
             <clipPath id=\"decay-a\"></clipPath><g clip-path=\"url(#decay-a)\" id=\"decay-b\">\
             <text>a &lt;<tspan> b</tspan></text></g></svg>"
        );
    }

    #[test]
    fn what_is_no_drawing_is_refused() {
        for (content, found) in [
            ("<script>alert(1)</script>", "script"),
            ("<SCRIPT/>", "SCRIPT"),
            ("<style>p { color: red }</style>", "style"),
            ("<rect x=\"1\" ONCLICK = \"alert(1)\"/>", "ONCLICK"),
            ("<g href=\"https://example.org/a.svg#b\"/>", "example.org"),
            (
                "<rect fill=\"url(https://example.org/#a)\"/>",
                "example.org",
            ),
            ("<rect style=\"fill: red\"/>", "style"),
            ("<foreignObject/>", "foreignObject"),
            ("<image/>", "image"),
            ("<g xmlns=\"http://www.w3.org/1999/xhtml\"/>", "`g`"),
            ("<rect", "expected"),
        ] {
            let said = inline(&svg(content), "a", "b").unwrap_err();
            assert!(said.contains(found), "{content}: {said}");
        }
        assert!(inline("not a drawing", "a", "b").is_err());
    }
}
