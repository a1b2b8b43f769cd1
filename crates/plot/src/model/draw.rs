//! A model's graph as a picture.

use std::collections::BTreeMap;

use super::{
    Rankdir,
    graph::{Graph, Item, LayerBox},
};
use crate::{
    Anchor, Color, Picture,
    layered::{Placed, place},
};

const MARGIN: f64 = 16.0;
/// The room around a text in a cell.
const PAD: f64 = 8.0;
const ROW: f64 = Picture::LINE + PAD;

/// The color, Graphviz's name of which is the first, and the text of a cell.
pub(super) fn trainable_cell(trainable: bool) -> (&'static str, &'static str) {
    if trainable { ("forestgreen", "Trainable") } else { ("firebrick", "Non-trainable") }
}

/// A picture of a graph's own boxes and clusters, and where each box lies in it.
struct Drawn {
    picture: Picture,
    boxes: BTreeMap<usize, [f64; 4]>,
}

pub(super) fn draw(graph: &Graph, rankdir: Rankdir) -> Picture {
    let drawn = layout(graph, rankdir);
    let (width, height) = drawn.picture.size();
    let mut sheet = Picture::new(width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    sheet.place(MARGIN, MARGIN, &drawn.picture);
    sheet
}

fn layout(graph: &Graph, rankdir: Rankdir) -> Drawn {
    let items: Vec<_> = graph.items.iter().map(|item| of_item(item, rankdir)).collect();
    let holder = |number: usize| items.iter().position(|i| i.boxes.contains_key(&number));
    let mut edges = Vec::new();
    for &(from, to) in &graph.edges {
        if let (Some(a), Some(b)) = (holder(from), holder(to)) {
            edges.push(((from, to), (a, b)));
        }
    }
    let turn = |(x, y): (f64, f64)| match rankdir {
        Rankdir::TB => (x, y),
        Rankdir::LR => (y, x),
    };
    let sizes: Vec<_> = items.iter().map(|item| turn(item.picture.size())).collect();
    let between: Vec<_> = edges.iter().map(|(_, ends)| *ends).collect();
    let Placed { width, height, corners, routes } = place(&sizes, &between);
    let (width, height) = turn((width, height));
    let mut picture = Picture::new(width, height);
    let mut boxes = BTreeMap::new();
    for (item, corner) in items.iter().zip(corners) {
        let (x, y) = turn(corner);
        picture.place(x, y, &item.picture);
        boxes.extend(item.boxes.iter().map(|(&number, &[left, top, wide, high])| {
            (number, [left + x, top + y, wide, high])
        }));
    }
    for (((from, to), _), route) in edges.into_iter().zip(routes) {
        let mut route: Vec<_> = route.into_iter().map(turn).collect();
        if route.is_empty() {
            // A layer that is called on what it made itself.
            let [x, y, wide, high] = boxes[&from];
            let (right, middle) = (x + wide, y + high / 2.0);
            route = vec![
                (right, middle - 6.0),
                (right + 14.0, middle - 6.0),
                (right + 14.0, middle + 6.0),
                (right, middle + 6.0),
            ];
        } else {
            // From the box itself, and to it, where it lies in a cluster.
            let end = |number: usize, far: bool| {
                let [x, y, wide, high] = boxes[&number];
                match (rankdir, far) {
                    (Rankdir::TB, false) => (x + wide / 2.0, y),
                    (Rankdir::TB, true) => (x + wide / 2.0, y + high),
                    (Rankdir::LR, false) => (x, y + high / 2.0),
                    (Rankdir::LR, true) => (x + wide, y + high / 2.0),
                }
            };
            let along = |(x, y): (f64, f64)| turn((x, y)).1;
            let forward = along(route[0]) <= along(route[route.len() - 1]);
            let last = route.len() - 1;
            let (first_end, last_end) = (end(from, forward), end(to, !forward));
            route[0] = first_end;
            route[last] = last_end;
        }
        picture.arrow(&route, Color::BLACK);
    }
    Drawn { picture, boxes }
}

fn of_item(item: &Item, rankdir: Rankdir) -> Drawn {
    match item {
        Item::Box(layer) => {
            let picture = of_layer(layer);
            let (width, height) = picture.size();
            let boxes = BTreeMap::from([(layer.number, [0.0, 0.0, width, height])]);
            Drawn { picture, boxes }
        }
        Item::Cluster(name, graph) => {
            let inner = layout(graph, rankdir);
            let (width, height) = inner.picture.size();
            let wide = width.max(Picture::width_of(name)) + 2.0 * MARGIN;
            let high = height + 2.0 * MARGIN + Picture::LINE;
            let mut picture = Picture::new(wide, high);
            picture.dashed_frame([0.0, 0.0, wide, high], Color::GREY);
            picture.text(PAD, PAD + 5.0, name, Anchor::Start, Color::BLACK);
            let (x, y) = ((wide - width) / 2.0, MARGIN + Picture::LINE);
            picture.place(x, y, &inner.picture);
            let moved = inner.boxes.into_iter();
            let moved =
                moved.map(|(number, [a, b, c, d])| (number, [a + x, b + y, c, d]));
            Drawn { picture, boxes: moved.collect() }
        }
    }
}

/// Keras's table of a layer: a black title, and cells.
fn of_layer(layer: &LayerBox) -> Picture {
    let title = match &layer.name {
        Some(name) => format!("{name} ({})", layer.class),
        None => layer.class.to_owned(),
    };
    let activation = layer.activation.as_ref().map(|name| format!("Activation: {name}"));
    let mut cells: Vec<_> = layer
        .cells
        .iter()
        .map(|(word, value)| (format!("{word}{value}"), Color::WHITE))
        .collect();
    if let Some(trainable) = layer.trainable {
        let color = if trainable { Color(34, 139, 34) } else { Color(178, 34, 34) };
        cells.push((trainable_cell(trainable).1.to_owned(), color));
    }
    let room = |text: &str| Picture::width_of(text) + 2.0 * PAD;
    let row: f64 = cells.iter().map(|(text, _)| room(text)).sum();
    let wide = row.max(room(&title)).max(activation.as_deref().map_or(0.0, room));
    let rows = 1 + usize::from(activation.is_some()) + usize::from(!cells.is_empty());
    let mut picture = Picture::new(wide, ROW * rows as f64);
    picture.rectangle(0.0, 0.0, wide, ROW, Color::BLACK);
    picture.bold(wide / 2.0, ROW / 2.0, &title, Anchor::Middle, Color::WHITE);
    let mut y = ROW;
    if let Some(text) = activation {
        picture.rectangle(0.0, y, wide, ROW, Color::WHITE);
        picture.text(wide / 2.0, y + ROW / 2.0, &text, Anchor::Middle, Color::BLACK);
        picture.frame(0.0, y, wide, ROW, Color::BLACK);
        y += ROW;
    }
    let spare = if cells.is_empty() { 0.0 } else { (wide - row) / cells.len() as f64 };
    let mut x = 0.0;
    for (text, color) in cells {
        let width = room(&text) + spare;
        picture.rectangle(x, y, width, ROW, color);
        let (middle, black) = (x + width / 2.0, color.of_text_on());
        picture.text(middle, y + ROW / 2.0, &text, Anchor::Middle, black);
        picture.frame(x, y, width, ROW, Color::BLACK);
        x += width;
    }
    picture
}
