//! What came before deep learning, beside a network: the history in chapter 1 of *Deep Learning
//! with Python*.
//!
//! `cargo run --release --example ch01_history`
//!
//! Naive Bayes, logistic regression, a support vector machine, a decision tree, a random forest
//! and gradient boosting, from the crate `smartcore`, tell benign from malignant tumours by 30
//! numbers, and so does a network with one hidden layer; five folds, the same for all. The data
//! come with that crate (569 rows; W. Wolberg, W. Street, O. Mangasarian, *Breast Cancer
//! Wisconsin (Diagnostic)*, UCI, CC BY 4.0). On so few rows of good features the network is one
//! among several, which is what the chapter says.

use deckle::{
    data::{Fold, k_fold},
    prelude::*,
};
use deckle_examples::{report, seed};
use smartcore::{
    dataset::breast_cancer,
    ensemble::random_forest_classifier::{
        RandomForestClassifier, RandomForestClassifierParameters,
    },
    error::Failed,
    linalg::basic::matrix::DenseMatrix,
    linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters},
    naive_bayes::gaussian::{GaussianNB, GaussianNBParameters},
    svm::{
        Kernels,
        svc::{SVC, SVCParameters},
    },
    tree::decision_tree_classifier::{
        DecisionTreeClassifier, DecisionTreeClassifierParameters,
    },
    xgboost::xgb_regressor::{XGRegressor, XGRegressorParameters},
};

type Matrix = DenseMatrix<f64>;

/// A way to learn from rows and classes 0 and 1, and to tell the classes of other rows.
type Learner = fn(&Matrix, &[i32], &Matrix) -> std::result::Result<Vec<bool>, Failed>;

const LEARNERS: [(&str, Learner); 6] = [
    ("naive Bayes", |x, y, test| {
        let classes: Vec<u32> = y.iter().map(|&class| class as u32).collect();
        let fitted = GaussianNB::fit(x, &classes, GaussianNBParameters::default())?;
        Ok(fitted.predict(test)?.into_iter().map(|class| class == 1).collect())
    }),
    ("logistic regression", |x, y, test| {
        let parameters = LogisticRegressionParameters::default().with_alpha(1.0);
        let fitted = LogisticRegression::fit(x, &y.to_vec(), parameters)?;
        Ok(fitted.predict(test)?.into_iter().map(|class| class == 1).collect())
    }),
    ("support vector machine", |x, y, test| {
        let classes: Vec<i32> = y.iter().map(|&class| 2 * class - 1).collect();
        let kernel = Kernels::rbf().with_gamma(1.0 / 30.0);
        let parameters = SVCParameters::default().with_c(1.0).with_kernel(kernel);
        let fitted = SVC::fit(x, &classes, &parameters)?;
        Ok(fitted.predict(test)?.into_iter().map(|side: f64| side > 0.0).collect())
    }),
    ("decision tree", |x, y, test| {
        let parameters = DecisionTreeClassifierParameters::default();
        let fitted = DecisionTreeClassifier::fit(x, &y.to_vec(), parameters)?;
        Ok(fitted.predict(test)?.into_iter().map(|class| class == 1).collect())
    }),
    ("random forest", |x, y, test| {
        let parameters = RandomForestClassifierParameters::default();
        let parameters = parameters.with_n_trees(100).with_seed(seed());
        let fitted = RandomForestClassifier::fit(x, &y.to_vec(), parameters)?;
        Ok(fitted.predict(test)?.into_iter().map(|class| class == 1).collect())
    }),
    ("gradient boosting", |x, y, test| {
        let targets: Vec<f64> = y.iter().map(|&class| f64::from(class)).collect();
        let parameters = XGRegressorParameters::default().with_seed(seed());
        let fitted = XGRegressor::fit(x, &targets, parameters)?;
        Ok(fitted.predict(test)?.into_iter().map(|score| score > 0.5).collect())
    }),
];

/// The rows of that fold to train on and to test on, less the mean and divided by the deviation
/// of the former.
fn normalized(all: &Arrays, (train, test): &Fold) -> Result<(Arrays, Arrays)> {
    let (train, test) = (all.subset(train)?, all.subset(test)?);
    let (mean, deviation) = (train.x().mean([0])?, train.x().std([0])?);
    let normal =
        |part: Arrays| Arrays::new(&(part.x() - &mean) / &deviation, part.y()?.clone());
    Ok((normal(train)?, normal(test)?))
}

fn network(train: &Arrays, test: &Arrays) -> Result<Vec<bool>> {
    let model = Sequential::new([30])
        .add(Dense::new(16).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid))
        .seed(seed())
        .build()?;
    let mut trainer =
        model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()))?;
    trainer.fit(train, Fit::new().epochs(40).batch_size(16).verbose(0))?;
    let outputs = trainer.predictor()?.predict_dataset(test)?.remove(0);
    Ok(outputs.to_vec::<f32>()?.into_iter().map(|score| score > 0.5).collect())
}

fn main() -> Result<()> {
    let data = breast_cancer::load_dataset();
    let x = Tensor::new(data.data, [data.num_samples, data.num_features])?;
    let y: Vec<f32> = data.target.into_iter().map(|class| class as f32).collect();
    let all = Arrays::new(x, Tensor::new(y, [data.num_samples])?)?;

    let mut right = [0; LEARNERS.len() + 1];
    for fold in k_fold(all.len(), 5, seed())? {
        let (train, test) = normalized(&all, &fold)?;
        let matrix = |part: &Arrays| -> Result<Matrix> {
            let [rows, columns] = [part.len(), 30];
            let values = part.x().cast(DType::F64).to_vec()?;
            Ok(DenseMatrix::new(rows, columns, values, false)
                .expect("a row for each example"))
        };
        let classes: Vec<i32> = train.y()?.cast(DType::I32).to_vec()?;
        let truth: Vec<bool> =
            test.y()?.to_vec::<f32>()?.into_iter().map(|y| y > 0.5).collect();
        let mut judge = |which: usize, told: &[bool]| {
            right[which] +=
                told.iter().zip(&truth).filter(|(told, is)| told == is).count();
        };
        for (which, (name, learn)) in LEARNERS.iter().enumerate() {
            let told = learn(&matrix(&train)?, &classes, &matrix(&test)?);
            judge(which, &told.unwrap_or_else(|error| panic!("{name}: {error}")));
        }
        judge(LEARNERS.len(), &network(&train, &test)?);
    }
    let names = LEARNERS.iter().map(|(name, _)| *name).chain(["network"]);
    for (name, right) in names.zip(right) {
        let accuracy = right as f64 / data.num_samples as f64;
        report(&format!("{name}: accuracy over five folds"), None, accuracy);
    }
    Ok(())
}
