//! One pass over memory: tile programs that do not depend on each other.
#![expect(unsafe_code, reason = "tile programs run on raw memory")]

use deckle_tensor::Result;

use super::Kernel;
use crate::{Simd, graph::Id, place::Context, tile::Tile};

/// Work below this is done by the calling thread alone: a few microseconds.
const ALONE: usize = 48 * 1024;

/// Tile programs that run as one instruction.
pub(crate) struct Pass {
    tiles: Vec<Tile>,
    /// Per program, the number of its first task; and the number of all.
    starts: Vec<usize>,
    alone: bool,
}

impl Pass {
    pub(crate) fn new(tiles: Vec<Tile>) -> Self {
        Self { tiles, starts: Vec::new(), alone: true }
    }
}

impl Kernel for Pass {
    fn prepare(&mut self, same: &dyn Fn(Id, Id) -> bool, simd: Simd) {
        let mut tasks = 0;
        self.starts = vec![0];
        for tile in &mut self.tiles {
            tile.lay_out(same, simd);
            tasks += tile.tasks();
            self.starts.push(tasks);
        }
        let cost: usize = self.tiles.iter().map(Tile::cost).sum();
        self.alone = cost < ALONE || tasks < 2;
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let places = context.places();
        let task = |number: usize| {
            let tile = self.starts.partition_point(|&start| start <= number) - 1;
            // SAFETY: the plan has put the values in their places, and lets this instruction
            // alone write what its programs write; the programs write different values.
            unsafe { self.tiles[tile].task(places, number - self.starts[tile]) };
        };
        let tasks = self.starts.last().copied().unwrap_or_default();
        if self.alone {
            (0..tasks).for_each(task);
        } else {
            context.threads.run(tasks, &task);
        }
        for tile in &self.tiles {
            // SAFETY: as above; all tasks are done.
            unsafe { tile.finish(places) };
        }
        Ok(())
    }
}
