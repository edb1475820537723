//! Figures of one kind, and what is said of them: never a mean.

/// Figures of one kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The figure that this share of all is at or below; the lower of two for the median of an even number, since
    /// every figure said is one that was measured. Not a number where there are none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * count(sorted.len())).ceil();
        // Truncation is meant, and the rank is at most the number of figures.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to the number of figures"
        )]
        let index = (rank as usize).saturating_sub(1);
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn least(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(crate) fn greatest(&self) -> f64 {
        self.quantile(1.0)
    }

    /// `12.3 (11.9–14.0)`, with three significant digits; `–` where there is nothing.
    pub(crate) fn spread(&self) -> String {
        if self.is_empty() {
            return "–".to_owned();
        }
        let (least, greatest) = (figure(self.least()), figure(self.greatest()));
        format!("{} ({least}–{greatest})", figure(self.median()))
    }
}

impl Extend<f64> for Samples {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, figures: I) {
        self.0.extend(figures);
    }
}

/// A number with three significant digits; whole from a hundred on.
pub(crate) fn figure(number: f64) -> String {
    if !number.is_finite() {
        return "–".to_owned();
    }
    match number.abs() {
        size if size >= 99.95 || size == 0.0 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        size if size >= 0.9995 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// One median as a multiple of another.
pub(crate) fn ratio(ours: &Samples, theirs: &Samples) -> String {
    if ours.is_empty() || theirs.is_empty() {
        return "–".to_owned();
    }
    format!("{}×", figure(ours.median() / theirs.median()))
}

/// A count as a number to divide by.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts here stay far below 2^52"
)]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
