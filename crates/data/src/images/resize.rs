//! Images of another size, as Keras makes them: [`Resizer`].

use deckle_tensor::Interpolation;

/// How an image gets other proportions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Stretched,
    /// Its middle is used.
    Cropped,
    /// It gets black margins.
    Padded,
}

/// Makes images of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resizer {
    interpolation: Interpolation,
    /// Height and width.
    made: [usize; 2],
    shape: Shape,
}

/// What images of one size are resized with, and memory for a row.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The sides of the image that `axes` are for.
    given: [usize; 2],
    made: [usize; 2],
    axes: [Axis; 2],
    row: Vec<f32>,
}

/// What each pixel along an axis is made of: as many places and weights for each.
#[derive(Debug, Default)]
struct Axis {
    count: usize,
    taps: Vec<(usize, f32)>,
}

impl Axis {
    fn new(
        resizer: &Resizer,
        given: usize,
        margin: usize,
        start: usize,
        made: usize,
    ) -> Self {
        let whole = given + 2 * margin;
        let taps = resizer.interpolation.taps(whole, made, false);
        let mut all = Vec::with_capacity(made * taps.len());
        for i in 0..made {
            for (places, weights) in &taps {
                let place = places[i] as usize;
                // Margins are black: they count nothing.
                all.push(match place.checked_sub(margin) {
                    Some(place) if place < given => (start + place, weights[i] as f32),
                    _ => (start, 0.0),
                });
            }
        }
        Self { count: taps.len(), taps: all }
    }

    fn pixels(&self) -> impl Iterator<Item = &[(usize, f32)]> {
        self.taps.chunks_exact(self.count)
    }
}

/// `⌊a · b / c⌋`, and not 0.
fn in_proportion(a: usize, b: usize, c: usize) -> usize {
    ((a as f64 * b as f64 / c as f64) as usize).max(1)
}

impl Resizer {
    pub(super) const fn new(
        interpolation: Interpolation,
        made: [usize; 2],
        shape: Shape,
    ) -> Self {
        Self { interpolation, made, shape }
    }

    /// The height and width that images get.
    pub(super) const fn made(&self) -> [usize; 2] {
        self.made
    }

    fn axes(&self, [height, width]: [usize; 2]) -> [Axis; 2] {
        let [made_height, made_width] = self.made;
        let (mut part, mut margins) = ([height, width], [0, 0]);
        match self.shape {
            Shape::Stretched => {}
            Shape::Cropped => {
                part = [
                    in_proportion(width, made_height, made_width).min(height),
                    in_proportion(height, made_width, made_height).min(width),
                ];
            }
            Shape::Padded => {
                let margin = |len: usize, of: usize, a: usize, b: usize| {
                    (in_proportion(of, a, b).max(len) - len) / 2
                };
                margins[0] = margin(height, width, made_height, made_width);
                if margins[0] == 0 {
                    margins[1] = margin(width, height, made_width, made_height);
                }
            }
        }
        let axis = |at: usize, len: usize| {
            let start = (len - part[at]) / 2;
            Axis::new(self, part[at], margins[at], start, self.made[at])
        };
        [axis(0, height), axis(1, width)]
    }

    /// Writes an image of `given` height and width in the size that is made.
    pub(super) fn resize(
        &self,
        pixels: &[u8],
        given: [usize; 2],
        channels: usize,
        to: &mut [f32],
        scratch: &mut Scratch,
    ) {
        if given == self.made {
            to.iter_mut().zip(pixels).for_each(|(to, &pixel)| *to = f32::from(pixel));
            return;
        }
        if scratch.given != given || scratch.made != self.made {
            scratch.axes = self.axes(given);
            (scratch.given, scratch.made) = (given, self.made);
        }
        let Scratch { axes: [rows, columns], row, .. } = scratch;
        let stride = given[1] * channels;
        row.clear();
        row.resize(stride, 0.0);
        for (to, taps) in to.chunks_exact_mut(self.made[1] * channels).zip(rows.pixels())
        {
            row.fill(0.0);
            for &(place, weight) in taps.iter().filter(|(_, weight)| *weight != 0.0) {
                let line = &pixels[place * stride..][..stride];
                row.iter_mut()
                    .zip(line)
                    .for_each(|(sum, &pixel)| *sum += weight * f32::from(pixel));
            }
            for (to, taps) in to.chunks_exact_mut(channels).zip(columns.pixels()) {
                to.fill(0.0);
                for &(place, weight) in taps {
                    let pixel = &row[place * channels..][..channels];
                    to.iter_mut()
                        .zip(pixel)
                        .for_each(|(sum, &part)| *sum += weight * part);
                }
            }
        }
    }
}
