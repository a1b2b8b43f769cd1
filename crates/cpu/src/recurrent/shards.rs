//! How the rows of a batch are cut into tasks that take them through all steps: [`Shards`].

/// The rows that one task takes, about.
const ROWS: usize = 28;

/// The rows of a batch, in tasks; cut by the batch's size alone.
///
/// The rows of a recurrent layer's batch do not depend on each other: so a task takes some of
/// them through all steps, and no step waits for another task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shards {
    batch: usize,
}

impl Shards {
    pub(super) const fn new(batch: usize) -> Self {
        Self { batch }
    }

    /// The tasks that the rows are cut into.
    pub(super) fn tasks(self) -> usize {
        match self.batch / ROWS {
            0 | 1 => 1 + usize::from(self.batch > ROWS / 2),
            shards => shards / 2 * 2,
        }
    }

    /// The most rows of a task; some have one less.
    pub(super) fn most(self) -> usize {
        self.batch.div_ceil(self.tasks())
    }

    /// The first row of a task, and the number of its rows.
    pub(super) fn rows(self, task: usize) -> (usize, usize) {
        let first = task * self.batch / self.tasks();
        (first, (task + 1) * self.batch / self.tasks() - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_one_task() {
        for batch in 1..300 {
            let shards = Shards::new(batch);
            let mut next = 0;
            for task in 0..shards.tasks() {
                let (first, rows) = shards.rows(task);
                assert_eq!(first, next);
                assert!(rows >= 1 && rows <= shards.most() && rows + 1 >= shards.most());
                next += rows;
            }
            assert_eq!(next, batch);
        }
    }
}
