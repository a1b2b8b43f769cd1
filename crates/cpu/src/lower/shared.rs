//! What several instructions, or several parts of a batch, share: lists and copies.

use deckle_tensor::{DType, Spec};

use super::Lowering;
use crate::{
    gemm::Matrix,
    graph::{Id, Node, Origin},
    kernel::{Listed, MatMul},
    place::Dense,
};

impl Lowering<'_> {
    /// The copy of a product's B that all parts of a batch read, if it is an input that they
    /// share: a weight, for example.
    pub(super) fn share_copy(&mut self, node: &Node, kernel: &mut MatMul) {
        let b = node.operands[1].id;
        let Origin::Input(number) = self.graph.values[b].origin else { return };
        if self.options.learned.get(number) != Some(&true) {
            return;
        }
        if let Some(elements) = kernel.copied(self.options.simd) {
            let spec = Spec::new(self.graph.dtype(b), [elements]);
            let copy = self.graph.scratch(spec.clone());
            self.shared.push(copy);
            kernel.set_copy(Dense::whole(copy, &spec));
        }
    }

    /// The memory for what is not zero in a matrix of data, which its products share.
    pub(super) fn lists(&mut self, node: &Node, kernel: &mut MatMul) -> Vec<Id> {
        let a = node.operands[0].id;
        let Some(matrix) = kernel.listed().filter(|_| !self.learned[a]) else {
            return Vec::new();
        };
        let same = |&&(known, id, _): &&((Matrix, usize), Id, [Id; 2])| {
            (known, id) == (matrix, a)
        };
        let known = self.lists.iter().find(same).map(|&(.., lists)| lists);
        let lists = known.unwrap_or_else(|| {
            let (dtype, [places, values]) = (self.graph.dtype(a), matrix.0.sizes());
            let lists = [(DType::U32, places), (dtype, values)];
            let lists = lists.map(|(d, size)| self.graph.scratch(Spec::new(d, [size])));
            self.lists.push((matrix, a, lists));
            lists
        });
        let whole = |id: Id| Dense::whole(id, &self.graph.values[id].spec);
        let [places, values] = lists.map(whole);
        kernel.set_lists(Listed { places, values, made: known.is_some() });
        lists.to_vec()
    }
}
