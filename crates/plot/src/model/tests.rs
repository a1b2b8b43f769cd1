//! Tests of [`PlotModel`].

use deckle_nn::{
    Activation, LayerExt, LayerHandle, Result, Sequential, Symbol,
    layers::{Add, Dense, Embedding, LSTM},
};
use deckle_tensor::DType;

use super::*;

fn edges(dot: &str) -> Vec<&str> {
    let lines = dot.lines().map(str::trim).filter(|line| line.contains(" -> "));
    lines.map(|line| line.trim_end_matches(" [penwidth=2];")).collect()
}

#[test]
fn a_sequential_model_is_a_chain_without_its_input() -> Result<()> {
    let model = Sequential::new([784])
        .add(Dense::new(512).activation(Activation::Relu))
        .add(Dense::new(10).trainable(false))
        .build()?;
    let plot = PlotModel::new()
        .show_shapes(true)
        .show_dtype(true)
        .show_layer_activations(true)
        .show_layer_names(true)
        .show_trainable(true);
    let dot = plot.to_dot(&model);
    assert!(
        dot.starts_with("digraph \"sequential\" {\n  concentrate=true;\n  dpi=200;\n")
    );
    assert_eq!(edges(&dot), ["n0 -> n1"]);
    // What Keras 3.15.1 makes of the first layer.
    let expected = "<table border=\"0\" cellborder=\"1\" bgcolor=\"black\" \
        cellpadding=\"10\"><tr><td colspan=\"4\" bgcolor=\"black\"><font point-size=\"16\" \
        color=\"white\"><b>dense</b> (Dense)</font></td></tr><tr><td bgcolor=\"white\" \
        colspan=\"4\"><font point-size=\"14\">Activation: <b>relu</b></font></td></tr><tr><td \
        bgcolor=\"white\"><font point-size=\"14\">Input shape: <b>(None, \
        784)</b></font></td><td bgcolor=\"white\"><font point-size=\"14\">Output shape: \
        <b>(None, 512)</b></font></td><td bgcolor=\"white\"><font point-size=\"14\">Output \
        dtype: <b>float32</b></font></td><td bgcolor=\"forestgreen\"><font point-size=\"14\" \
        color=\"white\"><b>Trainable</b></font></td></tr></table>";
    assert!(dot.contains(expected), "{dot}");
    assert!(dot.contains("<b>Non-trainable</b>"));
    let svg = plot.picture(&model).to_svg();
    assert!(svg.contains(">Input shape: (None, 784)</text>"));
    assert_eq!(svg.matches("<polygon").count(), 1);
    Ok(())
}

#[test]
fn shared_layers_are_one_box_and_may_call_themselves() -> Result<()> {
    let x = Symbol::input("x", [4]);
    let shared = Dense::new(4).named("shared");
    let y = shared.apply(&shared.apply(&x)?)?;
    let y = Add::new().join([&y, &x])?;
    let model = Model::new([&x], [&y])?;
    let plot = PlotModel::new();
    let dot = plot.to_dot(&model);
    let mut found = edges(&dot);
    found.sort_unstable();
    assert_eq!(found, ["n0 -> n1", "n0 -> n2", "n1 -> n1", "n1 -> n2"]);
    for rankdir in [Rankdir::TB, Rankdir::LR] {
        let picture = plot.rankdir(rankdir).picture(&model);
        assert_eq!(picture.to_svg().matches("<polygon").count(), 4);
        picture
            .to_image()
            .map_err(|error| deckle_nn::Error::invalid(error, "a picture"))?;
    }
    let (wide, high) = plot.rankdir(Rankdir::LR).picture(&model).size();
    assert!(wide > high);
    Ok(())
}

#[test]
fn nested_models_are_boxes_or_clusters() -> Result<()> {
    let inner = Sequential::new([4]).add(Dense::new(4)).add(Dense::new(3)).build()?;
    let words = Symbol::typed_input("words", [5], DType::I32);
    let states = LSTM::new(4).return_state(true).shared();
    let states = states.call([&Embedding::new(10, 4).apply(&words)?], [])?;
    let tower = Model::new([&words], [&states[0], &states[2]])?;
    let given = Symbol::typed_input("given", [5], DType::I32);
    let both = LayerHandle::from(tower.named("tower")).call([&given], [])?;
    let y = LayerHandle::from(inner.named("head"))
        .apply(&Add::new().join([&both[0], &both[1]])?)?;
    let model = Model::new([&given], [&y])?;

    let plot = PlotModel::new().show_shapes(true).show_layer_names(true);
    let closed = plot.to_dot(&model);
    assert_eq!(edges(&closed).len(), 3);
    assert!(closed.contains("Output shape: <b>[(None, 4), (None, 4)]</b>"), "{closed}");

    let plot = plot.expand_nested(true);
    let open = plot.to_dot(&model);
    // given, tower(words, embedding, lstm), add, head(dense, dense_1)
    let expected =
        ["n1 -> n2", "n2 -> n3", "n5 -> n6", "n0 -> n1", "n3 -> n4", "n4 -> n5"];
    assert_eq!(edges(&open), expected, "{open}");
    assert_eq!(open.matches("subgraph cluster_").count(), 2);
    assert!(open.contains("label=\"tower\";"));
    let svg = plot.picture(&model).to_svg();
    assert!(svg.contains(">tower</text>") && svg.contains("stroke-dasharray"));
    Ok(())
}

#[test]
fn names_are_quoted_and_endings_checked() -> Result<()> {
    let x = Symbol::input("a \"b\" <c>", [1]);
    let model = Model::new([&x], [&Dense::new(1).apply(&x)?])?;
    let dot = PlotModel::new().show_layer_names(true).to_dot(&model);
    assert!(dot.contains("<b>a &quot;b&quot; &lt;c&gt;</b>"), "{dot}");
    let error = PlotModel::new().save(&model, "model.jpg").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file's name does not say what picture it is\n  expected: a name that ends in \
         `.dot`, `.gv`, `.svg` or `.png`\n       got: model.jpg"
    );
    Ok(())
}
