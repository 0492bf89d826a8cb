//! The statistics of a judgement.

/// Makes the median absolute deviation of normal values their standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// The middle value; of an even number the mean of the two in the middle.
pub(in crate::alert) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}

/// Standard deviation by the median absolute deviation: one wild week does not move it.
pub(super) fn spread(values: &[f64], middle: f64) -> f64 {
    let deviations: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    MAD_TO_SIGMA * median(&deviations).unwrap_or(0.0)
}

/// Wilson's interval: between what the true share lies of which `part` of `whole` were seen. Of nothing, all is possible.
pub(super) fn wilson(part: f64, whole: f64, z: f64) -> (f64, f64) {
    if whole <= 0.0 {
        return (0.0, 1.0);
    }
    // More complaints than deliveries may come in a window: the mail was of an earlier one.
    let share = (part / whole).min(1.0);
    let square = z * z;
    let middle = share + square / (2.0 * whole);
    let half = z * (share * (1.0 - share) / whole + square / (4.0 * whole * whole)).sqrt();
    let divisor = 1.0 + square / whole;
    (((middle - half) / divisor).max(0.0), ((middle + half) / divisor).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn one_wild_week_does_not_move_the_spread() {
        let calm = spread(&[10.0, 11.0, 9.0, 10.0, 12.0, 9.0, 10.0, 11.0], 10.0);
        let wild = spread(&[10.0, 11.0, 9.0, 10.0, 12.0, 9.0, 10.0, 900.0], 10.0);
        assert!((calm - wild).abs() < 0.01, "{calm} {wild}");
    }

    #[test]
    fn wilson_s_interval_is_as_published() {
        // 1 of 5 at 95 %: 0.0362 to 0.6245 (z = 1.96).
        let (low, high) = wilson(1.0, 5.0, 1.96);
        assert!((low - 0.0362).abs() < 0.0005 && (high - 0.6245).abs() < 0.0005, "{low} {high}");
    }

    proptest! {
        #[test]
        fn a_share_lies_in_its_interval(whole in 1_u32..1_000_000, part in 0.0..1.0_f64) {
            let whole = f64::from(whole);
            let part = (part * whole).round();
            let (low, high) = wilson(part, whole, 1.645);
            prop_assert!((0.0..=1.0).contains(&low) && low <= part / whole + 1e-9 && part / whole <= high + 1e-9);
        }
    }
}
