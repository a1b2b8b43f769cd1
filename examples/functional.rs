//! Two inputs, three outputs: who wrote a post, judged by its words and when it was posted.
//!
//! `cargo run --release --example functional`
//!
//! The posts are made up, with a rule to be found: each word and each hour speaks for an age, an
//! income and a group. Takes a fraction of a second.

use deckle::prelude::*;

const POSTS: usize = 2_000;
const WORDS: usize = 40;
const LENGTH: usize = 12;

/// A whole number below `below` that looks random, the same in every run.
fn draw(state: &mut u64, below: usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % below
}

fn posts() -> Result<Arrays> {
    let (mut state, mut words, mut hours) = (1, Vec::new(), Vec::new());
    let (mut ages, mut incomes, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..POSTS {
        let post: Vec<i32> =
            (0..LENGTH).map(|_| draw(&mut state, WORDS) as i32).collect();
        let hour = draw(&mut state, 24) as f32 / 24.0;
        let tone =
            post.iter().map(|&word| word as f32).sum::<f32>() / (LENGTH * WORDS) as f32;
        ages.push(2.0 * tone + hour);
        incomes.push(i64::from(tone > 0.5) + i64::from(tone > 0.4));
        groups.push(f32::from(tone + 0.2 * hour > 0.58));
        words.extend(post);
        hours.push(hour);
    }
    Ok(Arrays::named(
        [
            ("words", Tensor::new(words, [POSTS, LENGTH])?),
            ("hour", Tensor::new(hours, [POSTS, 1])?),
        ],
        [
            ("age", Tensor::new(ages, [POSTS, 1])?),
            ("income", Tensor::new(incomes, [POSTS])?),
            ("group", Tensor::new(groups, [POSTS, 1])?),
        ],
    )?)
}

fn main() -> Result<()> {
    let words = Symbol::typed_input("words", [LENGTH], DType::I32);
    let hour = Symbol::input("hour", [1]);
    let read = Embedding::new(WORDS, 8).apply(&words)?;
    let read = GlobalAveragePooling1D::new().apply(&read)?;
    let both = Concatenate::new().join([&read, &hour])?;
    let hidden = Dense::new(32).activation(Relu).apply(&both)?;
    let age = Dense::new(1).named("age").apply(&hidden)?;
    let income = Dense::new(3).activation(Softmax).named("income").apply(&hidden)?;
    let group = Dense::new(1).activation(Sigmoid).named("group").apply(&hidden)?;
    let model =
        Functional::new([&words, &hour], [&age, &income, &group]).seed(1).build()?;
    println!("{}", model.summary());

    let compile = Compile::outputs(
        Adam::new().learning_rate(0.01),
        [
            ("age", MeanSquaredError::new().into()),
            ("income", SparseCategoricalCrossentropy::new().into()),
            ("group", BinaryCrossentropy::new().into()),
        ],
    );
    let compile = compile
        .loss_weight("age", 5.0)
        .metric_for("income", Accuracy::new())
        .metric_for("group", Accuracy::new());
    let (train, test) = posts()?.split(0.2)?;
    let mut trainer = model.compile(compile)?;
    trainer.fit(&train, Fit::new().epochs(15))?;
    let logs = trainer.evaluate(&test)?;

    let value = |name| logs.get(name).unwrap_or(f64::NAN);
    println!(
        "RESULT {}",
        serde_json::json!({
            "example": "functional", "loss": logs.loss(), "age_loss": value("age_loss"),
            "income_accuracy": value("income_accuracy"),
            "group_accuracy": value("group_accuracy"),
        })
    );
    Ok(())
}
