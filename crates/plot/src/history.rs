//! The curves of a training: [`history()`].

use deckle_train::History;

use crate::{Chart, Picture};

/// A chart for each value of a training, with that of validation beside it; two in a row.
///
/// Epochs are counted from 1.
///
/// # Examples
///
/// ```
/// use deckle_train::{History, Logs};
///
/// let mut history = History::default();
/// for (epoch, loss) in [0.5, 0.25].into_iter().enumerate() {
///     let values = [("loss".to_owned(), loss), ("val_loss".to_owned(), loss + 0.1)];
///     history.push(epoch, &Logs::from_iter(values));
/// }
/// let svg = deckle_plot::history(&history).to_svg();
/// assert!(svg.contains(">training</text>") && svg.contains(">validation</text>"));
/// ```
///
/// # Keras
///
/// What the book draws of `history.history` with Matplotlib.
#[must_use]
pub fn history(history: &History) -> Picture {
    let points = |name: &str| -> Vec<(f64, f64)> {
        history.points(name).map(|(epoch, value)| (epoch as f64 + 1.0, value)).collect()
    };
    let names: Vec<_> = history.names().collect();
    let own = names.iter().filter(|name| {
        name.strip_prefix("val_").is_none_or(|trained| !names.contains(&trained))
    });
    let charts: Vec<_> = own
        .map(|name| {
            let chart = Chart::new(name).x_label("epoch").line("training", points(name));
            let validation = points(&format!("val_{name}"));
            let chart = if validation.is_empty() {
                chart
            } else {
                chart.line("validation", validation)
            };
            chart.picture()
        })
        .collect();
    if charts.is_empty() {
        return Chart::new("history").x_label("epoch").picture();
    }
    Picture::tiled(&charts, 2)
}

#[cfg(test)]
mod tests {
    use deckle_train::Logs;

    use super::*;

    #[test]
    fn each_value_has_a_chart_and_validation_no_own() {
        let mut run = History::default();
        for epoch in 0..3 {
            let names = ["loss", "accuracy", "val_loss", "val_accuracy", "val_only"];
            let values = names.map(|name| (name.to_owned(), f64::from(epoch as u8)));
            run.push(epoch, &Logs::from_iter(values));
        }
        let picture = history(&run);
        assert_eq!(picture.size(), (960.0, 640.0));
        let svg = picture.to_svg();
        assert_eq!(svg.matches(">validation</text>").count(), 2);
        assert_eq!(svg.matches(">val_only</text>").count(), 1);
        assert_eq!(svg.matches(">val_loss</text>").count(), 0);
    }

    #[test]
    fn a_history_of_nothing_is_an_empty_chart() {
        assert!(history(&History::default()).to_svg().contains(">no values</text>"));
    }
}
