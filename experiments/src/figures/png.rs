//! SVG to PNG, with the shipped font and no other, so that pixels do not depend on the machine.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::roxmltree::Document;
use resvg::usvg::{Options, Tree, fontdb};
use skrifa::{FontRef, MetadataProvider};

/// Pixels of the PNG per pixel of the SVG.
const SCALE: f32 = 2.0;

const FONTS: [&[u8]; 2] = [
    include_bytes!("../../assets/font/Inter-Regular.otf"),
    include_bytes!("../../assets/font/Inter-SemiBold.otf"),
];

fn fonts() -> Arc<fontdb::Database> {
    static FONT_DATABASE: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    FONT_DATABASE
        .get_or_init(|| {
            let mut database = fontdb::Database::new();
            for font in FONTS {
                database.load_font_data(font.to_vec());
            }
            Arc::new(database)
        })
        .clone()
}

/// How figures are read: with the shipped fonts, whatever else they name.
pub(super) fn options() -> Options<'static> {
    Options {
        font_family: FONT_NAME.to_owned(),
        fontdb: fonts(),
        ..Options::default()
    }
}

/// What the shipped fonts are called.
pub const FONT_NAME: &str = "Inter";

/// The characters of a drawing that neither of the shipped fonts has, each once, in the order of the text.
/// Only a viewer of the SVG may have a font that does.
pub fn missing_characters(svg: &str) -> Vec<char> {
    let Ok(document) = Document::parse(svg) else {
        return Vec::new();
    };
    let fonts = FONTS.map(|font| FontRef::new(font).expect("the shipped fonts can be read"));
    let is_drawn =
        |c: char| c.is_whitespace() || fonts.iter().any(|font| font.charmap().map(c).is_some());
    let mut missing = Vec::new();
    let texts = document.descendants().filter(|node| node.is_text());
    for c in texts.flat_map(|node| node.text().unwrap_or("").chars()) {
        if !missing.contains(&c) && !is_drawn(c) {
            missing.push(c);
        }
    }
    missing
}

/// Renders a drawn figure as a PNG file at twice its size, on white.
///
/// # Panics
///
/// If `svg` is no SVG document: it must come from [`draw`](super::draw).
pub fn render_png(svg: &str) -> Vec<u8> {
    let tree = Tree::from_str(svg, &options()).expect("figures are valid SVG");
    let size = tree.size();
    let pixels = |length: f32| (length * SCALE).ceil() as u32;
    let mut pixmap =
        Pixmap::new(pixels(size.width()), pixels(size.height())).expect("figures are not empty");
    pixmap.fill(Color::WHITE);
    resvg::render(
        &tree,
        Transform::from_scale(SCALE, SCALE),
        &mut pixmap.as_mut(),
    );
    pixmap.encode_png().expect("encoding to memory cannot fail")
}
