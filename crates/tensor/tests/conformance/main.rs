//! The conformance suite accepts `Reference`, and rejects a backend with any one error.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod faults;

use std::{collections::BTreeMap, sync::Arc};

use deckle_tensor::{
    Backend, Binary, Buffer, Builder, Composite, DType, Error, Executable, Operation,
    Primitive, Program, Reference, Result, Spec, Tensor, Unary, Value,
    conformance::{self, Family, check_family},
};

/// `Reference` with an error: some primitives are replaced by something else.
#[derive(Debug)]
struct Wrong {
    fault: Fault,
    /// Whether the results of the last primitive are off.
    spoilt: bool,
    /// Whether updates happen before the outputs are computed.
    early: bool,
}

/// What is made in place of a primitive, if anything else.
type Fault = fn(&mut Builder, &Primitive, &[Value]) -> Option<Result<Vec<Value>>>;

impl Wrong {
    fn new(fault: Fault) -> Self {
        Self { fault, spoilt: false, early: false }
    }

    fn rewrite(
        &self,
        program: &Program,
        outputs: bool,
        updates: bool,
    ) -> Result<Program> {
        let mut builder = Builder::new();
        let mut map = BTreeMap::new();
        for &value in program.inputs() {
            map.insert(value, builder.input(program.spec(value).clone()));
        }
        for &value in program.variables() {
            map.insert(value, builder.variable(program.spec(value).clone()));
        }
        for (i, instruction) in program.instructions().iter().enumerate() {
            builder.set_path(&instruction.path);
            let inputs: Vec<_> =
                instruction.inputs.iter().map(|value| map[value]).collect();
            let mut made = match &instruction.operation {
                Operation::Composite(composite) => {
                    builder.push_composite(composite.clone(), &inputs)?
                }
                Operation::Primitive(primitive) => {
                    match (self.fault)(&mut builder, primitive, &inputs) {
                        Some(values) => values?,
                        None => builder.push_all(primitive.clone(), &inputs)?,
                    }
                }
            };
            if self.spoilt && i + 1 == program.instructions().len() {
                made = made
                    .into_iter()
                    .map(|value| faults::spoil(&mut builder, value))
                    .collect::<Result<_>>()?;
            }
            map.extend(instruction.outputs.iter().copied().zip(made));
        }
        let results: Vec<_> = program.outputs().iter().map(|value| map[value]).collect();
        let new: Vec<_> = program
            .updates()
            .iter()
            .map(|update| (update.variable, map[&update.value]))
            .collect();
        builder.finish(
            if outputs { results } else { Vec::new() },
            if updates { new } else { Vec::new() },
        )
    }
}

impl Backend for Wrong {
    fn name(&self) -> &str {
        "wrong"
    }

    fn compile(&self, program: &Program) -> Result<Box<dyn Executable>> {
        if self.early {
            let updates = Reference.compile(&self.rewrite(program, false, true)?)?;
            let outputs = Reference.compile(&self.rewrite(program, true, false)?)?;
            return Ok(Box::new(Early { updates, outputs }));
        }
        Reference.compile(&self.rewrite(program, true, true)?)
    }

    fn allocate(&self, spec: &Spec) -> Result<Buffer> {
        Reference.allocate(spec)
    }

    fn write(&self, from: &Tensor, to: &Buffer) -> Result<()> {
        Reference.write(from, to)
    }

    fn read(&self, from: &Buffer, to: &mut Tensor) -> Result<()> {
        Reference.read(from, to)
    }
}

struct Early {
    updates: Box<dyn Executable>,
    outputs: Box<dyn Executable>,
}

impl Executable for Early {
    fn run(
        &self,
        inputs: &[Buffer],
        variables: &[Buffer],
        outputs: &[Buffer],
    ) -> Result<()> {
        self.updates.run(inputs, variables, &[])?;
        self.outputs.run(inputs, variables, outputs)
    }
}

const NONE: Fault = |_, _, _| None;

#[test]
fn the_reference_passes() {
    for family in Family::ALL {
        check_family(&Reference, family)
            .unwrap_or_else(|report| panic!("{family:?}: {report}"));
    }
}

#[test]
fn a_backend_without_faults_passes_through_the_rewriting() {
    conformance::check(&Wrong::new(NONE)).unwrap();
}

#[test]
fn updates_that_come_early_are_rejected() {
    let backend = Wrong { early: true, ..Wrong::new(NONE) };
    for family in [Family::Semantics, Family::Chains] {
        let report = check_family(&backend, family).expect_err("updates come early");
        assert!(!report.to_string().is_empty());
    }
}

/// `Reference`, with outputs that keep what was in them; buffers of any spec; no errors.
#[derive(Debug)]
struct Careless;

impl Backend for Careless {
    fn name(&self) -> &str {
        "careless"
    }
    fn compile(&self, program: &Program) -> Result<Box<dyn Executable>> {
        Ok(Box::new(CarelessRun(Reference.compile(program)?)))
    }
    fn allocate(&self, spec: &Spec) -> Result<Buffer> {
        Reference.allocate(spec)
    }
    fn write(&self, from: &Tensor, to: &Buffer) -> Result<()> {
        match Reference.write(from, to) {
            Err(Error::Invalid { .. }) => Ok(()),
            result => result,
        }
    }
    fn read(&self, from: &Buffer, to: &mut Tensor) -> Result<()> {
        Reference.read(from, to)
    }
}

struct CarelessRun(Box<dyn Executable>);

impl Executable for CarelessRun {
    fn run(
        &self,
        inputs: &[Buffer],
        variables: &[Buffer],
        outputs: &[Buffer],
    ) -> Result<()> {
        match self.0.run(inputs, variables, outputs) {
            Err(Error::Invalid { .. }) => Ok(()),
            result => result,
        }
    }
}

#[test]
fn missing_errors_are_rejected() {
    let report = check_family(&Careless, Family::Contract).unwrap_err().to_string();
    for promise in [
        "writing another spec",
        "a run with no input",
        "a run with a foreign output",
        "an output that is a variable",
    ] {
        assert!(report.contains(promise), "{promise} is missing in {report}");
    }
}

/// Square and double, and a backward composite that reads both.
fn composites() -> (Program, Tensor) {
    let spec = Spec::new(DType::F32, [3]);
    let mut body = Builder::new();
    let x = body.input(spec.clone());
    let square = body.push(Primitive::Unary(Unary::Square), &[x]).unwrap();
    let double = body.push(Primitive::Binary(Binary::Add), &[x, x]).unwrap();
    let forward = Arc::new(body.finish([square, double], []).unwrap());
    let mut body = Builder::new();
    let (dy, double) = (body.input(spec.clone()), body.input(spec.clone()));
    let dx = body.push(Primitive::Binary(Binary::Mul), &[dy, double]).unwrap();
    let backward = Arc::new(body.finish([dx], []).unwrap());
    let composite = |name: &str, body| Composite {
        name: name.into(),
        attributes: BTreeMap::new(),
        body,
    };
    let mut builder = Builder::new();
    let (x, dy) = (builder.input(spec.clone()), builder.input(spec));
    let made = builder.push_composite(composite("square", forward), &[x]).unwrap();
    let dx = builder
        .push_composite(composite("square_backward", backward), &[dy, made[1]])
        .unwrap();
    let program = builder.finish([made[0], dx[0]], []).unwrap();
    (program, Tensor::new([1.0f32, -2.0, 3.0], [3]).unwrap())
}

#[test]
fn composites_are_checked_in_all_combinations() {
    let (program, x) = composites();
    let inputs = [x.clone(), x];
    conformance::check_composite(&Reference, &program, &inputs).unwrap();

    /// A kernel of the backward composite with an error; its body is right.
    #[derive(Debug)]
    struct Kernel;
    impl Backend for Kernel {
        fn name(&self) -> &str {
            "kernel"
        }
        fn compile(&self, program: &Program) -> Result<Box<dyn Executable>> {
            let wrong = program.instructions().iter().any(|instruction| {
                matches!(&instruction.operation, Operation::Composite(c) if &*c.name == "square_backward")
            });
            let fault: Fault = |builder, primitive, inputs| match primitive {
                Primitive::Binary(Binary::Mul) => {
                    Some(builder.push_all(Primitive::Binary(Binary::Sub), inputs))
                }
                _ => None,
            };
            let program = program.lowered(&|_| false);
            Wrong::new(if wrong { fault } else { NONE }).compile(&program)
        }
        fn allocate(&self, spec: &Spec) -> Result<Buffer> {
            Reference.allocate(spec)
        }
        fn write(&self, from: &Tensor, to: &Buffer) -> Result<()> {
            Reference.write(from, to)
        }
        fn read(&self, from: &Buffer, to: &mut Tensor) -> Result<()> {
            Reference.read(from, to)
        }
    }
    let report = conformance::check_composite(&Kernel, &program, &inputs).unwrap_err();
    let cases: Vec<_> =
        report.failures().iter().map(|failure| failure.case.as_str()).collect();
    let all = r#"["square", "square_backward"]"#;
    let expected = [r#"["square_backward"]"#, all]
        .map(|kept| format!("composites {kept} of {all} kept"));
    assert_eq!(cases, expected);
    assert!(
        report.failures()[0]
            .problem
            .contains("output 1 float32 (3,) at (0,) is -1, not 2")
    );
}

#[test]
fn a_program_without_composites_is_no_check() {
    let program = Builder::new().finish([], []).unwrap();
    assert!(conformance::check_composite(&Reference, &program, &[]).is_err());
}
