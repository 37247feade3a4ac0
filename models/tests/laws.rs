//! Laws of training, with generated tables.
//!
//! Invariant: a generated table depends only on its seed; about a tenth of the values of two of its columns are missing.
//! Not here: the parts of training (tests beside them), the file of a model (`processors::predictor`).
#![allow(clippy::unwrap_used)]
use models::{Fit, FitError, LinearParameters, Model, Node, Parameters, Table, Tree, TreeParameters, fit};
use proptest::prelude::*;
use std::num::NonZeroUsize;

const NAMES: [&str; 5] = ["minutes", "points", "rest", "noise", "unused"];

/// A generator of numbers (G. Marsaglia, "Xorshift RNGs", 2003).
struct Numbers(u64);
impl Numbers {
    /// Returns a multiple of 2^-20 from 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 44) as f64 / f64::from(1 << 20)
    }
}

type Row = (Vec<Option<f64>>, f64);

/// Generates rows in the order of [`NAMES`]. The target depends on two columns linearly, and on a third one by a step.
fn rows(seed: u64, count: usize) -> Vec<Row> {
    let mut numbers = Numbers(seed | 1);
    let row = |_| {
        let [minutes, points, rest, noise, chance, error] = std::array::from_fn(|_| numbers.next());
        let step = if rest > 0.7 && minutes > 0.5 { 6.0 } else { 0.0 };
        let target = 10.0 * minutes + 5.0 * points + step + 8.0 * (error - 0.5);
        let rest = (chance > 0.1).then_some(rest);
        let noise = (chance < 0.9).then_some(noise);
        (vec![Some(minutes), Some(points), rest, noise, None], target)
    };
    (0..count).map(row).collect()
}
fn table(names: &[&str], rows: &[Row]) -> Table {
    let mut table = Table::new(names).unwrap();
    rows.iter().for_each(|(values, target)| table.push(values, *target).unwrap());
    table
}
fn parameters() -> Parameters {
    let trees =
        TreeParameters { trees: 12, leaves: 6, rate: 0.2, min_leaf_share: 0.02, ..TreeParameters::default() };
    // So many steps that only rounding differs between two ways to the same weights.
    Parameters {
        trees,
        linear: LinearParameters { steps: 60, tolerance: 1e-9, ridge: 1e-4 },
        ..Parameters::default()
    }
}
fn fit_on(threads: usize, table: &Table) -> Fit {
    fit(table, &parameters(), NonZeroUsize::new(threads).unwrap(), &mut || {}).unwrap()
}
fn trained(rows: &[Row]) -> Model {
    fit_on(1, &table(&NAMES, rows)).model
}
/// Forecasts a row that has its values in the order of `names`.
fn forecast(model: &Model, names: &[&str], values: &[Option<f64>]) -> f64 {
    let value = |name: &str| values[names.iter().position(|other| *other == name).unwrap()];
    let row: Vec<_> = model.columns.iter().map(|column| value(&column.name)).collect();
    model.forecast(&row).unwrap()
}
fn forecasts(model: &Model, rows: &[Row]) -> Vec<f64> {
    rows.iter().map(|(values, _)| forecast(model, &NAMES, values)).collect()
}
fn mean_error(forecasts: &[f64], rows: &[Row]) -> f64 {
    let sum: f64 = forecasts.iter().zip(rows).map(|(forecast, (_, target))| (forecast - target).abs()).sum();
    sum / rows.len() as f64
}
fn bytes(model: &Model) -> String {
    serde_json::to_string(model).unwrap()
}
/// Returns the leaf of a row, as the index of its node.
fn leaf(tree: &Tree, row: &[Option<f64>]) -> usize {
    let mut node = 0;
    while let Node::Split(split) = tree.0[node] {
        let is_left =
            row[usize::from(split.column)].map_or(split.missing_left, |value| value <= split.threshold);
        node = if is_left { node + 1 } else { split.right as usize };
    }
    node
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn one_and_two_and_three_threads_give_the_same_bytes(seed in any::<u64>()) {
        // So many rows that histograms are counted on several threads.
        let table = table(&NAMES, &rows(seed, 9000));
        let one = fit_on(1, &table);
        prop_assert_eq!(bytes(&one.model), bytes(&fit_on(2, &table).model));
        prop_assert_eq!(bytes(&one.model), bytes(&fit_on(3, &table).model));
    }
    #[test]
    fn the_order_of_columns_does_not_matter(seed in any::<u64>(), order in Just(vec![0, 1, 2, 3, 4]).prop_shuffle()) {
        let rows = rows(seed, 300);
        let names: Vec<&str> = order.iter().map(|index| NAMES[*index]).collect();
        let permute = |(values, target): &Row| (order.iter().map(|index| values[*index]).collect(), *target);
        let permuted: Vec<Row> = rows.iter().map(permute).collect();
        let (model, other) = (trained(&rows), fit_on(1, &table(&names, &permuted)).model);
        prop_assert_eq!(bytes(&model), bytes(&other));
        prop_assert_eq!(forecast(&model, &NAMES, &rows[0].0), forecast(&other, &names, &permuted[0].0));
    }
    #[test]
    fn a_monotone_transformation_of_a_column_does_not_change_the_partition_of_the_trees(seed in any::<u64>()) {
        let rows = rows(seed, 400);
        // Without a linear part that sees the values themselves, only their order is left.
        let linear = LinearParameters { steps: 1, tolerance: 0.0, ridge: 1e12 };
        let parameters = Parameters { linear, ..parameters() };
        let train = |rows: &[Row]| fit(&table(&NAMES, rows), &parameters, NonZeroUsize::MIN, &mut || {}).unwrap().model;
        let transform = |(values, target): &Row| {
            let mut values = values.clone();
            values[2] = values[2].map(|value| value * value * value * 50.0 - 3.0);
            (values, *target)
        };
        let transformed: Vec<Row> = rows.iter().map(transform).collect();
        let (model, other) = (train(&rows), train(&transformed));
        let row = |model: &Model, row: &Row| -> Vec<Option<f64>> {
            let value = |name: &str| row.0[NAMES.iter().position(|other| *other == name).unwrap()];
            model.columns.iter().map(|column| value(&column.name)).collect()
        };
        prop_assert!(model.trees.iter().any(|tree| tree.0.len() > 1));
        for (tree, other_tree) in model.trees.iter().zip(&other.trees) {
            for (one, two) in rows.iter().zip(&transformed) {
                prop_assert_eq!(leaf(tree, &row(&model, one)), leaf(other_tree, &row(&other, two)));
            }
        }
    }
    #[test]
    fn a_constant_in_the_target_shifts_the_forecasts(seed in any::<u64>(), constant in -100i32..100) {
        let rows = rows(seed, 300);
        let shift = f64::from(constant);
        let shifted: Vec<Row> = rows.iter().map(|(values, target)| (values.clone(), target + shift)).collect();
        let (before, after) = (forecasts(&trained(&rows), &rows), forecasts(&trained(&shifted), &rows));
        for (before, after) in before.iter().zip(after) {
            prop_assert!((before + shift - after).abs() < 1e-2, "{} + {} is not {}", before, shift, after);
        }
    }
    #[test]
    fn every_row_twice_gives_the_same_forecasts(seed in any::<u64>()) {
        let rows = rows(seed, 300);
        let twice = [rows.clone(), rows.clone()].concat();
        let (once, twice) = (forecasts(&trained(&rows), &rows), forecasts(&trained(&twice), &rows));
        for (once, twice) in once.iter().zip(twice) {
            prop_assert!((once - twice).abs() < 1e-2, "{} is not {}", once, twice);
        }
    }
    #[test]
    fn a_forecast_is_a_number_whatever_the_row_has(seed in any::<u64>(), values in prop::collection::vec(any::<f64>(), 5)) {
        let model = trained(&rows(seed, 100));
        let mut row: Vec<Option<f64>> = values.into_iter().map(Some).collect();
        for value in row.iter_mut().take(2) {
            *value = value.map(|value| if value.is_finite() { value } else { 0.0 });
        }
        prop_assert!(forecast(&model, &NAMES, &row).is_finite());
    }
    #[test]
    fn the_median_of_all_targets_is_worse_on_the_training_rows(seed in any::<u64>(), count in 40usize..400) {
        let rows = rows(seed, count);
        let mut targets: Vec<f64> = rows.iter().map(|(_, target)| *target).collect();
        targets.sort_by(f64::total_cmp);
        let median = vec![targets[targets.len() / 2]; rows.len()];
        prop_assert!(mean_error(&forecasts(&trained(&rows), &rows), &rows) < mean_error(&median, &rows));
    }
}

#[test]
fn a_planted_signal_is_found_by_both_parts() {
    let (train, test) = (rows(1, 4000), rows(2, 4000));
    let model = trained(&train);
    let weight = |name: &str| model.columns.iter().find(|column| column.name == name).unwrap();
    let slope = |name: &str| weight(name).weight / weight(name).deviation;
    assert!(slope("points") > 4.0 && slope("points") < 6.0 && slope("noise").abs() < 0.5);
    let linear = Model { trees: Vec::new(), offset: 0, ..model.clone() };
    let (with_trees, without) =
        (mean_error(&forecasts(&model, &test), &test), mean_error(&forecasts(&linear, &test), &test));
    // The error that no model can forecast has a mean of 2.
    assert!(with_trees < 2.2 && with_trees < without - 0.1, "{with_trees} with trees, {without} without");
}

#[test]
fn that_a_value_is_missing_is_a_signal_for_the_trees() {
    let rows: Vec<Row> = rows(6, 2000)
        .into_iter()
        .map(|(values, target)| {
            let missing = if values[3].is_none() { 20.0 } else { 0.0 };
            (values, target + missing)
        })
        .collect();
    let trees = TreeParameters { trees: 40, ..parameters().trees };
    let parameters = Parameters { trees, ..parameters() };
    let model = fit(&table(&NAMES, &rows), &parameters, NonZeroUsize::MIN, &mut || {}).unwrap().model;
    let forecast = |noise| forecast(&model, &NAMES, &[Some(0.5), Some(0.5), Some(0.5), noise, None]);
    for noise in [0.0, 0.5, 1.0] {
        assert!(forecast(None) > forecast(Some(noise)) + 10.0, "{noise}");
    }
}

#[test]
fn a_quantile_leaves_its_share_of_the_targets_below() {
    let rows = rows(3, 4000);
    for quantile in [0.1, 0.8] {
        let trees = TreeParameters { quantile, ..parameters().trees };
        let parameters = Parameters { trees, ..parameters() };
        let model = fit(&table(&NAMES, &rows), &parameters, NonZeroUsize::MIN, &mut || {}).unwrap().model;
        let below =
            forecasts(&model, &rows).iter().zip(&rows).filter(|(forecast, row)| row.1 < **forecast).count();
        let share = below as f64 / rows.len() as f64;
        assert!((share - quantile).abs() < 0.03, "{share} of the targets are below quantile {quantile}");
    }
}

#[test]
fn a_column_that_was_never_missing_must_have_a_value_and_another_one_is_imputed() {
    let fit = fit_on(1, &table(&NAMES, &rows(4, 200)));
    let names: Vec<&str> = fit.model.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["minutes", "noise", "points", "rest"]);
    assert_eq!(fit.dropped[0].column, "unused");
    assert!(fit.model.forecast(&[Some(0.5), None, Some(0.5), None]).is_ok());
    assert_eq!(fit.model.forecast(&[Some(0.5), None, None, None]), Err(2));
    assert_eq!(fit.model.forecast(&[Some(f64::NAN), None, Some(0.5), None]), Err(0));
}

#[test]
fn a_table_without_rows_or_columns_and_wrong_parameters_are_refused() {
    let try_fit =
        |table: &Table, parameters| fit(table, &parameters, NonZeroUsize::MIN, &mut || {}).unwrap_err();
    assert_eq!(try_fit(&table(&NAMES, &[]), parameters()), FitError::NoRows);
    let missing = vec![(vec![None; 5], 1.0); 10];
    assert_eq!(try_fit(&table(&NAMES, &missing), parameters()), FitError::NoColumns);
    let trees = TreeParameters { quantile: f64::NAN, ..parameters().trees };
    let wrong = try_fit(&table(&NAMES, &rows(5, 10)), Parameters { trees, ..parameters() });
    assert!(matches!(wrong, FitError::Parameters(_)));
}
