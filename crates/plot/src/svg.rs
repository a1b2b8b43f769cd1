//! Pictures as SVG.

use std::fmt::Write;

use deckle_formats::Image;

use crate::{
    Anchor, Color, Picture,
    picture::{Look, Shape},
};

pub(crate) fn write(picture: &Picture) -> String {
    let mut svg = String::new();
    let (width, height) = (number(picture.width), number(picture.height));
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"'Noto Sans Mono', 'DejaVu Sans Mono', \
         Menlo, Consolas, monospace\" font-size=\"11.7\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"#ffffff\"/>"
    );
    for shape in &picture.shapes {
        let _ = writeln!(svg, "{}", element(shape));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Hundredths are finer than any screen, and keep files small and the same everywhere.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn points(points: &[(f64, f64)]) -> String {
    let all: Vec<_> =
        points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y))).collect();
    all.join(" ")
}

fn paint(color: Option<Color>) -> String {
    color.map_or("none".to_owned(), |color| color.to_string())
}

fn element(shape: &Shape) -> String {
    match shape {
        Shape::Rectangle { at, fill, line, dashed } => {
            let [x, y, width, height] = at.map(number);
            let dashes = if *dashed { " stroke-dasharray=\"5 3\"" } else { "" };
            format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{}\" \
                 stroke=\"{}\"{dashes}/>",
                paint(*fill),
                paint(*line)
            )
        }
        Shape::Line { points: all, color, width } => {
            let ends = "stroke-linejoin=\"round\" stroke-linecap=\"round\"";
            let mut all = all.clone();
            if let [only] = all[..] {
                all.push(only);
            }
            format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{}\" \
                 {ends}/>",
                points(&all),
                number(*width)
            )
        }
        Shape::Circle { center: (x, y), radius, color } => format!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{color}\"/>",
            number(*x),
            number(*y),
            number(*radius)
        ),
        Shape::Triangle { corners, color } => {
            format!("<polygon points=\"{}\" fill=\"{color}\"/>", points(corners))
        }
        Shape::Text { at, text: value, anchor, color, look } => {
            text(*at, value, *anchor, *color, *look)
        }
        Shape::Picture { at: (x, y), image, scale } => {
            let (width, height) = (image.width() * scale, image.height() * scale);
            format!(
                "<image x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" \
                 style=\"image-rendering: pixelated\" href=\"data:image/png;base64,{}\"/>",
                number(*x),
                number(*y),
                base64(&encoded(image))
            )
        }
    }
}

/// An image as a PNG file; nothing if it is larger than such a file can be.
fn encoded(image: &Image) -> Vec<u8> {
    image.to_png().unwrap_or_default()
}

fn text(at: (f64, f64), text: &str, anchor: Anchor, color: Color, look: Look) -> String {
    let (x, y) = at;
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    // The base line lies below the middle of small letters.
    let place = if look.upwards {
        format!("transform=\"translate({} {}) rotate(-90)\"", number(x + 4.0), number(y))
    } else {
        format!("x=\"{}\" y=\"{}\"", number(x), number(y + 4.0))
    };
    let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
    // Whatever font is found, the text is as long as it was taken for.
    let length = match text.chars().count() {
        0 => String::new(),
        _ => format!(
            " textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"",
            number(Picture::width_of(text))
        ),
    };
    format!(
        "<text {place} text-anchor=\"{anchor}\" fill=\"{color}\"{weight}{length} \
         xml:space=\"preserve\">{}</text>",
        escape(text)
    )
}

/// A text in XML and in DOT's labels.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_standard() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let encoded = texts.map(|text| base64(text.as_bytes()));
        let expected = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        assert_eq!(encoded, expected);
    }

    #[test]
    fn what_xml_would_take_for_itself_is_escaped() {
        let mut picture = Picture::new(50.0, 20.0);
        picture.text(0.0, 10.0, "a<b & \"c\">\n", Anchor::Start, Color::BLACK);
        let svg = picture.to_svg();
        assert!(svg.contains(">a&lt;b &amp; &quot;c&quot;&gt; </text>"), "{svg}");
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, -0.001, 1.0, 100.0, 2.5, 1.0 / 3.0].map(number);
        assert_eq!(texts, ["0", "0", "1", "100", "2.5", "0.33"]);
    }
}
