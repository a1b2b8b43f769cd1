//! Boxes in layers, so that arrows point one way: [`place`].
//!
//! References: Sugiyama, Tagawa and Toda: *Methods for visual understanding of hierarchical
//! system structures* (1981).

/// Where the boxes of a graph lie, and where its arrows run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Placed {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// Each box's upper left corner.
    pub(crate) corners: Vec<(f64, f64)>,
    /// Each arrow's corners, from the box it leaves to that it enters; empty for one from a box
    /// to itself.
    pub(crate) routes: Vec<Vec<(f64, f64)>>,
}

/// The room between boxes of a layer, and between layers.
const BESIDE: f64 = 24.0;
const BETWEEN: f64 = 36.0;

/// A box, or a place that an arrow passes.
#[derive(Clone, Debug)]
struct Stop {
    width: f64,
    height: f64,
    rank: usize,
    /// The middle.
    x: f64,
}

/// Places boxes of these sizes from the top to the bottom.
pub(crate) fn place(sizes: &[(f64, f64)], edges: &[(usize, usize)]) -> Placed {
    let ranks = ranks(sizes.len(), edges);
    let mut stops: Vec<_> = (sizes.iter().zip(&ranks))
        .map(|(&(width, height), &rank)| Stop { width, height, rank, x: 0.0 })
        .collect();
    // Each arrow as the stops that it goes through, downwards.
    let mut chains = Vec::with_capacity(edges.len());
    for &(from, to) in edges {
        let (upper, lower) =
            if ranks[from] <= ranks[to] { (from, to) } else { (to, from) };
        let mut chain = vec![upper];
        for rank in ranks[upper] + 1..ranks[lower] {
            chain.push(stops.len());
            stops.push(Stop { width: 2.0, height: 0.0, rank, x: 0.0 });
        }
        if upper != lower {
            chain.push(lower);
        }
        chains.push(chain);
    }
    let links: Vec<_> = chains
        .iter()
        .flat_map(|chain| chain.windows(2).map(|pair| (pair[0], pair[1])))
        .collect();
    let layers = ordered(&stops, &links);
    align(&mut stops, &layers, &links);
    finish(sizes.len(), &stops, &layers, &chains, edges)
}

/// Each box's layer: one more than the lowest that an arrow comes from. Arrows to an earlier
/// box, as in a loop, do not count.
fn ranks(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = vec![0; count];
    let mut forward: Vec<_> = edges.iter().filter(|(from, to)| from < to).collect();
    forward.sort_unstable();
    for &&(from, to) in &forward {
        ranks[to] = ranks[to].max(ranks[from] + 1);
    }
    // What nothing leads to lies just above what it leads to.
    for from in (0..count).rev() {
        let is_source = !forward.iter().any(|edge| edge.1 == from);
        let next = forward.iter().filter(|edge| edge.0 == from).map(|edge| ranks[edge.1]);
        if let (true, Some(next)) = (is_source, next.min()) {
            ranks[from] = next - 1;
        }
    }
    ranks
}

fn neighbors(links: &[(usize, usize)], count: usize) -> [Vec<Vec<usize>>; 2] {
    let mut both = [vec![Vec::new(); count], vec![Vec::new(); count]];
    for &(upper, lower) in links {
        both[0][lower].push(upper);
        both[1][upper].push(lower);
    }
    both
}

/// The layers, each in an order in which few arrows cross.
fn ordered(stops: &[Stop], links: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let count = stops.iter().map(|stop| stop.rank + 1).max().unwrap_or(0);
    let mut layers = vec![Vec::new(); count];
    for (at, stop) in stops.iter().enumerate() {
        layers[stop.rank].push(at);
    }
    let sides = neighbors(links, stops.len());
    let mut place = vec![0.0; stops.len()];
    let number = |layer: &[usize], place: &mut [f64]| {
        for (i, &stop) in layer.iter().enumerate() {
            place[stop] = i as f64 - layer.len() as f64 / 2.0;
        }
    };
    layers.iter().for_each(|layer| number(layer, &mut place));
    let mut best = layers.clone();
    let mut fewest = crossings(links, stops, &place);
    for sweep in 0..12 {
        let downwards = sweep % 2 == 0;
        for i in 0..count {
            let at = if downwards { i } else { count - 1 - i };
            let near = &sides[usize::from(!downwards)];
            let mean = |stop: usize| {
                let near = &near[stop];
                let sum: f64 = near.iter().map(|&other| place[other]).sum();
                if near.is_empty() { place[stop] } else { sum / near.len() as f64 }
            };
            let mut keyed: Vec<_> = layers[at].iter().map(|&s| (mean(s), s)).collect();
            // Stable: what is level keeps its order.
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            layers[at] = keyed.into_iter().map(|(_, stop)| stop).collect();
            number(&layers[at], &mut place);
        }
        let now = crossings(links, stops, &place);
        if now < fewest {
            (fewest, best) = (now, layers.clone());
        }
    }
    best
}

fn crossings(links: &[(usize, usize)], stops: &[Stop], place: &[f64]) -> usize {
    let cross = |a: &(usize, usize), b: &(usize, usize)| {
        stops[a.0].rank == stops[b.0].rank
            && (place[a.0] - place[b.0]) * (place[a.1] - place[b.1]) < 0.0
    };
    let pairs = links.iter().enumerate();
    pairs.map(|(i, a)| links[..i].iter().filter(|b| cross(a, b)).count()).sum()
}

/// Moves the stops of each layer as close to their neighbors as their widths and order allow.
fn align(stops: &mut [Stop], layers: &[Vec<usize>], links: &[(usize, usize)]) {
    let sides = neighbors(links, stops.len());
    for layer in layers {
        let wanted = vec![0.0; layer.len()];
        spread(stops, layer, &wanted);
    }
    for sweep in 0..16 {
        let side = &sides[sweep % 2];
        for i in 0..layers.len() {
            let at = if sweep % 2 == 0 { i } else { layers.len() - 1 - i };
            let wanted: Vec<_> = layers[at]
                .iter()
                .map(|&stop| {
                    let near = &side[stop];
                    let sum: f64 = near.iter().map(|&other| stops[other].x).sum();
                    if near.is_empty() { stops[stop].x } else { sum / near.len() as f64 }
                })
                .collect();
            spread(stops, &layers[at], &wanted);
        }
    }
}

/// The places closest to those wanted, by squares, at which no two of a layer overlap: an
/// isotonic regression, by pooling neighbors that violate the order.
fn spread(stops: &mut [Stop], layer: &[usize], wanted: &[f64]) {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(layer.len());
    for (i, &stop) in layer.iter().enumerate() {
        if i > 0 {
            offset += (stops[layer[i - 1]].width + stops[stop].width) / 2.0 + BESIDE;
        }
        offsets.push(offset);
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        let mut pool = (wanted - offset, 1);
        while let Some(&(mean, size)) = pools.last()
            && mean > pool.0
        {
            let total = size + pool.1;
            pool.0 = (mean * size as f64 + pool.0 * pool.1 as f64) / total as f64;
            pool.1 = total;
            pools.pop();
        }
        pools.push(pool);
    }
    let places = pools.iter().flat_map(|&(mean, size)| std::iter::repeat_n(mean, size));
    for ((&stop, place), offset) in layer.iter().zip(places).zip(&offsets) {
        stops[stop].x = place + offset;
    }
}

fn finish(
    count: usize,
    stops: &[Stop],
    layers: &[Vec<usize>],
    chains: &[Vec<usize>],
    edges: &[(usize, usize)],
) -> Placed {
    let left = stops.iter().map(|stop| stop.x - stop.width / 2.0);
    let left = left.fold(f64::INFINITY, f64::min);
    let right = stops.iter().map(|stop| stop.x + stop.width / 2.0);
    let right = right.fold(f64::NEG_INFINITY, f64::max);
    let mut tops = Vec::with_capacity(layers.len());
    let mut bottom = 0.0;
    for layer in layers {
        let height = layer.iter().map(|&stop| stops[stop].height).fold(0.0, f64::max);
        tops.push((bottom, height));
        bottom += height + BETWEEN;
    }
    let upper = |stop: &Stop| {
        let (top, height) = tops[stop.rank];
        top + (height - stop.height) / 2.0
    };
    let corners = stops[..count].iter();
    let corners =
        corners.map(|stop| (stop.x - stop.width / 2.0 - left, upper(stop))).collect();
    let routes = chains.iter().zip(edges).map(|(chain, &(from, _))| {
        let last = chain.len() - 1;
        let mut route = Vec::new();
        for (i, &at) in chain.iter().enumerate() {
            let (stop, (top, height)) = (&stops[at], tops[stops[at].rank]);
            let (x, end) = (stop.x - left, upper(stop));
            match i {
                _ if last == 0 => {}
                0 => route.push((x, end + stop.height)),
                i if i == last => route.push((x, end)),
                _ => route.extend([(x, top), (x, top + height)]),
            }
        }
        if chain.first() != Some(&from) {
            route.reverse();
        }
        route
    });
    let routes = routes.collect();
    let width = if count == 0 { 0.0 } else { right - left };
    Placed { width, height: (bottom - BETWEEN).max(0.0), corners, routes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(count: usize) -> Vec<(f64, f64)> {
        vec![(40.0, 20.0); count]
    }

    #[test]
    fn a_chain_is_a_straight_line_down() {
        let placed = place(&square(3), &[(0, 1), (1, 2)]);
        assert_eq!(placed.corners, [(0.0, 0.0), (0.0, 56.0), (0.0, 112.0)]);
        assert_eq!((placed.width, placed.height), (40.0, 132.0));
        assert_eq!(placed.routes[0], [(20.0, 20.0), (20.0, 56.0)]);
    }

    #[test]
    fn boxes_never_overlap_and_arrows_point_down() {
        // Two inputs, a branch, a skip over several layers, a join.
        let edges =
            [(0, 2), (1, 3), (2, 4), (3, 4), (2, 5), (4, 5), (0, 5), (2, 6), (5, 7)];
        let sizes: Vec<_> = (0..8)
            .map(|i| (30.0 + 17.0 * f64::from(i), 20.0 + f64::from(i % 3)))
            .collect();
        let placed = place(&sizes, &edges);
        for (i, a) in placed.corners.iter().enumerate() {
            assert!(a.0 >= -1e-9 && a.0 + sizes[i].0 <= placed.width + 1e-9);
            for (j, b) in placed.corners.iter().enumerate().skip(i + 1) {
                let apart = a.0 + sizes[i].0 < b.0
                    || b.0 + sizes[j].0 < a.0
                    || a.1 + sizes[i].1 < b.1
                    || b.1 + sizes[j].1 < a.1;
                assert!(apart, "{i} and {j}");
            }
        }
        for route in &placed.routes {
            assert!(route.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        }
        assert_eq!(placed, place(&sizes, &edges));
    }

    #[test]
    fn arrows_that_would_cross_are_untangled() {
        // 0 → 3 and 1 → 2: as given, they cross.
        let placed = place(&square(4), &[(0, 3), (1, 2)]);
        let x = |i: usize| placed.corners[i].0;
        assert_eq!(x(0) < x(1), x(3) < x(2));
    }

    #[test]
    fn loops_and_graphs_of_nothing_are_placed() {
        let placed = place(&square(2), &[(0, 1), (1, 0), (1, 1)]);
        assert_eq!(placed.routes[1], [(20.0, 56.0), (20.0, 20.0)]);
        assert!(placed.routes[2].is_empty());
        assert_eq!(place(&[], &[]), Placed::default());
        assert_eq!(place(&square(2), &[]).width.to_bits(), (80.0 + BESIDE).to_bits());
    }
}
