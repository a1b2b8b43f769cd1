//! Programs, a part of which computes each example of a batch by itself: [`Cut`].

use std::{collections::BTreeSet, sync::Arc};

use deckle_tensor::{
    Builder, Composite, Instruction, Operation, Primitive, Program, Result, Value,
};

use crate::canonical::repeat;

/// When an instruction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Before the parts: it reads nothing that these make.
    Before,
    /// In the parts.
    Within,
    After,
}

/// What of a program is computed part by part, and what before and after.
///
/// Views and constants are wherever they are read. What is only read afterwards is computed
/// afterwards, if the parts would have to store no less for it.
#[derive(Debug)]
pub(crate) struct Cut<'a> {
    program: &'a Program,
    when: Vec<When>,
    /// The instruction that makes a value.
    maker: Vec<Option<usize>>,
    /// Whether an instruction is made anew wherever its results are read.
    anew: Vec<bool>,
    /// What the parts make for what comes after them.
    results: Vec<Value>,
}

impl<'a> Cut<'a> {
    /// The cut of a program. `separate` says which instructions compute each example by itself,
    /// `sums` which may be added up from those of parts, `axis` along which axis a value counts
    /// the examples, if it does.
    ///
    /// None if nothing is worth it, or a value that parts would share counts its examples along
    /// another axis than the first.
    pub(crate) fn new(
        program: &'a Program,
        separate: &[bool],
        sums: &[bool],
        axis: &dyn Fn(Value) -> Option<usize>,
    ) -> Option<Self> {
        let instructions = program.instructions();
        let mut maker = vec![None; program.specs().len()];
        for (number, instruction) in instructions.iter().enumerate() {
            for value in &instruction.outputs {
                maker[value.index()] = Some(number);
            }
        }
        let mut when = Vec::<When>::with_capacity(instructions.len());
        for (number, instruction) in instructions.iter().enumerate() {
            let made = instruction.inputs.iter().filter_map(|v| maker[v.index()]);
            // A sum is whole after all parts.
            let sum = |by: usize| sums[by] && when[by] == When::Within;
            let made = made.map(|by| if sum(by) { When::After } else { when[by] });
            let made: Vec<_> = made.collect();
            let counts = instruction.outputs.iter().all(|&value| axis(value).is_some());
            let alone = counts && separate[number];
            when.push(if made.contains(&When::After) {
                When::After
            } else if alone || (sums[number] && made.contains(&When::Within)) {
                When::Within
            } else if made.contains(&When::Within) {
                When::After
            } else {
                When::Before
            });
        }
        let mut constant = vec![false; instructions.len()];
        for (number, instruction) in instructions.iter().enumerate() {
            let made = instruction.inputs.iter().map(|value| maker[value.index()]);
            constant[number] = separate[number]
                && match primitive(instruction) {
                    Some(Primitive::Constant(_)) => true,
                    _ => {
                        (is_view(instruction) || is_element_wise(instruction))
                            && made
                                .into_iter()
                                .all(|by| by.is_some_and(|by| constant[by]))
                    }
                };
        }
        let anew = (0..instructions.len())
            .map(|n| constant[n] || (separate[n] && is_view(&instructions[n])))
            .collect();
        let mut cut = Self { program, when, maker, anew, results: Vec::new() };
        cut.sink(axis);
        cut.results = cut.crossing().into_iter().collect();
        let first = |&value: &Value| {
            axis(value) == Some(0) || cut.maker[value.index()].is_some_and(|n| sums[n])
        };
        let within =
            |number: usize| cut.when[number] == When::Within && !cut.anew[number];
        let some = (0..cut.when.len()).any(within);
        (some && !cut.results.is_empty() && cut.results.iter().all(first)).then_some(cut)
    }

    /// Moves what only later instructions read behind the parts.
    fn sink(&mut self, axis: &dyn Fn(Value) -> Option<usize>) {
        let program = self.program;
        // Who reads each value: parts, what comes after them, or both; and whether an
        // instruction is among the latter.
        let mut read = vec![[false; 2]; program.specs().len()];
        let mut used = vec![false; program.specs().len()];
        let ends =
            program.outputs().iter().chain(program.updates().iter().map(|u| &u.value));
        ends.for_each(|value| read[value.index()][1] = true);
        for (number, instruction) in program.instructions().iter().enumerate().rev() {
            let bytes = |values: &[Value]| -> usize {
                values.iter().map(|&value| program.spec(value).bytes()).sum()
            };
            if self.when[number] == When::Within {
                let outputs = instruction.outputs.iter().map(|v| read[v.index()]);
                let (here, after) = outputs
                    .fold((false, false), |(a, b), [here, after]| (a | here, b | after));
                let new = instruction.inputs.iter().copied().filter(|value| {
                    let made = self.maker[value.index()];
                    let within = made.is_some_and(|n| self.when[n] == When::Within);
                    within && !read[value.index()][1]
                });
                let new: Vec<_> = new.collect();
                let cheap = is_view(instruction)
                    || (is_element_wise(instruction)
                        && bytes(&new) <= bytes(&instruction.outputs));
                // What ends as it is needs no pass of its own, if the parts can store it.
                let stored = instruction
                    .outputs
                    .iter()
                    .all(|&value| !used[value.index()] && axis(value) == Some(0));
                if after && !here && cheap && !stored {
                    self.when[number] = When::After;
                } else if after && self.anew[number] {
                    // It is made here and there.
                    instruction.inputs.iter().for_each(|v| read[v.index()][1] = true);
                }
            }
            let reader = match self.when[number] {
                When::Before => continue,
                When::Within => 0,
                When::After => 1,
            };
            for value in &instruction.inputs {
                read[value.index()][reader] = true;
                used[value.index()] |= reader == 1;
            }
        }
    }

    /// The values made in the parts that what comes after them reads; views by what they show.
    fn crossing(&self) -> BTreeSet<Value> {
        let program = self.program;
        let mut found = BTreeSet::new();
        let after = program.instructions().iter().zip(&self.when);
        let after = after.filter(|&(_, &when)| when == When::After);
        let mut open: Vec<_> = after.flat_map(|(one, _)| one.inputs.clone()).collect();
        open.extend(program.outputs());
        open.extend(program.updates().iter().map(|update| update.value));
        while let Some(value) = open.pop() {
            let Some(number) = self.maker[value.index()] else { continue };
            if self.when[number] == When::Within {
                if self.anew[number] {
                    open.extend(&program.instructions()[number].inputs);
                } else {
                    found.insert(value);
                }
            }
        }
        found
    }

    /// The bytes of what is added up from what the parts make.
    pub(crate) fn summed_bytes(&self, axis: &dyn Fn(Value) -> Option<usize>) -> usize {
        let sums = self.results.iter().filter(|&&value| axis(value).is_none());
        sums.map(|&value| self.program.spec(value).bytes()).sum()
    }

    /// What the parts compute, for as many examples as `program` is for, and the values of that
    /// which are its inputs. It is the cut one, or the same for fewer examples.
    pub(crate) fn body(&self, program: &Program) -> Result<(Program, Vec<Value>)> {
        let mut copy = Copying::new(self, program);
        for (number, instruction) in program.instructions().iter().enumerate() {
            if self.when[number] == When::Within && !self.anew[number] {
                copy.instruction(instruction)?;
            }
        }
        let results = copy.all(&self.results)?;
        let body = copy.builder.finish(results, [])?;
        Ok((body, copy.given))
    }

    /// The program with `body` in the place of the parts; `given` are its inputs.
    pub(crate) fn around(&self, body: &Arc<Program>, given: &[Value]) -> Result<Program> {
        let program = self.program;
        let mut copy = Copying::new(self, program);
        for &value in program.inputs() {
            copy.map[value.index()] =
                Some(copy.builder.input(program.spec(value).clone()));
        }
        for &value in program.variables() {
            let variable = copy.builder.variable(program.spec(value).clone());
            copy.map[value.index()] = Some(variable);
        }
        copy.those(When::Before)?;
        let inputs = copy.all(given)?;
        copy.builder.set_path(&Arc::default());
        let composite = Composite {
            name: "examples".into(),
            attributes: [].into(),
            body: Arc::clone(body),
        };
        let results = copy.builder.push_composite(composite, &inputs)?;
        for (value, result) in self.results.iter().zip(results) {
            copy.map[value.index()] = Some(result);
        }
        copy.those(When::After)?;
        let outputs = copy.all(program.outputs())?;
        let mut updates = Vec::new();
        for update in program.updates() {
            updates.push((update.variable, copy.value(update.value)?));
        }
        copy.builder.finish(outputs, updates)
    }
}

/// A part of a program on its way into another one.
struct Copying<'a> {
    cut: &'a Cut<'a>,
    program: &'a Program,
    builder: Builder,
    map: Vec<Option<Value>>,
    /// What the new program is given because it does not make it.
    given: Vec<Value>,
}

impl<'a> Copying<'a> {
    fn new(cut: &'a Cut<'a>, program: &'a Program) -> Self {
        let map = vec![None; program.specs().len()];
        Self { cut, program, builder: Builder::new(), map, given: Vec::new() }
    }

    fn those(&mut self, when: When) -> Result<()> {
        for (number, instruction) in self.program.instructions().iter().enumerate() {
            if self.cut.when[number] == when {
                self.instruction(instruction)?;
            }
        }
        Ok(())
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<()> {
        let inputs = self.all(&instruction.inputs)?;
        let outputs = repeat(&mut self.builder, instruction, &inputs)?;
        for (value, made) in instruction.outputs.iter().zip(outputs) {
            self.map[value.index()] = Some(made);
        }
        Ok(())
    }

    fn all(&mut self, values: &[Value]) -> Result<Vec<Value>> {
        values.iter().map(|&value| self.value(value)).collect()
    }

    /// A value in the new program, made anew if need be.
    fn value(&mut self, value: Value) -> Result<Value> {
        if let Some(known) = self.map[value.index()] {
            return Ok(known);
        }
        if let Some(number) = self.cut.maker[value.index()].filter(|&n| self.cut.anew[n])
        {
            self.instruction(&self.program.instructions()[number])?;
        } else {
            self.given.push(value);
            let input = self.builder.input(self.program.spec(value).clone());
            self.map[value.index()] = Some(input);
        }
        Ok(self.map[value.index()].expect("set above"))
    }
}

fn primitive(instruction: &Instruction) -> Option<&Primitive> {
    match &instruction.operation {
        Operation::Primitive(primitive) => Some(primitive),
        Operation::Composite(_) => None,
    }
}

/// Whether it shows the elements of its operand, without work.
fn is_view(instruction: &Instruction) -> bool {
    matches!(
        primitive(instruction),
        Some(
            Primitive::Reshape { .. }
                | Primitive::Transpose { .. }
                | Primitive::Broadcast { .. }
                | Primitive::Slice(_)
        )
    )
}

fn is_element_wise(instruction: &Instruction) -> bool {
    matches!(
        primitive(instruction),
        Some(
            Primitive::Unary(_)
                | Primitive::Binary(_)
                | Primitive::Compare(_)
                | Primitive::Select
                | Primitive::Cast(_)
        )
    )
}
