//! Which nodes run together in one pass over memory: [`fuse`].
//!
//! First, each element-wise node joins its consumers if all of them are in one cluster; so a
//! cluster makes one value that others see, and no cycle can arise. Then clusters, in order,
//! join the group of the latest value that they read, if they go over the same elements, or a
//! later group that reads the same values. All that a cluster reads then comes from its group
//! or from earlier ones, so groups can run in the order of their numbers.

use std::collections::BTreeSet;

use deckle_tensor::Primitive;

use crate::{
    graph::{Access, Graph, Id, Kind},
    kernel::FAST_AXES,
    tile::rows_fit,
    view::View,
};

/// The most nodes that one pass runs, so that its registers stay in the first-level cache.
const MOST_NODES: usize = 40;
/// The most values that one pass reads.
const MOST_LOADS: usize = 24;

/// Nodes that run together.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// In an order in which they can run; the first is the heavy one if there is one.
    pub(crate) nodes: Vec<usize>,
    /// Whether the first node is no map and no reduction, but has a kernel of its own.
    pub(crate) heavy: bool,
    /// Whether nothing but new values of variables depends on it.
    pub(crate) tail: bool,
    pub(crate) space: Space,
    /// Whether what is reduced is used within the pass, which then goes row by row.
    rows: bool,
}

/// The elements that a pass goes over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Space {
    pub(crate) size: usize,
    /// The lengths before, along and after reduced axes, if anything is reduced.
    pub(crate) frame: Option<[usize; 3]>,
}

impl Space {
    /// The elements of both, if one pass can go over them.
    ///
    /// The other one may go over the rows of this one's frame, if these have no inner axes.
    fn join(&self, other: &Self) -> Option<Self> {
        if let (Some(frame @ [rows, _, 1]), None) = (self.frame, other.frame)
            && other.size == rows
            && rows > 0
        {
            return Some(Self { size: self.size, frame: Some(frame) });
        }
        let frame = match (self.frame, other.frame) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        };
        (self.size == other.size && self.size > 0)
            .then_some(Self { size: self.size, frame })
    }
}

/// The groups, in an order in which they can run; tail groups come last.
pub(crate) fn fuse(graph: &Graph) -> Vec<Group> {
    let fusion = Fusion::new(graph);
    let clusters = fusion.clusters();
    fusion.groups(clusters)
}

struct Fusion<'a> {
    graph: &'a Graph,
    /// Per value, the nodes that read it.
    users: Vec<Vec<usize>>,
    /// Per value, whether it is an output or the new value of a variable.
    external: Vec<bool>,
    tail: Vec<bool>,
}

impl<'a> Fusion<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut users = vec![Vec::new(); graph.values.len()];
        for (number, node) in graph.nodes.iter().enumerate() {
            for operand in &node.operands {
                users[operand.id].push(number);
            }
        }
        let mut external = vec![false; graph.values.len()];
        let mut output = vec![false; graph.values.len()];
        for &id in &graph.outputs {
            external[id] = true;
            output[id] = true;
        }
        for &(_, id) in &graph.updates {
            external[id] = true;
        }
        let mut tail = vec![false; graph.nodes.len()];
        for (number, node) in graph.nodes.iter().enumerate().rev() {
            let update_only =
                |&id: &Id| !output[id] && users[id].iter().all(|&user| tail[user]);
            tail[number] =
                matches!(node.kind, Kind::Map(_)) && node.results.iter().all(update_only);
        }
        Self { graph, users, external, tail }
    }

    /// The elements that a node goes over; none for a heavy one.
    fn space(&self, number: usize) -> Option<Space> {
        let node = &self.graph.nodes[number];
        match node.kind {
            Kind::Map(_) => {
                Some(Space { size: self.graph.size(node.results[0]), frame: None })
            }
            Kind::Reduce { frame, .. } => {
                Some(Space { size: frame.iter().product(), frame: Some(frame) })
            }
            _ => None,
        }
    }

    /// Whether a read value can be passed on element by element.
    fn passes_on(&self, access: &Access) -> bool {
        let map = self.graph.maker(access.id).map(|maker| &self.graph.nodes[maker].kind);
        matches!(map, Some(Kind::Map(_))) && self.graph.is_whole(access)
    }

    /// Each node's cluster, named by the last of its nodes; the elements of each.
    fn clusters(&self) -> Vec<Cluster> {
        let nodes = &self.graph.nodes;
        let mut of: Vec<usize> = (0..nodes.len()).collect();
        let mut clusters: Vec<Option<Cluster>> = vec![None; nodes.len()];
        for number in (0..nodes.len()).rev() {
            let space = self.space(number);
            if let Some(joined) = self.sink(number, space.as_ref(), &of, &clusters) {
                let root = of[self.users[nodes[number].results[0]][0]];
                of[number] = root;
                let cluster = clusters[root].as_mut().expect("consumers come first here");
                cluster.nodes.push(number);
                cluster.space = Some(joined);
            } else {
                clusters[number] = Some(Cluster { nodes: vec![number], space });
            }
        }
        let mut clusters: Vec<_> = clusters.into_iter().flatten().collect();
        for cluster in &mut clusters {
            cluster.nodes.reverse();
        }
        clusters
    }

    /// The elements of the one cluster of all consumers with this node, if it can join.
    fn sink(
        &self,
        number: usize,
        space: Option<&Space>,
        of: &[usize],
        clusters: &[Option<Cluster>],
    ) -> Option<Space> {
        let node = &self.graph.nodes[number];
        let (Kind::Map(_), Some(space)) = (&node.kind, space) else { return None };
        let id = node.results[0];
        let users = &self.users[id];
        let root = of[*users.first()?];
        let cluster = clusters[root].as_ref()?;
        if cluster.space.as_ref().is_none_or(|to| to.size != space.size) {
            return None;
        }
        let inside = |&user: &usize| {
            let reads = self.graph.nodes[user].operands.iter();
            of[user] == root
                && reads.filter(|operand| operand.id == id).all(|a| self.passes_on(a))
        };
        let fits = !self.external[id]
            && users.iter().all(inside)
            && cluster.nodes.len() < MOST_NODES / 2
            && self.tail[number] == self.tail[root]
            && self.loads(cluster.nodes.iter().chain([&number])) <= MOST_LOADS / 2;
        if !fits {
            return None;
        }
        cluster.space.as_ref()?.join(space)
    }

    /// How many values from outside these nodes read.
    fn loads<'n>(&self, nodes: impl Iterator<Item = &'n usize> + Clone) -> usize {
        let inside: BTreeSet<_> = nodes.clone().collect();
        let mut read = BTreeSet::new();
        for &number in nodes {
            for operand in &self.graph.nodes[number].operands {
                if self
                    .graph
                    .maker(operand.id)
                    .is_none_or(|maker| !inside.contains(&maker))
                {
                    read.insert((operand.id, &operand.view));
                }
            }
        }
        read.len()
    }

    fn groups(&self, clusters: Vec<Cluster>) -> Vec<Group> {
        let (tail, first): (Vec<_>, Vec<_>) =
            clusters.into_iter().partition(|cluster| self.tail[cluster.nodes[0]]);
        let tail = self.scalars_first(tail);
        let mut groups: Vec<Group> = Vec::new();
        let mut of: Vec<Option<usize>> = vec![None; self.graph.nodes.len()];
        for cluster in first.into_iter().chain(tail) {
            let latest = self.latest(&cluster, &of);
            let mut candidates: Vec<_> = latest.into_iter().collect();
            candidates.extend(self.siblings(&cluster, &of).filter(|&g| Some(g) > latest));
            let joined = candidates.into_iter().find_map(|number| {
                let joined = self.joined(&groups[number], number, &cluster, &of)?;
                Some((number, joined))
            });
            let number = match joined {
                Some((number, (space, rows))) => {
                    let group = &mut groups[number];
                    group.nodes.extend(&cluster.nodes);
                    group.space = space;
                    group.rows = rows;
                    number
                }
                None => {
                    groups.push(self.group(&cluster));
                    groups.len() - 1
                }
            };
            for &node in &cluster.nodes {
                of[node] = Some(number);
            }
        }
        for group in &mut groups {
            group.nodes[usize::from(group.heavy)..].sort_unstable();
        }
        groups
    }

    /// The clusters with those of one element as early as what they read allows.
    ///
    /// All weights' updates read the same scalars, such as a corrected learning rate: a group
    /// that is older than these could not take in what reads them.
    fn scalars_first(&self, clusters: Vec<Cluster>) -> Vec<Cluster> {
        let made = |cluster: &Cluster| -> BTreeSet<Id> {
            let nodes = cluster.nodes.iter();
            nodes.flat_map(|&node| &self.graph.nodes[node].results).copied().collect()
        };
        let mut late = BTreeSet::new();
        let (scalars, others): (Vec<_>, Vec<_>) =
            clusters.into_iter().partition(|cluster| {
                let mut operands =
                    cluster.nodes.iter().flat_map(|&n| &self.graph.nodes[n].operands);
                let early = cluster.space.as_ref().is_some_and(|space| space.size == 1)
                    && !operands.any(|operand| late.contains(&operand.id));
                if !early {
                    late.extend(made(cluster));
                }
                early
            });
        scalars.into_iter().chain(others).collect()
    }

    fn group(&self, cluster: &Cluster) -> Group {
        let first = &self.graph.nodes[cluster.nodes[0]];
        let heavy = !matches!(first.kind, Kind::Map(_) | Kind::Reduce { .. });
        let size = self.graph.size(first.results[0]);
        let space = cluster.space.clone().unwrap_or(Space { size, frame: None });
        let tail = self.tail[cluster.nodes[0]];
        Group { nodes: cluster.nodes.clone(), heavy, tail, space, rows: false }
    }

    /// The group of the latest value that a cluster reads.
    fn latest(&self, cluster: &Cluster, of: &[Option<usize>]) -> Option<usize> {
        let operands = cluster.nodes.iter().flat_map(|&n| &self.graph.nodes[n].operands);
        operands.filter_map(|operand| of[self.graph.maker(operand.id)?]).max()
    }

    /// The groups that read something that the cluster reads too.
    fn siblings(
        &self,
        cluster: &Cluster,
        of: &[Option<usize>],
    ) -> impl Iterator<Item = usize> {
        let size = cluster.space.as_ref().map_or(0, |space| space.size);
        let operands = cluster.nodes.iter().flat_map(|&n| &self.graph.nodes[n].operands);
        let groups: BTreeSet<_> = operands
            .filter(|operand| self.graph.size(operand.id) == size)
            .flat_map(|operand| &self.users[operand.id])
            .filter_map(|&user| of[user])
            .collect();
        groups.into_iter()
    }

    /// The elements of a group with a cluster, if that can join, and whether the pass then
    /// has to go row by row.
    fn joined(
        &self,
        group: &Group,
        number: usize,
        cluster: &Cluster,
        of: &[Option<usize>],
    ) -> Option<(Space, bool)> {
        let space = cluster.space.as_ref()?;
        let nodes = group.nodes.iter().chain(&cluster.nodes);
        let fits = group.tail == self.tail[cluster.nodes[0]]
            && group.nodes.len() + cluster.nodes.len() <= MOST_NODES
            && self.loads(nodes) <= MOST_LOADS;
        if !fits {
            return None;
        }
        let joined = group.space.join(space)?;
        let mut within = 0;
        let mut by_rows = group.rows || space.size != joined.size;
        for &node in &cluster.nodes {
            for operand in &self.graph.nodes[node].operands {
                let Some(maker) = self.graph.maker(operand.id) else { continue };
                if of[maker] != Some(number) {
                    continue;
                }
                within += 1;
                let heavy = group.heavy && maker == group.nodes[0];
                let whole = self.graph.is_whole(operand);
                let same = self.space(maker).is_some_and(|made| made.size == space.size);
                if whole && (heavy || same && self.passes_on(operand)) {
                    continue;
                }
                // What is one number a row is read by rows, or along them.
                let row = self.graph.size(operand.id) != joined.size;
                if !(row && repeats_rows(&operand.view, space.size, joined.frame?)) {
                    return None;
                }
                by_rows = true;
            }
        }
        if space.size != joined.size && within == 0 {
            return None;
        }
        let nodes = group.nodes.iter().chain(&cluster.nodes);
        if by_rows && !self.rows_fit(nodes, joined.frame?) {
            return None;
        }
        if group.heavy {
            let first = &self.graph.nodes[group.nodes[0]].kind;
            let finishes = match first {
                Kind::Primitive(Primitive::MatMul { .. }) => true,
                Kind::Primitive(Primitive::Convolution(convolution)) => {
                    convolution.strides.len() <= FAST_AXES
                }
                Kind::Primitive(Primitive::ConvolutionToInput {
                    convolution, ..
                }) => convolution.strides.len() <= FAST_AXES && !self.is_reduced(cluster),
                _ => false,
            };
            if !finishes || space.frame.is_some() || within == 0 {
                return None;
            }
        }
        Some((joined, by_rows))
    }

    /// Whether a reduction reads what a cluster makes: as batch normalization does of gradients.
    /// One pass with all of them moves less memory than a convolution saves that finishes a part.
    fn is_reduced(&self, cluster: &Cluster) -> bool {
        let results = cluster.nodes.iter().flat_map(|&n| &self.graph.nodes[n].results);
        let mut users = results.flat_map(|&id| &self.users[id]);
        users.any(|&user| matches!(self.graph.nodes[user].kind, Kind::Reduce { .. }))
    }

    fn rows_fit<'n>(
        &self,
        nodes: impl Iterator<Item = &'n usize> + Clone,
        frame: [usize; 3],
    ) -> bool {
        let operands: usize =
            nodes.clone().map(|&node| self.graph.nodes[node].operands.len()).sum();
        rows_fit(frame, nodes.count() + operands)
    }
}

/// Whether a view of the results of a reduction gives each row its own: once, to nodes that go
/// over rows, or repeated along the row.
fn repeats_rows(view: &View, size: usize, [rows, len, inner]: [usize; 3]) -> bool {
    if inner != 1 || view.offset != 0 || view.size() != size {
        return false;
    }
    let view = view.collapsed();
    if size == rows {
        return view.is_whole(rows);
    }
    let expected = View::contiguous(&[rows, 1]).broadcast(&[rows, len]).collapsed();
    view == expected
}

#[derive(Clone, Debug)]
struct Cluster {
    nodes: Vec<usize>,
    /// The elements that it goes over; none for a heavy node.
    space: Option<Space>,
}
