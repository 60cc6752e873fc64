//! What weights must satisfy: in a caption, the right tree outweighs another by a margin.
//! Weights that do so and are nearest to where they began are sought by dual coordinate
//! ascent (Hsieh et al., ICML 2008, algorithm 1, squared hinge loss): with `d` the
//! difference of how often each weight occurs in the two trees, `m` the margin and `s` how
//! freely each weight moves, it lowers
//! `sum (w - w0)² / 2s + sum max(0, m - w·d)² / (2 slack)`, the first sum over weights, the
//! second over constraints.

/// The constraints met so far, and the weights that they gave.
#[derive(Debug)]
pub(super) struct Constraints {
    /// Where the differences of each constraint end in `differences`.
    ends: Vec<usize>,
    /// A weight, and how much more often the right tree has it.
    differences: Vec<(u32, i32)>,
    margins: Vec<f32>,
    /// `sum s d²` of each.
    norms: Vec<f32>,
    /// The multiplier of each, not below 0.
    multipliers: Vec<f32>,
    /// `s`, by weight.
    freedom: Vec<f32>,
    pub(super) weights: Vec<f64>,
}

impl Constraints {
    /// None yet.
    pub(super) fn new(weights: Vec<f64>, freedom: Vec<f32>) -> Self {
        Self {
            ends: Vec::new(),
            differences: Vec::new(),
            margins: Vec::new(),
            norms: Vec::new(),
            multipliers: Vec::new(),
            freedom,
            weights,
        }
    }

    /// One more: the sum of the weights times `differences` must be at least `margin`.
    pub(super) fn add(&mut self, differences: &[(u32, i32)], margin: f32) {
        self.push(differences, margin, 0.0);
    }

    fn push(&mut self, differences: &[(u32, i32)], margin: f32, multiplier: f32) {
        let norm =
            |&(place, times): &(u32, i32)| (times * times) as f32 * self.freedom[place as usize];
        self.norms.push(differences.iter().map(norm).sum());
        self.differences.extend_from_slice(differences);
        self.ends.push(self.differences.len());
        self.margins.push(margin);
        self.multipliers.push(multiplier);
    }

    /// Sets each constraint's multiplier to its best value, the others standing still, one
    /// after another.
    pub(super) fn sweep(&mut self, slack: f32) {
        let mut start = 0;
        for (constraint, &end) in self.ends.iter().enumerate() {
            let differences = &self.differences[start..end];
            start = end;
            let value: f64 = differences
                .iter()
                .map(|&(place, times)| self.weights[place as usize] * f64::from(times))
                .sum();
            let multiplier = self.multipliers[constraint];
            let short = self.margins[constraint] - value as f32 - slack * multiplier;
            let next = (multiplier + short / (self.norms[constraint] + slack)).max(0.0);
            if next == multiplier {
                continue;
            }
            self.multipliers[constraint] = next;
            let step = next - multiplier;
            for &(place, times) in differences {
                let change = step * times as f32 * self.freedom[place as usize];
                self.weights[place as usize] += f64::from(change);
            }
        }
    }

    /// Forgets those that hold the weights nowhere.
    pub(super) fn prune(&mut self) {
        let all = Self::new(std::mem::take(&mut self.weights), std::mem::take(&mut self.freedom));
        let all = std::mem::replace(self, all);
        let mut start = 0;
        for (constraint, &end) in all.ends.iter().enumerate() {
            let multiplier = all.multipliers[constraint];
            if multiplier > 0.0 {
                self.push(&all.differences[start..end], all.margins[constraint], multiplier);
            }
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_constraints_by_hand() {
        // w0 = (0, 0), freedom 1, slack 1: w must be at least 2 on the first axis and at
        // least 1 on it by a constraint that then holds nothing.
        let mut known = Constraints::new(vec![0.0; 2], vec![1.0, 4.0]);
        known.add(&[(0, 1)], 2.0);
        known.add(&[(0, 1), (1, -1)], 0.5);
        // 2 / (1 + 1); then 0.5 - 1 is below 0.
        known.sweep(1.0);
        assert_eq!(known.weights, [1.0, 0.0]);
        known.prune();
        assert_eq!((known.ends.as_slice(), known.multipliers.as_slice()), (&[1][..], &[1.0][..]));
        // One that the second weight serves four times as freely: 3 / (1 + 4 + 1).
        known.add(&[(0, 1), (1, 1)], 4.0);
        known.sweep(1.0);
        assert_eq!(known.weights, [1.5, 2.0]);
    }

    #[test]
    fn many_sweeps_reach_the_least_of_the_sum() {
        let mut known = Constraints::new(vec![0.5, -1.0, 0.25], vec![1.0, 0.5, 2.0]);
        let constraints =
            [([(0, 1), (1, 2)], 1.0), ([(1, -1), (2, 1)], 0.5), ([(0, 2), (2, -1)], 2.0)];
        for (differences, margin) in &constraints {
            known.add(differences, *margin);
        }
        (0..2000).for_each(|_| known.sweep(0.5));
        let sum = |weights: &[f64]| {
            let far = [(0.5, 1.0), (-1.0, 0.5), (0.25, 2.0)];
            let moved: f64 = weights
                .iter()
                .zip(far)
                .map(|(weight, (first, freedom))| (weight - first).powi(2) / (2.0 * freedom))
                .sum();
            let short = |(differences, margin): &([(u32, i32); 2], f32)| {
                let value: f64 = differences
                    .iter()
                    .map(|&(place, times)| weights[place as usize] * f64::from(times))
                    .sum();
                (f64::from(*margin) - value).max(0.0).powi(2)
            };
            moved + constraints.iter().map(short).sum::<f64>()
        };
        let least = sum(&known.weights);
        for place in 0..3 {
            for step in [-1e-3, 1e-3] {
                let mut weights = known.weights.clone();
                weights[place] += step;
                assert!(sum(&weights) > least, "{place} {step}");
            }
        }
    }
}
