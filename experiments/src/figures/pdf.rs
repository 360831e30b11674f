//! SVG to PDF: the same drawing as vectors, with its text as text in the shipped font, for LaTeX.
//!
//! usvg, which the PNG is rendered by, says where every glyph and path goes; here that is written down
//! in the words of PDF (ISO 32000). Only what `canvas` draws is known: filled and stroked paths of
//! one colour, with an opacity, and text. One pixel of the figure is one point of the page.
//!
//! Nothing in the file depends on when or where it was written.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{
    CidFontType, FontFlags, LineCapStyle, LineJoinStyle, SystemInfo, UnicodeCmap,
};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use resvg::tiny_skia::{PathSegment, Transform};
use resvg::usvg::{self, FillRule, LineCap, LineJoin, Node, Paint, Tree, fontdb};
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::raw::TableProvider;
use skrifa::{FontRef, MetadataProvider, Tag};
use subsetter::GlyphRemapper;

use super::png;

/// The glyphs of a font are numbered anew; this says so (ISO 32000-1, 9.7.3).
const SYSTEM_INFO: SystemInfo = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};

/// Renders a drawn figure as a PDF file of one page, as large as the figure.
///
/// # Panics
///
/// If `svg` is no SVG document, or has what no figure has: it must come from [`draw`](super::draw).
pub fn render_pdf(svg: &str) -> Vec<u8> {
    let tree = Tree::from_str(svg, &png::options()).expect("figures are valid SVG");
    let mut page = Page {
        content: Content::new(),
        height: tree.size().height(),
        fonts: BTreeMap::new(),
        opacities: BTreeMap::new(),
        tree: &tree,
    };
    page.group(tree.root(), 1.0);
    page.finish(&super::heading(svg).0)
}

/// A page that is being written.
struct Page<'a> {
    content: Content,
    /// In points. PDF counts heights from below.
    height: f32,
    fonts: BTreeMap<fontdb::ID, Font>,
    /// What opacities are called, by their thousandths: of fills and of strokes.
    opacities: BTreeMap<(u16, u16), String>,
    tree: &'a Tree,
}

/// A font, as far as the page uses it.
struct Font {
    name: String,
    data: Vec<u8>,
    /// The glyphs in use, numbered anew.
    glyphs: GlyphRemapper,
    /// The text each of them stands for, by its new number.
    text: BTreeMap<u16, String>,
}

/// A glyph and where it goes.
struct Placed<'a> {
    font: fontdb::ID,
    glyph: u16,
    text: &'a str,
    /// From the font's space, in which a glyph is as high as the font size and up is up, to the page.
    matrix: Transform,
}

impl Page<'_> {
    fn group(&mut self, group: &usvg::Group, opacity: f32) {
        assert!(
            group.clip_path().is_none() && group.mask().is_none() && group.filters().is_empty(),
            "figures have no clips, masks or filters"
        );
        // Exact, since groups with an opacity hold one element each.
        let opacity = opacity * group.opacity().get();
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group, opacity),
                Node::Path(path) => self.path(path, opacity),
                Node::Text(text) => self.text(text, opacity),
                Node::Image(_) => unreachable!("figures have no images"),
            }
        }
    }

    /// From the figure's coordinates to the page's.
    fn to_page(&self, transform: Transform) -> Transform {
        transform.post_concat(Transform::from_row(1.0, 0.0, 0.0, -1.0, 0.0, self.height))
    }

    fn opacity(&mut self, fill: f32, stroke: f32) {
        let thousandths = |opacity: f32| (opacity * 1000.0).round() as u16;
        let key = (thousandths(fill), thousandths(stroke));
        let next = format!("G{}", self.opacities.len());
        let name = self.opacities.entry(key).or_insert(next);
        self.content.set_parameters(Name(name.as_bytes()));
    }

    fn path(&mut self, path: &usvg::Path, opacity: f32) {
        if !path.is_visible() {
            return;
        }
        let transform = self.to_page(path.abs_transform());
        let part = |part: Option<f32>| part.map_or(opacity, |part| part * opacity);
        let fill = path.fill();
        let stroke = path.stroke();
        self.opacity(
            part(fill.map(|fill| fill.opacity().get())),
            part(stroke.map(|stroke| stroke.opacity().get())),
        );
        let content = &mut self.content;
        if let Some(fill) = fill {
            let [r, g, b] = rgb(fill.paint());
            content.set_fill_rgb(r, g, b);
        }
        if let Some(stroke) = stroke {
            let [r, g, b] = rgb(stroke.paint());
            content.set_stroke_rgb(r, g, b);
            // Figures are scaled alike in both directions.
            let scale = transform.get_scale().0;
            content.set_line_width(round(stroke.width().get() * scale));
            content.set_line_cap(match stroke.linecap() {
                LineCap::Butt => LineCapStyle::ButtCap,
                LineCap::Round => LineCapStyle::RoundCap,
                LineCap::Square => LineCapStyle::ProjectingSquareCap,
            });
            content.set_line_join(match stroke.linejoin() {
                LineJoin::Round => LineJoinStyle::RoundJoin,
                LineJoin::Bevel => LineJoinStyle::BevelJoin,
                LineJoin::Miter | LineJoin::MiterClip => LineJoinStyle::MiterJoin,
            });
            let dashes = stroke.dasharray().unwrap_or(&[]);
            let dashes = dashes.iter().map(|length| round(length * scale));
            content.set_dash_pattern(dashes, round(stroke.dashoffset() * scale));
        }
        let Some(data) = path.data().clone().transform(transform) else {
            return;
        };
        match (stroke, loops(&data)) {
            (None, Some(loops)) => {
                for corners in loops {
                    let mut corners = corners.into_iter().map(|(x, y)| (round(x), round(y)));
                    if let Some((x, y)) = corners.next() {
                        content.move_to(x, y);
                    }
                    for (x, y) in corners {
                        content.line_to(x, y);
                    }
                    content.close_path();
                }
            }
            _ => outline(&data, content),
        }
        match (fill.map(|fill| fill.rule()), stroke) {
            (None, None) => content.end_path(),
            (None, Some(_)) => content.stroke(),
            (Some(FillRule::NonZero), None) => content.fill_nonzero(),
            (Some(FillRule::EvenOdd), None) => content.fill_even_odd(),
            (Some(FillRule::NonZero), Some(_)) => content.fill_nonzero_and_stroke(),
            (Some(FillRule::EvenOdd), Some(_)) => content.fill_even_odd_and_stroke(),
        };
    }

    fn text(&mut self, text: &usvg::Text, opacity: f32) {
        let to_page = self.to_page(text.abs_transform());
        for span in text.layouted() {
            let (true, Some(fill)) = (span.visible, &span.fill) else {
                continue;
            };
            let size = span.font_size.get();
            let glyphs = span.positioned_glyphs.iter().map(|glyph| {
                // Text space has the font size in it already, and points upwards.
                let upwards = Transform::from_scale(1.0 / size, -1.0 / size);
                let em = self.units_per_em(glyph.font);
                let matrix = glyph
                    .transform()
                    .pre_scale(em, em)
                    .pre_concat(upwards)
                    .post_concat(to_page);
                Placed {
                    font: glyph.font,
                    glyph: u16::try_from(glyph.id.0).expect("glyphs are numbered in 16 bits"),
                    text: &glyph.text,
                    matrix,
                }
            });
            let glyphs: Vec<Placed> = glyphs.collect();
            let [r, g, b] = rgb(fill.paint());
            let opacity = opacity * fill.opacity().get();
            self.opacity(opacity, opacity);
            self.content.set_fill_rgb(r, g, b);
            self.content.begin_text();
            for line in glyphs.chunk_by(|a, b| on_one_line(a, b)) {
                self.line(line, size);
            }
            self.content.end_text();
        }
    }

    /// Glyphs of one font on one line: one string, moved where they are not as far apart as the font says.
    fn line(&mut self, glyphs: &[Placed], size: f32) {
        let Some(first) = glyphs.first() else { return };
        let Some(to_text) = first.matrix.invert() else {
            return;
        };
        let database = self.tree.fontdb();
        let next = format!("F{}", self.fonts.len());
        let font = self
            .fonts
            .entry(first.font)
            .or_insert_with(|| Font::new(next, database, first.font));
        let content = &mut self.content;
        content.set_font(Name(font.name.as_bytes()), round(size));
        let Transform {
            sx,
            ky,
            kx,
            sy,
            tx,
            ty,
        } = first.matrix;
        content.set_text_matrix([sx, ky, kx, sy, tx, ty].map(round));
        let reference = FontRef::new(&font.data).expect(FONT);
        let metrics = reference.glyph_metrics(Size::unscaled(), LocationRef::default());
        let em = units_per_em(&reference);

        let mut shown = content.show_positioned();
        let mut items = shown.items();
        // Thousandths of the font size, as PDF counts here.
        let mut pen = 0.0;
        let mut string = Vec::new();
        for glyph in glyphs {
            let mut origin = resvg::tiny_skia::Point::from_xy(glyph.matrix.tx, glyph.matrix.ty);
            to_text.map_point(&mut origin);
            let wanted = origin.x / size * 1000.0;
            // Half a thousandth is not seen.
            if (wanted - pen).abs() > 0.5 {
                items.show(Str(&string));
                string.clear();
                items.adjust(round(pen - wanted));
                pen = wanted;
            }
            let number = font.glyphs.remap(glyph.glyph);
            font.text
                .entry(number)
                .or_insert_with(|| glyph.text.to_owned());
            string.extend(number.to_be_bytes());
            pen += advance(&metrics, glyph.glyph, em);
        }
        items.show(Str(&string));
    }

    fn units_per_em(&self, font: fontdb::ID) -> f32 {
        let em = self.tree.fontdb().with_face_data(font, |data, index| {
            units_per_em(&FontRef::from_index(data, index).expect(FONT))
        });
        em.expect(FONT)
    }

    fn finish(self, title: &str) -> Vec<u8> {
        let mut refs = (1..).map(Ref::new);
        let mut next = || refs.next().expect("there is always a next number");
        let (catalog, pages, page, content, information) = (next(), next(), next(), next(), next());
        let width = self.tree.size().width();
        let mut pdf = Pdf::new();
        let mut root = pdf.catalog(catalog);
        root.pages(pages).lang(TextStr("en"));
        root.viewer_preferences().display_doc_title(true);
        root.finish();
        pdf.document_info(information)
            .title(TextStr(title))
            .creator(TextStr("vangrad"));
        pdf.pages(pages).kids([page]).count(1);

        let mut fonts: Vec<Font> = self.fonts.into_values().collect();
        fonts.sort_by(|a, b| a.name.cmp(&b.name));
        let fonts: Vec<(Ref, Font)> = fonts.into_iter().map(|font| (next(), font)).collect();
        let opacities: Vec<(Ref, (u16, u16), String)> = self
            .opacities
            .into_iter()
            .map(|(key, name)| (next(), key, name))
            .collect();
        let mut written = pdf.page(page);
        written
            .parent(pages)
            .media_box(Rect::new(0.0, 0.0, round(width), round(self.height)))
            .contents(content);
        let mut resources = written.resources();
        let mut named = resources.fonts();
        for (id, font) in &fonts {
            named.pair(Name(font.name.as_bytes()), id);
        }
        named.finish();
        let mut named = resources.ext_g_states();
        for (id, _, name) in &opacities {
            named.pair(Name(name.as_bytes()), id);
        }
        named.finish();
        resources.finish();
        written.finish();

        let drawn = deflate(&self.content.finish());
        pdf.stream(content, &drawn).filter(Filter::FlateDecode);
        for (id, (fill, stroke), _) in opacities {
            pdf.ext_graphics(id)
                .non_stroking_alpha(f32::from(fill) / 1000.0)
                .stroking_alpha(f32::from(stroke) / 1000.0);
        }
        for (id, font) in fonts {
            font.write(id, &mut next, &mut pdf);
        }
        pdf.finish()
    }
}

const FONT: &str = "the shipped fonts can be read";

impl Font {
    fn new(name: String, database: &fontdb::Database, id: fontdb::ID) -> Self {
        let data = database.with_face_data(id, |data, _| data.to_vec());
        Self {
            name,
            data: data.expect(FONT),
            glyphs: GlyphRemapper::new(),
            text: BTreeMap::new(),
        }
    }

    /// Writes the font with the glyphs in use: what PDF calls a composite font (ISO 32000-1, 9.7).
    fn write(self, id: Ref, next: &mut impl FnMut() -> Ref, pdf: &mut Pdf) {
        let [descendant, descriptor, unicode, file] = [next(), next(), next(), next()];
        let font = FontRef::new(&self.data).expect(FONT);
        let em = units_per_em(&font);
        let metrics = font.metrics(Size::unscaled(), LocationRef::default());
        let thousandths = |length: f32| round(length / em * 1000.0);
        let postscript = font
            .localized_strings(skrifa::string::StringId::POSTSCRIPT_NAME)
            .english_or_first()
            .map_or("Inter".to_owned(), |name| name.to_string());
        // Six capital letters say that it is not the whole font.
        let base = format!("{}+{postscript}", tag(&self.text));
        let base = Name(base.as_bytes());

        pdf.type0_font(id)
            .base_font(base)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(descendant)
            .to_unicode(unicode);
        let mut cid = pdf.cid_font(descendant);
        cid.subtype(CidFontType::Type0)
            .base_font(base)
            .system_info(SYSTEM_INFO)
            .font_descriptor(descriptor)
            .default_width(0.0);
        let glyphs = font.glyph_metrics(Size::unscaled(), LocationRef::default());
        let widths = self.glyphs.remapped_gids();
        let widths = widths.map(|glyph| round(advance(&glyphs, glyph, em)));
        cid.widths().consecutive(0, widths);
        cid.finish();

        let bounds = metrics.bounds.unwrap_or_default();
        pdf.font_descriptor(descriptor)
            .name(base)
            .flags(FontFlags::SYMBOLIC)
            .bbox(Rect::new(
                thousandths(bounds.x_min),
                thousandths(bounds.y_min),
                thousandths(bounds.x_max),
                thousandths(bounds.y_max),
            ))
            .italic_angle(0.0)
            .ascent(thousandths(metrics.ascent))
            .descent(thousandths(metrics.descent))
            .cap_height(thousandths(metrics.cap_height.unwrap_or(metrics.ascent)))
            // How thick stems are: for viewers that have to do without the font, which is here.
            .stem_v(80.0)
            .font_file3(file);

        let mut cmap = UnicodeCmap::new(Name(b"Custom"), SYSTEM_INFO);
        for (glyph, text) in &self.text {
            cmap.pair_with_multiple(*glyph, text.chars());
        }
        let cmap = deflate(&cmap.finish());
        pdf.cmap(unicode, &cmap).filter(Filter::FlateDecode);

        let subset = subsetter::subset(&self.data, 0, &self.glyphs).expect(FONT);
        let outlines = FontRef::new(&subset).expect(FONT);
        let outlines = outlines.table_data(Tag::new(b"CFF ")).expect(FONT);
        let bytes = deflate(outlines.as_bytes());
        let mut stream = pdf.stream(file, &bytes);
        stream.filter(Filter::FlateDecode);
        stream.pair(Name(b"Subtype"), Name(b"CIDFontType0C"));
    }
}

/// Six letters that differ, nearly always, between different subsets of a font (FNV-1a of its text).
fn tag(text: &BTreeMap<u16, String>) -> String {
    let bytes = text.values().flat_map(|text| text.bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let letters = std::iter::repeat_with(|| {
        let letter = b'A' + (hash % 26) as u8;
        hash /= 26;
        char::from(letter)
    });
    letters.take(6).collect()
}

/// Whether a glyph goes on where the other ends, as far as its direction says.
fn on_one_line(a: &Placed, b: &Placed) -> bool {
    let (from, to) = (a.matrix, b.matrix);
    let direction = [
        (from.sx, to.sx),
        (from.ky, to.ky),
        (from.kx, to.kx),
        (from.sy, to.sy),
    ];
    let (dx, dy) = (to.tx - from.tx, to.ty - from.ty);
    let length = from.sx.hypot(from.ky);
    // How far it is from the line through the other, in points.
    let aside = (dx * from.ky - dy * from.sx) / length;
    a.font == b.font
        && aside.abs() < 0.01
        && direction
            .iter()
            .all(|(from, to)| (from - to).abs() <= 1e-4 * length)
}

/// A polygon taken apart at the points it comes back to, each part with its corners. What surrounds no
/// area is left out: the bridges between the cells of a heat map, which a viewer of PDF, unlike one of
/// SVG, must show as hair lines (ISO 32000-1, 8.5.3.3.1). The parts wind about every point as often as the whole,
/// so the same is filled. `None` for a path with curves.
fn loops(path: &resvg::tiny_skia::Path) -> Option<Vec<Vec<(f32, f32)>>> {
    let (mut loops, mut open): (Vec<_>, Vec<(f32, f32)>) = (Vec::new(), Vec::new());
    let mut keep = |corners: &[(f32, f32)]| {
        if corners.len() > 2 {
            loops.push(corners.to_vec());
        }
    };
    for segment in path.segments() {
        match segment {
            PathSegment::MoveTo(p) => {
                keep(&open);
                open = vec![(p.x, p.y)];
            }
            PathSegment::LineTo(p) => match open.iter().position(|&known| known == (p.x, p.y)) {
                Some(place) => {
                    keep(&open[place..]);
                    open.truncate(place + 1);
                }
                None => open.push((p.x, p.y)),
            },
            PathSegment::Close => {}
            PathSegment::QuadTo(..) | PathSegment::CubicTo(..) => return None,
        }
    }
    keep(&open);
    Some(loops)
}

fn outline(path: &resvg::tiny_skia::Path, content: &mut Content) {
    let mut last = (0.0, 0.0);
    for segment in path.segments() {
        match segment {
            PathSegment::MoveTo(p) => {
                content.move_to(round(p.x), round(p.y));
                last = (p.x, p.y);
            }
            PathSegment::LineTo(p) => {
                content.line_to(round(p.x), round(p.y));
                last = (p.x, p.y);
            }
            // PDF has cubic curves alone.
            PathSegment::QuadTo(c, p) => {
                let third = |from: f32, to: f32| round(from + 2.0 / 3.0 * (to - from));
                let (x1, y1) = (third(last.0, c.x), third(last.1, c.y));
                let (x2, y2) = (third(p.x, c.x), third(p.y, c.y));
                content.cubic_to(x1, y1, x2, y2, round(p.x), round(p.y));
                last = (p.x, p.y);
            }
            PathSegment::CubicTo(a, b, p) => {
                let [a, b] = [a, b].map(|c| (round(c.x), round(c.y)));
                content.cubic_to(a.0, a.1, b.0, b.1, round(p.x), round(p.y));
                last = (p.x, p.y);
            }
            PathSegment::Close => {
                content.close_path();
            }
        }
    }
}

fn rgb(paint: &Paint) -> [f32; 3] {
    let Paint::Color(colour) = paint else {
        unreachable!("figures are drawn in plain colours")
    };
    [colour.red, colour.green, colour.blue].map(|part| round(f32::from(part) / 255.0))
}

/// To a ten-thousandth: the rest would only be noise of f32, and bytes.
fn round(number: f32) -> f32 {
    (number * 1e4).round() / 1e4
}

fn units_per_em(font: &FontRef) -> f32 {
    f32::from(font.head().expect(FONT).units_per_em())
}

/// How far a glyph moves the pen, in thousandths of the font size.
fn advance(metrics: &GlyphMetrics, glyph: u16, em: f32) -> f32 {
    let glyph = skrifa::GlyphId::new(u32::from(glyph));
    metrics.advance_width(glyph).unwrap_or(0.0) / em * 1000.0
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory cannot fail")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;
    use crate::figures::Plot;

    fn svg() -> String {
        let plot = Plot {
            title: "Office: ‖∂L/∂h‖ is 10⁻⁵⁰".to_owned(),
            subtitle: "A file of (parentheses)".to_owned(),
            ..Plot::default()
        };
        plot.draw()
    }

    /// The streams of a file, uncompressed, and everything around them.
    fn parts(pdf: &[u8]) -> (Vec<Vec<u8>>, String) {
        let find = |from: usize, what: &[u8]| {
            let mut windows = pdf[from..].windows(what.len());
            windows
                .position(|window| window == what)
                .map(|at| from + at)
        };
        let (mut streams, mut around, mut at) = (Vec::new(), Vec::new(), 0);
        while let Some(start) = find(at, b"\nstream\n") {
            around.extend_from_slice(&pdf[at..start]);
            let end = find(start, b"\nendstream").unwrap();
            let mut stream = Vec::new();
            ZlibDecoder::new(&pdf[start + 8..end])
                .read_to_end(&mut stream)
                .unwrap();
            streams.push(stream);
            at = end;
        }
        around.extend_from_slice(&pdf[at..]);
        (streams, String::from_utf8_lossy(&around).into_owned())
    }

    /// The text a viewer would copy: the strings of the page, each glyph by the table of its font.
    fn copied(pdf: &[u8]) -> String {
        let (streams, around) = parts(pdf);
        let streams: Vec<String> = streams
            .iter()
            .map(|stream| stream.iter().map(|&byte| char::from(byte)).collect())
            .collect();
        let text = |hex: &str| {
            let units = hex
                .as_bytes()
                .chunks(4)
                .map(|unit| u16::from_str_radix(std::str::from_utf8(unit).unwrap(), 16).unwrap());
            String::from_utf16(&units.collect::<Vec<u16>>()).unwrap()
        };
        // The tables stand in the order of the fonts, F0 and F1.
        let tables: Vec<BTreeMap<u16, String>> = streams
            .iter()
            .filter(|stream| stream.contains("beginbfchar"))
            .map(|table| {
                let pairs = table.lines().filter_map(|line| {
                    let (glyph, rest) = line.strip_prefix('<')?.split_once("> <")?;
                    let glyph = u16::from_str_radix(glyph, 16).ok()?;
                    Some((glyph, text(rest.strip_suffix('>')?)))
                });
                pairs.collect()
            })
            .collect();
        let names: Vec<&str> = around
            .match_indices("/F")
            .map(|(at, _)| &around[at + 1..at + 3])
            .collect();
        let page = streams
            .iter()
            .find(|stream| stream.contains("BT\n"))
            .unwrap();
        let (mut copied, mut font) = (String::new(), 0);
        for line in page.lines() {
            if let Some(name) = line.strip_prefix('/').filter(|line| line.ends_with(" Tf")) {
                assert!(names.contains(&&name[..2]), "{name} is no font of the page");
                font = name[1..2].parse().unwrap();
            }
            if !line.ends_with(" TJ") {
                continue;
            }
            for string in strings(line) {
                for glyph in string.chunks(2) {
                    let glyph = u16::from_be_bytes([glyph[0], glyph[1]]);
                    copied.push_str(&tables[font][&glyph]);
                }
            }
            copied.push('\n');
        }
        copied
    }

    /// The bytes of every string of a line, in parentheses or as hexadecimal digits.
    fn strings(line: &str) -> Vec<Vec<u8>> {
        let bytes: Vec<u8> = line.chars().map(|c| u32::from(c) as u8).collect();
        let (mut strings, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            match bytes[at] {
                b'<' => {
                    let end = at + bytes[at..].iter().position(|&b| b == b'>').unwrap();
                    let digits = std::str::from_utf8(&bytes[at + 1..end]).unwrap();
                    let pairs = (0..digits.len()).step_by(2);
                    strings.push(
                        pairs
                            .map(|k| u8::from_str_radix(&digits[k..k + 2], 16).unwrap())
                            .collect(),
                    );
                    at = end;
                }
                b'(' => {
                    let mut string = Vec::new();
                    at += 1;
                    let mut depth = 0;
                    while bytes[at] != b')' || depth > 0 {
                        match bytes[at] {
                            b'\\' => {
                                at += 1;
                                string.push(match bytes[at] {
                                    b'n' => b'\n',
                                    b'r' => b'\r',
                                    b't' => b'\t',
                                    b'b' => 8,
                                    b'f' => 12,
                                    b'0'..=b'7' => {
                                        let digits = std::str::from_utf8(&bytes[at..at + 3]);
                                        at += 2;
                                        u8::from_str_radix(digits.unwrap(), 8).unwrap()
                                    }
                                    other => other,
                                });
                            }
                            byte => {
                                depth += i32::from(byte == b'(') - i32::from(byte == b')');
                                string.push(byte);
                            }
                        }
                        at += 1;
                    }
                    strings.push(string);
                }
                _ => {}
            }
            at += 1;
        }
        strings
    }

    #[test]
    fn a_figure_is_one_page_of_its_own_size_with_text_that_can_be_copied() {
        let svg = svg();
        let pdf = render_pdf(&svg);
        assert!(pdf.starts_with(b"%PDF-1."));
        assert!(pdf.trim_ascii_end().ends_with(b"%%EOF"));
        let (_, around) = parts(&pdf);
        // viewBox="0 0 6400 …": ten units to a pixel, a pixel to a point.
        let view = svg
            .split("viewBox=\"0 0 ")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let numbers = |text: &str| {
            text.split(' ')
                .map(|n| n.parse().unwrap())
                .collect::<Vec<f32>>()
        };
        let (view, media_box) = (
            numbers(view),
            around.split("/MediaBox [0 0 ").nth(1).unwrap(),
        );
        let media_box = numbers(media_box.split(']').next().unwrap());
        // The view box is rounded to a unit, a tenth of a point.
        let differences = view
            .iter()
            .zip(&media_box)
            .map(|(units, points)| units / 10.0 - points);
        assert!(
            differences.map(f32::abs).all(|d| d <= 0.1),
            "{view:?}, {media_box:?}"
        );
        assert_eq!(around.matches("/Type /Page\n").count(), 1);
        // Both faces are in the file.
        assert_eq!(around.matches("/FontFile3").count(), 2, "{around}");
        assert!(
            around.contains("+Inter-Regular") && around.contains("+Inter-SemiBold"),
            "{around}"
        );
        let copied = copied(&pdf);
        assert!(copied.contains("Office: ‖∂L/∂h‖ is 10⁻⁵⁰"), "{copied}");
        assert!(copied.contains("A file of (parentheses)"), "{copied}");
    }

    #[test]
    fn cells_of_a_heat_map_are_parts_of_their_own_without_bridges() {
        let mut path = resvg::tiny_skia::PathBuilder::new();
        path.move_to(0.0, 0.0);
        // Two cells as the canvas joins them: around the first, home; around the second, home.
        for (x, y) in [
            (1.0, 0.0),
            (1.0, 1.0),
            (0.0, 1.0),
            (0.0, 0.0),
            (0.0, 0.0),
            (5.0, 5.0),
            (6.0, 5.0),
            (6.0, 6.0),
            (5.0, 6.0),
            (5.0, 5.0),
            (0.0, 0.0),
        ] {
            path.line_to(x, y);
        }
        path.close();
        let square = |at: f32| {
            vec![
                (at, at),
                (at + 1.0, at),
                (at + 1.0, at + 1.0),
                (at, at + 1.0),
            ]
        };
        let mut path = path.finish().unwrap();
        assert_eq!(loops(&path), Some(vec![square(0.0), square(5.0)]));
        // A polygon that comes back to nothing is itself, and a curve is none.
        path = resvg::tiny_skia::PathBuilder::from_rect(
            resvg::tiny_skia::Rect::from_xywh(2.0, 2.0, 1.0, 1.0).unwrap(),
        );
        assert_eq!(loops(&path), Some(vec![square(2.0)]));
        assert_eq!(
            loops(&resvg::tiny_skia::PathBuilder::from_circle(0.0, 0.0, 1.0).unwrap()),
            None
        );
    }

    #[test]
    fn the_same_figure_gives_the_same_bytes_without_a_date() {
        let svg = svg();
        let pdf = render_pdf(&svg);
        assert_eq!(pdf, render_pdf(&svg));
        let (_, around) = parts(&pdf);
        assert!(!around.contains("Date"), "{around}");
    }
}
