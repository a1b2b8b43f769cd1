//! Preprocessing against Keras: `tools/golden/preprocessing.py` wrote what it makes of small inputs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use deckle_data::{
    Batch, CategoryEncoding, Dataset, Discretization, HashInput, HashedCrossing, Hashing,
    IndexLookup, IntegerLookup, MatrixMode, Normalization, OovMethod, OutputMode, Split,
    Standardize, StringLookup, TextToWords, TextVectorization, Timeseries, Token,
    Tokenizer, hashing_trick,
};
use deckle_tensor::{DType, Tensor};
use serde_json::Value;

fn cases(name: &str) -> Vec<Value> {
    let text = include_str!("golden/preprocessing.json");
    let mut all: Value = serde_json::from_str(text).unwrap();
    let cases = all[name].take();
    let cases = cases.as_array().unwrap().clone();
    assert!(cases.len() >= 3, "{name}");
    cases
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    flat(value).into_iter().map(|v| v as f32).collect()
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().map(|number| number as usize)
}

/// Also `Infinity` and `-Infinity`, which Python writes without quotes: replaced by the script.
fn number(value: &Value) -> f64 {
    match value {
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap(),
    }
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        value => vec![number(value)],
    }
}

fn shape(value: &Value) -> Vec<usize> {
    match value {
        Value::Array(values) => {
            let mut shape = vec![values.len()];
            shape.extend(values.first().map_or(vec![], shape_of));
            shape
        }
        _ => vec![],
    }
}

fn shape_of(value: &Value) -> Vec<usize> {
    shape(value)
}

#[track_caller]
fn check(got: &Tensor, expected: &Value, tolerance: f64, case: &Value) {
    assert_eq!(got.shape(), shape(expected), "{}", case["config"]);
    let got = got.cast(DType::F64).to_vec::<f64>().unwrap();
    for (at, (got, expected)) in got.iter().zip(flat(expected)).enumerate() {
        assert!(
            (got - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{got} and {expected} at {at} of {}",
            case["config"]
        );
    }
}

fn mode(value: &Value) -> OutputMode {
    match value.as_str().unwrap_or("int") {
        "int" => OutputMode::Int,
        "one_hot" => OutputMode::OneHot,
        "multi_hot" => OutputMode::MultiHot,
        "count" => OutputMode::Count,
        "tf_idf" => OutputMode::TfIdf,
        other => panic!("{other}"),
    }
}

fn salt(value: &Value) -> Option<[u64; 2]> {
    match value {
        Value::Null => None,
        Value::Array(_) => Some([numbers(value)[0] as u64, numbers(value)[1] as u64]),
        value => Some([value.as_u64().unwrap(); 2]),
    }
}

#[test]
fn tokenizer() {
    for case in cases("tokenizers") {
        let config = &case["config"];
        let text = |name: &str| config[name].as_str();
        let mut words =
            TextToWords::new().lower(config["lower"].as_bool().unwrap_or(true));
        words = text("filters").map_or(words.clone(), |filters| words.filters(filters));
        words = text("split").map_or(words.clone(), |split| words.split(split));
        let mut tokenizer = Tokenizer::new()
            .words(words)
            .num_words(size(&config["num_words"]).map(|n| n as u32))
            .char_level(config["char_level"].as_bool().unwrap_or(false));
        if let Some(token) = text("oov_token") {
            tokenizer = tokenizer.oov_token(token);
        }
        let texts = texts();
        tokenizer.fit_on_texts(&texts[..6]).unwrap();
        tokenizer.fit_on_texts(&texts[6..8]).unwrap();
        let mut expected: Vec<(String, i64)> = case["word_index"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].as_i64().unwrap()))
            .collect();
        expected.sort_by_key(|(_, index)| *index);
        let got: Vec<_> =
            tokenizer.word_index().map(|(w, i)| (w.to_owned(), i64::from(i))).collect();
        assert_eq!(got, expected, "{config}");
        assert_eq!(Some(tokenizer.document_count()), case["document_count"].as_u64());
        let sequences = tokenizer.texts_to_sequences(&texts).unwrap();
        for (got, expected) in sequences.iter().zip(case["sequences"].as_array().unwrap())
        {
            let got: Vec<i64> = got.iter().copied().map(i64::from).collect();
            assert_eq!(got, numbers(expected), "{config}");
        }
        assert_eq!(sequences.len(), texts.len());
        assert_eq!(
            tokenizer.sequences_to_texts(&sequences),
            strings(&case["back"]),
            "{config}"
        );
        for (name, mode) in [
            ("binary", MatrixMode::Binary),
            ("count", MatrixMode::Count),
            ("freq", MatrixMode::Freq),
            ("tfidf", MatrixMode::TfIdf),
        ] {
            let matrix = tokenizer.texts_to_matrix(&texts[..8], mode).unwrap();
            check(&matrix, &case["matrix"][name], 1e-6, &case);
        }
    }
}

/// The texts of the script.
fn texts() -> Vec<String> {
    cases("hashing_tricks")
        .iter()
        .map(|case| case["text"].as_str().unwrap().into())
        .collect()
}

#[test]
fn hashing_trick_of_md5() {
    for case in cases("hashing_tricks") {
        let text = case["text"].as_str().unwrap();
        let got = hashing_trick(text, 50, &TextToWords::new()).unwrap();
        let got: Vec<i64> = got.into_iter().map(i64::from).collect();
        assert_eq!(got, numbers(&case["output"]), "{text}");
    }
}

#[test]
fn text_vectorization() {
    for case in cases("vectorizations") {
        let config = &case["config"];
        let mut vectorize = TextVectorization::new()
            .max_tokens(size(&config["max_tokens"]))
            .output_mode(mode(&config["output_mode"]))
            .output_sequence_length(size(&config["output_sequence_length"]))
            .pad_to_max_tokens(config["pad_to_max_tokens"].as_bool().unwrap_or(false));
        match config.get("standardize") {
            Some(Value::Null) => vectorize = vectorize.standardize(Standardize::None),
            Some(Value::String(name)) if name == "lower" => {
                vectorize = vectorize.standardize(Standardize::Lower);
            }
            Some(_) => vectorize = vectorize.standardize(Standardize::StripPunctuation),
            None => {}
        }
        if config["split"].as_str() == Some("character") {
            vectorize = vectorize.split(Split::Character);
        }
        match &config["ngrams"] {
            Value::Null => {}
            Value::Array(_) => {
                let lens = numbers(&config["ngrams"]);
                vectorize = vectorize.ngrams_of(lens.into_iter().map(|n| n as usize));
            }
            n => vectorize = vectorize.ngrams(size(n).unwrap()),
        }
        if let Some(vocabulary) = config.get("vocabulary") {
            let vocabulary = strings(vocabulary);
            vectorize = match config.get("idf_weights") {
                Some(weights) => {
                    vectorize.weighted_vocabulary(vocabulary, &floats(weights)).unwrap()
                }
                None => vectorize.vocabulary(vocabulary).unwrap(),
            };
        } else {
            vectorize.adapt(strings(&case["adapt"])).unwrap();
        }
        assert_eq!(vectorize.get_vocabulary(), strings(&case["vocabulary"]), "{config}");
        assert_eq!(
            vectorize.lookup().tokens(),
            strings(&case["tokens_only"]),
            "{config}"
        );
        let output = vectorize.apply(strings(&case["queries"])).unwrap();
        check(&output, &case["output"], 1e-6, &case);
    }
}

fn configured<T: Token>(
    mut lookup: IndexLookup<T>,
    config: &Value,
    token: impl Fn(&Value) -> T,
) -> IndexLookup<T> {
    lookup = lookup
        .max_tokens(size(&config["max_tokens"]))
        .num_oov_indices(size(&config["num_oov_indices"]).unwrap_or(1))
        .output_mode(mode(&config["output_mode"]))
        .pad_to_max_tokens(config["pad_to_max_tokens"].as_bool().unwrap_or(false));
    if let Some(mask) = config.get("mask_token") {
        lookup = lookup.mask_token(token(mask));
    }
    if let Some(oov) = config.get("oov_token") {
        lookup = lookup.oov_token(token(oov));
    }
    if config["oov_method"].as_str() == Some("farmhash") {
        lookup = lookup.oov_method(OovMethod::Farmhash);
    }
    if let Some(key) = salt(&config["salt"]) {
        lookup = lookup.salt(key);
    }
    if let Some(vocabulary) = config.get("vocabulary") {
        lookup =
            lookup.vocabulary(vocabulary.as_array().unwrap().iter().map(token)).unwrap();
    }
    lookup
}

#[test]
fn string_lookup() {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for case in cases("string_lookups") {
        let mut lookup = configured(StringLookup::new(), &case["config"], text);
        if let Some(documents) = case["adapt"].as_array() {
            lookup.adapt(documents.iter().map(strings)).unwrap();
        }
        assert_eq!(
            lookup.get_vocabulary(),
            strings(&case["vocabulary"]),
            "{}",
            case["config"]
        );
        let rows: Vec<_> = case["rows"].as_array().unwrap().iter().map(strings).collect();
        check(&lookup.apply_rows(rows.clone()).unwrap(), &case["output"], 1e-6, &case);
        if case["flat"].is_array() {
            check(&lookup.apply(rows[1].clone()).unwrap(), &case["flat"], 1e-6, &case);
        }
    }
    for case in cases("inverses") {
        let lookup = configured(StringLookup::new(), &case["config"], text);
        let got = lookup.invert(&numbers(&case["queries"]));
        assert_eq!(got, strings(&case["output"]), "{}", case["config"]);
    }
}

#[test]
fn integer_lookup() {
    for case in cases("integer_lookups") {
        let number = |value: &Value| value.as_i64().unwrap();
        let mut lookup = configured(IntegerLookup::new(), &case["config"], number);
        lookup.adapt(case["adapt"].as_array().unwrap().iter().map(numbers)).unwrap();
        assert_eq!(
            lookup.get_vocabulary(),
            numbers(&case["vocabulary"]),
            "{}",
            case["config"]
        );
        let rows: Vec<_> = case["rows"].as_array().unwrap().iter().map(numbers).collect();
        check(&lookup.apply_rows(rows.clone()).unwrap(), &case["output"], 1e-6, &case);
        check(&lookup.apply(rows[1].clone()).unwrap(), &case["flat"], 1e-6, &case);
    }
}

#[test]
fn hashing() {
    for case in cases("hashings") {
        let config = &case["config"];
        let mut hashing = Hashing::new(size(&config["num_bins"]).unwrap())
            .output_mode(mode(&config["output_mode"]));
        match &config["mask_value"] {
            Value::Null => {}
            Value::String(_) => hashing = hashing.mask_value(""),
            number => hashing = hashing.mask_value(number.as_i64().unwrap()),
        }
        if let Some(key) = salt(&config["salt"]) {
            hashing = hashing.salt(key);
        }
        let got = if case["strings"].is_array() {
            hashing.apply(&strings(&case["strings"]))
        } else if case["integers"].is_array() {
            hashing.apply(numbers(&case["integers"]))
        } else {
            let rows: Vec<_> =
                case["rows"].as_array().unwrap().iter().map(strings).collect();
            hashing.apply_rows(&rows)
        };
        check(&got.unwrap(), &case["output"], 0.0, &case);
    }
}

#[test]
fn hashed_crossing() {
    for case in cases("crossings") {
        let config = &case["config"];
        let crossing = HashedCrossing::new(size(&config["num_bins"]).unwrap())
            .output_mode(mode(&config["output_mode"]));
        let input = |value: &Value| match value {
            Value::String(text) => HashInput::Text(text.clone().into()),
            number => HashInput::Number(number.as_i64().unwrap()),
        };
        let features: Vec<Vec<_>> = case["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|feature| feature.as_array().unwrap().iter().map(input).collect())
            .collect();
        check(&crossing.apply(&features).unwrap(), &case["output"], 0.0, &case);
    }
}

#[test]
fn discretization() {
    for case in cases("discretizations") {
        let mut bins = match size(&case["num_bins"]) {
            Some(num_bins) => {
                Discretization::quantiles(num_bins).epsilon(number(&case["epsilon"]))
            }
            None => Discretization::new(flat(&case["bin_boundaries"])).unwrap(),
        };
        bins = bins.output_mode(mode(&case["output_mode"]));
        if let Some(batches) = case["adapt"].as_array() {
            let batches: Vec<Tensor> = batches
                .iter()
                .map(|batch| Tensor::new(floats(batch), shape(batch)).unwrap())
                .collect();
            bins.adapt(&batches).unwrap();
            let boundaries =
                Tensor::new(bins.bin_boundaries(), [bins.bin_boundaries().len()]);
            check(&boundaries.unwrap(), &case["bin_boundaries"], 1e-6, &case);
        }
        let queries = flat(&case["queries"]);
        let queries = Tensor::new(&queries, [queries.len()]).unwrap();
        check(&bins.apply(&queries).unwrap(), &case["output"], 0.0, &case);
    }
}

#[test]
fn category_encoding() {
    for case in cases("encodings") {
        let encoding = CategoryEncoding::new(size(&case["num_tokens"]).unwrap())
            .output_mode(mode(&case["output_mode"]));
        let x = Tensor::new(floats(&case["x"]), shape(&case["x"])).unwrap();
        let got = if case["weights"].is_array() {
            let weights = Tensor::new(floats(&case["weights"]), shape(&case["weights"]));
            encoding.apply_weighted(&x, &weights.unwrap())
        } else {
            encoding.apply(&x)
        };
        check(&got.unwrap(), &case["output"], 0.0, &case);
    }
}

#[test]
fn normalization() {
    for case in cases("normalizations") {
        let axis = match &case["axis"] {
            Value::Null => vec![],
            Value::Array(_) => numbers(&case["axis"]),
            axis => vec![axis.as_i64().unwrap()],
        };
        let mut normalization = Normalization::new()
            .axis(axis.into_iter().map(|axis| axis as isize))
            .invert(case["invert"].as_bool().unwrap());
        let shape: Vec<usize> =
            numbers(&case["shape"]).into_iter().map(|n| n as usize).collect();
        let x = Tensor::new(floats(&case["x"]), shape).unwrap();
        if case["mean"].is_array() {
            let (mean, variance) = (flat(&case["mean"]), flat(&case["variance"]));
            normalization = normalization.moments(&mean, &variance).unwrap();
        } else {
            normalization.adapt(&x).unwrap();
        }
        let got = normalization.apply(&x).unwrap().reshape([-1]).unwrap();
        check(&got, &case["output"], 2e-5, &case);
    }
}

#[test]
fn timeseries_dataset_from_array() {
    for case in cases("timeseries") {
        let config = &case["config"];
        let value = |name: &str, default| size(&config[name]).unwrap_or(default);
        let windows = Timeseries::new(value("sequence_length", 0))
            .sequence_stride(value("sequence_stride", 1))
            .sampling_rate(value("sampling_rate", 1))
            .start_index(value("start_index", 0))
            .end_index(size(&config["end_index"]));
        let data = Tensor::arange(0i64..20);
        let windows = match case["offset"].as_i64() {
            Some(offset) => windows.apply(&data, &(Tensor::arange(offset..20) * 10)),
            None => windows.apply_without_targets(&data),
        };
        let windows = windows.unwrap();
        let indices: Vec<usize> = (0..windows.len()).collect();
        let batches = case["batches"].as_array().unwrap();
        let size = value("batch_size", 128);
        assert_eq!(indices.chunks(size).len(), batches.len(), "{config}");
        let mut batch = Batch::new();
        for (indices, expected) in indices.chunks(size).zip(batches) {
            windows.read_batch(indices, &mut batch).unwrap();
            if case["offset"].is_null() {
                check(&batch.inputs[0], expected, 0.0, &case);
            } else {
                check(&batch.inputs[0], &expected[0], 0.0, &case);
                check(&batch.targets[0], &expected[1], 0.0, &case);
            }
        }
    }
}
