//! A model's graph in Graphviz's language.

use std::fmt::Write;

use super::{
    Rankdir,
    graph::{Graph, Item, LayerBox},
};
use crate::svg::escape;

pub(super) fn write(graph: &Graph, name: &str, rankdir: Rankdir, dpi: usize) -> String {
    let mut dot = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        dot,
        "digraph {} {{\n  concentrate=true;\n  dpi={dpi};\n  rankdir={rankdir:?};\n  \
         splines=ortho;\n  node [shape=record];",
        quoted(name)
    );
    items(&mut dot, graph, 1, &mut 0);
    dot.push_str("}\n");
    dot
}

fn items(dot: &mut String, graph: &Graph, depth: usize, clusters: &mut usize) {
    let indent = "  ".repeat(depth);
    for item in &graph.items {
        match item {
            Item::Box(layer) => {
                let _ = writeln!(
                    dot,
                    "{indent}n{} [border=0, fontname=Helvetica, label=<{}>, margin=0];",
                    layer.number,
                    label(layer)
                );
            }
            Item::Cluster(name, inner) => {
                let _ = writeln!(
                    dot,
                    "{indent}subgraph cluster_{clusters} {{\n{indent}  label={};\n{indent}  \
                     labeljust=l;\n{indent}  style=dashed;",
                    quoted(name)
                );
                *clusters += 1;
                items(dot, inner, depth + 1, clusters);
                let _ = writeln!(dot, "{indent}}}");
            }
        }
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(dot, "{indent}n{from} -> n{to} [penwidth=2];");
    }
}

/// A text in quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Keras's table of a layer.
fn label(layer: &LayerBox) -> String {
    let cells = layer.cells.len() + usize::from(layer.trainable.is_some());
    let span = cells.max(1);
    let title = match &layer.name {
        Some(name) => format!("<b>{}</b> ({})", escape(name), layer.class),
        None => format!("<b>{}</b>", layer.class),
    };
    let mut table = format!(
        "<table border=\"0\" cellborder=\"1\" bgcolor=\"black\" cellpadding=\"10\"><tr><td \
         colspan=\"{span}\" bgcolor=\"black\"><font point-size=\"16\" \
         color=\"white\">{title}</font></td></tr>"
    );
    if let Some(activation) = &layer.activation {
        let _ = write!(
            table,
            "<tr><td bgcolor=\"white\" colspan=\"{span}\"><font point-size=\"14\">Activation: \
             <b>{}</b></font></td></tr>",
            escape(activation)
        );
    }
    if cells > 0 {
        table.push_str("<tr>");
        for (word, value) in &layer.cells {
            let _ = write!(
                table,
                "<td bgcolor=\"white\"><font point-size=\"14\">{word}<b>{}</b></font></td>",
                escape(value)
            );
        }
        if let Some(trainable) = layer.trainable {
            let (color, text) = super::draw::trainable_cell(trainable);
            let _ = write!(
                table,
                "<td bgcolor=\"{color}\"><font point-size=\"14\" \
                 color=\"white\"><b>{text}</b></font></td>"
            );
        }
        table.push_str("</tr>");
    }
    table.push_str("</table>");
    table
}
