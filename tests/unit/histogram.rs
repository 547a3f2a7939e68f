//! Histograms: each value is in the first bucket whose bound it does not exceed.

use zigcheck::base::histogram::Histogram;

#[test]
fn a_value_counts_from_the_first_bound_that_holds_it() {
    let mut histogram = Histogram::new([10, 20, 40]);
    let buckets = |histogram: &Histogram<3>| histogram.buckets().collect::<Vec<_>>();
    assert_eq!(buckets(&histogram), [(10, 0), (20, 0), (40, 0)]);
    for value in [0, 10, 11, 20, 40, 41, 1_000] {
        histogram.add(value);
    }
    assert_eq!(buckets(&histogram), [(10, 2), (20, 4), (40, 5)]);
    assert_eq!((histogram.count, histogram.sum), (7, 1_122));
}

#[test]
fn a_sum_that_does_not_fit_stays_at_the_most() {
    let mut histogram = Histogram::new([10]);
    histogram.add(u64::MAX);
    histogram.add(3);
    assert_eq!((histogram.count, histogram.sum), (2, u64::MAX));
    assert_eq!(histogram.buckets().next(), Some((10, 1)));
}
